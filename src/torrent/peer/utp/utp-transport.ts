/**
 * A uTP connection as a {@link Transport}. BEP 29.
 *
 * Owns one stream and its timer. Must not interpret a byte. A paused one keeps at most its window, which closes and so
 * slows the peer down, as TCP does.
 */
import { TorrentError } from '../../errors.js'
import { formatAddress, type PeerAddress } from '../address.js'
import type { Transport, TransportReceiver } from '../transport.js'
import type { UtpStream } from './utp-stream.js'

/** The port a transport lives on. */
export interface UtpHost {
  /** Something changed: {@link UtpTransport.turn} is to be called soon, and not from within this call. */
  touched(transport: UtpTransport): void
  /** It takes no more packets. */
  gone(transport: UtpTransport): void
}

/** Where what came is put together for the receiver: one for all, since receivers keep no reference. */
const RECEIVE_BUFFER_LENGTH = 256 * 1024
let sharedBuffer: Buffer | undefined

const NOBODY: TransportReceiver = { receive() {}, sent() {}, ended() {} }

export class UtpTransport implements Transport {
  readonly kind = 'utp'
  readonly address: PeerAddress
  readonly incoming: boolean
  readonly #host: UtpHost
  readonly #stream: UtpStream
  #receiver = NOBODY
  #paused = true
  #inTurn = false
  #destroyed = false
  /** The receiver was told. */
  #gone = false
  #error: TorrentError | undefined
  #timer: NodeJS.Timeout | undefined
  #timerAt = Infinity

  constructor(host: UtpHost, stream: UtpStream, address: PeerAddress, incoming: boolean) {
    this.#host = host
    this.#stream = stream
    this.address = address
    this.incoming = incoming
    this.#arm()
  }

  get stream(): UtpStream {
    return this.#stream
  }

  get backlog(): number {
    return this.#stream.queued
  }

  setReceiver(receiver: TransportReceiver): void {
    this.#receiver = receiver
    if (this.#gone) process.nextTick(() => receiver.ended(this.#error))
  }

  send(parts: readonly Uint8Array[]): void {
    if (this.#destroyed) return
    this.#stream.write(parts)
    this.#touch()
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    if (this.#destroyed) return
    this.#paused = false
    this.#touch()
  }

  destroy(error?: TorrentError): void {
    if (this.#destroyed) return
    this.#stream.close(performance.now())
    this.#end(error)
  }

  /** Hands on what came, sends what is to be sent, and notices an end. For the port. */
  turn(now: number): void {
    if (this.#destroyed) return
    const before = this.#stream.queued
    this.#inTurn = true
    try {
      this.#deliver()
      if (this.#stopped()) return
      const queued = Math.max(before, this.#stream.queued)
      this.#stream.flush(now)
      if (this.#stream.queued < queued) this.#receiver.sent()
    } finally {
      this.#inTurn = false
    }
    // Who heard that bytes left may have written more.
    if (!this.#stopped() && this.#stream.queued > before) this.#touch()
    this.#arm()
  }

  #deliver(): void {
    const buffer = (sharedBuffer ??= Buffer.allocUnsafeSlow(RECEIVE_BUFFER_LENGTH))
    while (!this.#paused && !this.#destroyed && this.#stream.readable > 0) {
      this.#receiver.receive(buffer, this.#stream.read(buffer))
    }
    // An orderly end: we have nothing to say to who does not listen.
    if (!this.#paused && this.#stream.atEnd) this.destroy()
  }

  /** Whether it has ended, which is noticed now if it is so. */
  #stopped(): boolean {
    if (!this.#destroyed && this.#stream.state === 'ended') {
      const message = `${formatAddress(this.address)}: ${this.#stream.failure ?? 'closed'} (uTP)`
      this.#end(new TorrentError('ERR_TORRENTFS_CONNECTION', message))
    }
    return this.#destroyed
  }

  #end(error: TorrentError | undefined): void {
    this.#destroyed = true
    this.#error = error
    clearTimeout(this.#timer)
    this.#host.gone(this)
    process.nextTick(() => {
      this.#gone = true
      this.#receiver.ended(this.#error)
    })
  }

  #touch(): void {
    if (!this.#inTurn) this.#host.touched(this)
  }

  /** Sets the timer when there is none that is early enough: most deadlines move on before they come. */
  #arm(): void {
    const { deadline } = this.#stream
    if (this.#destroyed || deadline === Infinity || deadline >= this.#timerAt) return
    clearTimeout(this.#timer)
    this.#timerAt = deadline
    this.#timer = setTimeout(() => this.#wake(), Math.max(1, Math.ceil(deadline - performance.now())))
    this.#timer.unref()
  }

  #wake(): void {
    this.#timerAt = Infinity
    const now = performance.now()
    if (now < this.#stream.deadline) return this.#arm()
    this.#stream.tick(now)
    this.turn(now)
  }
}
