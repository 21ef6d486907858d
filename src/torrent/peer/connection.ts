/**
 * One connected peer: messages in, messages out. BEP 3, 6, 10.
 *
 * Owns the transport, the decoder and the output buffer. Decides nothing: what to request, whom to unchoke and when to
 * give up on a peer (save its silence) is the torrent's business.
 */
import { TorrentError } from '../errors.js'
import { MessageDecoder, type DecoderEvents } from '../wire/decoder.js'
import { MessageEncoder } from '../wire/encoder.js'
import type { Handshake } from '../wire/handshake.js'
import { ProtocolError } from '../wire/protocol-error.js'
import { formatAddress, type PeerAddress } from './address.js'
import type { Protection } from './encryption.js'
import type { Transport } from './transport.js'

/**
 * Who hears of a connection. Called synchronously while what the socket received is decoded, never from within a call
 * to the connection. What an event throws is a defect of ours, and is not caught.
 */
export interface PeerEvents extends DecoderEvents {
  /** All messages of what the socket received at once were delivered: time to plan. Written messages go out after it. */
  turn(): void
  /** The send backlog was above {@link SEND_LOW_WATER} and no longer is. */
  drain(): void
  /**
   * The connection is gone: exactly once, and nothing follows. `error` is undefined when the peer closed it in good
   * order or we did without a reason.
   */
  close(error: TorrentError | undefined): void
}

export interface PeerConnectionOptions {
  /** A peer that sends nothing for this long is given up, in ms. */
  readonly idleTimeoutMs?: number
  /** After this long without a message of ours a keep-alive is sent, in ms. */
  readonly keepAliveMs?: number
  /** How the transport flows: told to who asks, and nothing else. Default: 'plain'. */
  readonly protection?: Protection
}

/** `drain` tells when no more bytes than this are left to be sent. */
export const SEND_LOW_WATER = 256 * 1024

const IDLE_TIMEOUT_MS = 120_000
const KEEP_ALIVE_MS = 100_000
/**
 * Transmission (seen in 3.00) reads what came right behind the handshakes over uTP only when more comes: until then it has
 * neither heard what we have nor is it interested. One keep-alive after this long, in ms, is that more.
 */
const NUDGE_MS = 1000

/** Connections with messages written outside of their own turn. One callback flushes them all. */
let unflushed: PeerConnection[] = []

function flushAll(): void {
  const connections = unflushed
  unflushed = []
  for (const connection of connections) connection.flush()
}

/**
 * A connection whose handshakes are exchanged. Its socket is paused until {@link setEvents}.
 *
 * What the writers write goes out together: after the `turn` in which it was written, else at the end of the current
 * callback, or by {@link flush}. After the connection is closed they do nothing.
 */
export class PeerConnection {
  /** 20 bytes. */
  readonly peerId: Uint8Array
  /** Both sides speak the fast extension (BEP 6). */
  readonly supportsFast: boolean
  /** The peer speaks the extension protocol (BEP 10). */
  readonly supportsExtensions: boolean
  /** The peer runs a DHT node (BEP 5). */
  readonly supportsDht: boolean
  /** Whether, and how far, the stream is encrypted. */
  readonly protection: Protection

  readonly #transport: Transport
  readonly #encoder = new MessageEncoder()
  readonly #idleTimeoutMs: number
  readonly #keepAliveMs: number
  #decoder: MessageDecoder | undefined
  #events: PeerEvents | undefined
  #early: Uint8Array
  #timer: NodeJS.Timeout | undefined
  #nudge: NodeJS.Timeout | undefined
  #closed = false
  #ended = false
  #error: TorrentError | undefined
  #paused = false
  #inTurn = false
  #flushQueued = false
  #aboveLowWater = false
  #bitfieldCap: number | undefined
  #lastReceived = performance.now()
  #lastSent = performance.now()
  #bytesReceived = 0
  #bytesSent = 0
  #payloadReceived = 0
  #payloadSent = 0

  /**
   * @param transport - Paused, its handshakes exchanged. The connection owns it from now on.
   * @param handshake - The peer's.
   * @param early - What came behind the peer's handshake.
   */
  constructor(
    transport: Transport,
    handshake: Handshake,
    early: Uint8Array,
    options?: PeerConnectionOptions,
  ) {
    this.#transport = transport
    this.#early = early
    this.peerId = handshake.peerId
    this.supportsFast = handshake.fast
    this.supportsExtensions = handshake.extensions
    this.supportsDht = handshake.dht
    this.protection = options?.protection ?? 'plain'
    this.#idleTimeoutMs = options?.idleTimeoutMs ?? IDLE_TIMEOUT_MS
    this.#keepAliveMs = options?.keepAliveMs ?? KEEP_ALIVE_MS
    transport.setReceiver({
      receive: (bytes, length) => this.#receive(bytes, length),
      sent: () => this.#sent(),
      ended: error => this.#end(error),
    })
  }

  get address(): PeerAddress {
    return this.#transport.address
  }

  /** What carries it. */
  get kind(): Transport['kind'] {
    return this.#transport.kind
  }

  /** True when the peer connected to us. */
  get incoming(): boolean {
    return this.#transport.incoming
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Bytes written and not yet given to the kernel. */
  get sendBacklog(): number {
    return this.#encoder.length + this.#transport.backlog
  }

  /** Bytes received behind the handshake, everything counted. */
  get bytesReceived(): number {
    return this.#bytesReceived
  }

  /** Bytes written behind the handshake, everything counted. */
  get bytesSent(): number {
    return this.#bytesSent
  }

  /** Of the bytes received, those that were payload of blocks. */
  get payloadReceived(): number {
    return this.#payloadReceived
  }

  /** Of the bytes written, those that were payload of blocks. */
  get payloadSent(): number {
    return this.#payloadSent
  }

  /**
   * Names who hears of the connection, once, and begins to receive. No event is called before this returns. Nothing is
   * lost that happened before.
   */
  setEvents(events: PeerEvents): void {
    if (this.#events !== undefined) throw new Error('the events of a connection are set once')
    this.#events = events
    this.#decoder = new MessageDecoder({
      message: message => events.message(message),
      blockTarget: (piece, begin, length) => events.blockTarget(piece, begin, length),
      blockProgress: bytes => {
        this.#payloadReceived += bytes
        events.blockProgress?.(bytes)
      },
      block: (piece, begin, length, kept) => events.block(piece, begin, length, kept),
    })
    if (this.#bitfieldCap !== undefined) this.#decoder.setBitfieldCap(this.#bitfieldCap)
    process.nextTick(() => this.#begin())
  }

  /** Sets the longest bitfield to take, in bytes: the exact size once the number of pieces is known. */
  setBitfieldCap(bytes: number): void {
    this.#bitfieldCap = bytes
    this.#decoder?.setBitfieldCap(bytes)
  }

  keepAlive(): void {
    if (this.#writable()) this.#encoder.keepAlive()
  }

  choke(): void {
    if (this.#writable()) this.#encoder.choke()
  }

  unchoke(): void {
    if (this.#writable()) this.#encoder.unchoke()
  }

  interested(): void {
    if (this.#writable()) this.#encoder.interested()
  }

  notInterested(): void {
    if (this.#writable()) this.#encoder.notInterested()
  }

  have(piece: number): void {
    if (this.#writable()) this.#encoder.have(piece)
  }

  /** `bytes` is copied. */
  bitfield(bytes: Uint8Array): void {
    if (this.#writable()) this.#encoder.bitfield(bytes)
  }

  haveAll(): void {
    if (this.#writable()) this.#encoder.haveAll()
  }

  haveNone(): void {
    if (this.#writable()) this.#encoder.haveNone()
  }

  request(piece: number, begin: number, length: number): void {
    if (this.#writable()) this.#encoder.request(piece, begin, length)
  }

  cancel(piece: number, begin: number, length: number): void {
    if (this.#writable()) this.#encoder.cancel(piece, begin, length)
  }

  reject(piece: number, begin: number, length: number): void {
    if (this.#writable()) this.#encoder.reject(piece, begin, length)
  }

  allowedFast(piece: number): void {
    if (this.#writable()) this.#encoder.allowedFast(piece)
  }

  /** Tells where our DHT node is. BEP 5. */
  port(port: number): void {
    if (this.#writable()) this.#encoder.port(port)
  }

  /** `payload` is copied. */
  extended(id: number, payload: Uint8Array): void {
    if (this.#writable()) this.#encoder.extended(id, payload)
  }

  /**
   * Sends a block. `payload` is referenced, not copied, and belongs to the connection from now on: it must never be changed
   * nor read again, since an encrypted stream is made of it where it lies.
   */
  block(piece: number, begin: number, payload: Uint8Array): void {
    if (!this.#writable()) return
    this.#encoder.block(piece, begin, payload)
    this.#payloadSent += payload.length
  }

  /** Sends what is written now instead of at the end of the turn. */
  flush(): void {
    this.#flushQueued = false
    const length = this.#encoder.length
    if (this.#closed || length === 0) return
    if (this.#transport.backlog === 0) this.#encoder.recycle()
    // Before sending: who has stopped writing for the backlog he saw waits for `drain`, even if the kernel takes it all.
    if (this.sendBacklog > SEND_LOW_WATER) this.#aboveLowWater = true
    this.#transport.send(this.#encoder.take())
    this.#bytesSent += length
    this.#lastSent = performance.now()
  }

  /** Discards the rest of the payload that is coming in, if any: its memory is about to be used for something else. */
  dropTarget(): void {
    this.#decoder?.dropTarget()
  }

  /** Stops reading from the socket. Of what is read already, at most 256 KiB, events still come. */
  pause(): void {
    this.#paused = true
    this.#transport.pause()
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#lastReceived = performance.now()
    if (this.#events !== undefined && this.#early.length === 0) this.#transport.resume()
  }

  /** Closes the connection: what is not sent is lost, and no event but `close` follows, later and with this `error`. */
  close(error?: TorrentError): void {
    if (this.#closed) return
    this.#closed = true
    this.#error = error
    this.#decoder?.stop()
    this.#transport.destroy(error)
  }

  #writable(): boolean {
    if (this.#closed) return false
    if (!this.#inTurn && !this.#flushQueued) {
      this.#flushQueued = true
      if (unflushed.push(this) === 1) process.nextTick(flushAll)
    }
    return true
  }

  #begin(): void {
    if (this.#ended) {
      this.#events?.close(this.#error)
      return
    }
    if (this.#closed) return
    this.#lastReceived = performance.now()
    this.#watch()
    if (this.#transport.kind === 'utp') this.#nudge = setTimeout(() => this.keepAlive(), NUDGE_MS).unref()
    const early = this.#early
    this.#early = new Uint8Array(0)
    if (early.length > 0) this.#receive(early, early.length)
    if (!this.#paused && !this.#closed) this.#transport.resume()
  }

  #receive(bytes: Uint8Array, length: number): void {
    const events = this.#events
    const decoder = this.#decoder
    if (this.#closed || events === undefined || decoder === undefined) return
    this.#lastReceived = performance.now()
    this.#bytesReceived += length
    this.#inTurn = true
    try {
      decoder.feed(bytes, length)
      if (!this.#closed) events.turn()
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.close(new ProtocolError(`${formatAddress(this.address)}: ${error.message}`))
    } finally {
      this.#inTurn = false
    }
    this.flush()
  }

  #sent(): void {
    if (!this.#aboveLowWater || this.#closed || this.sendBacklog > SEND_LOW_WATER) return
    this.#aboveLowWater = false
    this.#events?.drain()
  }

  #end(error: TorrentError | undefined): void {
    clearTimeout(this.#timer)
    clearTimeout(this.#nudge)
    this.#closed = true
    this.#ended = true
    this.#error ??= error
    this.#decoder?.stop()
    this.#events?.close(this.#error)
  }

  /** Wakes when the peer may have been silent, or we may have been, for long enough. */
  #watch(): void {
    const now = performance.now()
    const silent = this.#paused ? 0 : now - this.#lastReceived
    if (silent >= this.#idleTimeoutMs) {
      const where = formatAddress(this.address)
      this.close(new TorrentError('ERR_TORRENTFS_TIMEOUT', `${where}: silent for ${this.#idleTimeoutMs} ms`))
      return
    }
    // With a backlog the peer does not read: more would only pile up.
    if (now - this.#lastSent >= this.#keepAliveMs && this.sendBacklog === 0) {
      this.keepAlive()
      this.flush()
    }
    const keepAliveIn = Math.max(this.#lastSent + this.#keepAliveMs - now, this.#keepAliveMs / 4)
    const next = Math.min(this.#idleTimeoutMs - silent, keepAliveIn)
    this.#timer = setTimeout(() => this.#watch(), Math.max(1, Math.ceil(next)))
    this.#timer.unref()
  }
}
