/**
 * TCP as a {@link Transport}. BEP 3.
 *
 * Owns one socket and the one receive buffer that all outgoing sockets share. Must not interpret a byte.
 */
import type { OnReadOpts, Socket } from 'node:net'

import { messageOf, TorrentError } from '../errors.js'
import { Outlet } from '../net/outlet.js'
import { formatAddress, toPeerAddress, type HostPort, type PeerAddress } from './address.js'
import type { Transport, TransportReceiver } from './transport.js'

/**
 * Where the kernel puts what outgoing sockets receive. One buffer serves all of them: libuv fills it and calls back
 * before it reads from any other socket, and receivers do not keep a reference. Measured against `data` events, which
 * allocate a buffer a read: a tenth more throughput for a fifth less CPU.
 *
 * libuv fills it up to 32 times before anything else has its turn. With four times the length, what a piece waits for to be stored
 * came as much later, and a GiB took 5 % longer.
 */
const RECEIVE_BUFFER_LENGTH = 64 * 1024
let sharedBuffer: Buffer | undefined

function receiveBuffer(): Buffer {
  // Windows hands the buffer to the kernel before the bytes are there, so sockets cannot share one.
  if (process.platform === 'win32') return Buffer.allocUnsafeSlow(RECEIVE_BUFFER_LENGTH)
  sharedBuffer ??= Buffer.allocUnsafeSlow(RECEIVE_BUFFER_LENGTH)
  return sharedBuffer
}

/** A TCP connection. */
export class TcpTransport implements Transport {
  readonly kind = 'tcp'
  readonly incoming: boolean
  #socket!: Socket
  #address: PeerAddress
  #receiver: TransportReceiver | undefined
  #error: TorrentError | undefined
  #destroyed = false
  /** Before the receiver was told. Then `gone` is true. */
  #gone = false
  #paused = true
  readonly #onSent = (): void => {
    if (!this.#destroyed) this.#receiver?.sent()
  }

  private constructor(address: PeerAddress, incoming: boolean) {
    this.#address = address
    this.incoming = incoming
  }

  /**
   * Connects to an address.
   *
   * @param address - An IP address, or a name to be looked up.
   * @param signal - Aborting it ends the attempt; afterwards it has no effect.
   * @param outlet - By whose rules; by none unless given.
   * @throws ERR_TORRENTFS_CONNECTION when there is no connection to be had, ERR_TORRENTFS_PROXY when that is the
   * proxy's fault, ERR_TORRENTFS_ABORTED on abort.
   */
  static async connect(address: HostPort, signal: AbortSignal, outlet = new Outlet()): Promise<TcpTransport> {
    const transport = new TcpTransport(toPeerAddress(address), false)
    const onread: OnReadOpts = {
      buffer: receiveBuffer(),
      callback: (length, buffer) => {
        transport.#receive(buffer, length)
        return !transport.#paused
      },
    }
    const to = { host: transport.#address.host, port: address.port }
    const socket = await outlet.connect(to, outlet.proxied ? { signal } : { signal, onread })
    // Behind a proxy the socket's own other end is the proxy.
    if (!outlet.proxied) transport.#address = remoteAddress(socket, transport.#address)
    transport.setReceiver(NOBODY)
    transport.#adopt(socket)
    if (outlet.proxied) socket.on('data', (bytes: Buffer) => transport.#receive(bytes, bytes.length))
    // Listening for data has set it going.
    socket.pause()
    return transport
  }

  /** Takes over a socket that a server accepted, paused. */
  static accepted(socket: Socket): TcpTransport {
    const unknown: PeerAddress = { host: '', port: 0, family: 0 }
    const transport = new TcpTransport(remoteAddress(socket, unknown), true)
    socket.pause()
    socket.setNoDelay(true)
    transport.#adopt(socket)
    socket.on('data', (bytes: Buffer) => transport.#receive(bytes, bytes.length))
    return transport
  }

  get address(): PeerAddress {
    return this.#address
  }

  get backlog(): number {
    return this.#socket.writableLength
  }

  setReceiver(receiver: TransportReceiver): void {
    this.#receiver = receiver
    if (this.#gone) process.nextTick(() => receiver.ended(this.#error))
  }

  send(parts: readonly Uint8Array[]): void {
    if (this.#destroyed || parts.length === 0) return
    const socket = this.#socket
    const last = parts.length - 1
    if (last > 0) socket.cork()
    for (let i = 0; i < last; i++) socket.write(parts[i] as Uint8Array)
    socket.write(parts[last] as Uint8Array, this.#onSent)
    if (last > 0) socket.uncork()
  }

  pause(): void {
    this.#paused = true
    this.#socket.pause()
  }

  resume(): void {
    if (this.#destroyed) return
    this.#paused = false
    this.#socket.resume()
  }

  destroy(error?: TorrentError): void {
    if (this.#destroyed) return
    this.#destroyed = true
    this.#error = error
    this.#socket.destroy()
  }

  #adopt(socket: Socket): void {
    this.#socket = socket
    socket.on('error', error => {
      if (!this.#destroyed) {
        const message = `${formatAddress(this.#address)}: ${messageOf(error)}`
        this.#error = new TorrentError('ERR_TORRENTFS_CONNECTION', message, { cause: error })
      }
      this.#destroyed = true
    })
    socket.on('end', () => this.destroy())
    socket.on('close', () => {
      this.#destroyed = true
      this.#gone = true
      this.#receiver?.ended(this.#error)
    })
  }

  #receive(bytes: Uint8Array, length: number): void {
    if (!this.#destroyed) this.#receiver?.receive(bytes, length)
  }
}

/** Keeps nothing: who connects names a receiver before it resumes, and hears of an end it missed then. */
const NOBODY: TransportReceiver = { receive() {}, sent() {}, ended() {} }

function remoteAddress(socket: Socket, fallback: PeerAddress): PeerAddress {
  // Undefined when the peer is gone already.
  if (socket.remoteAddress === undefined || socket.remotePort === undefined) return fallback
  return toPeerAddress({ host: socket.remoteAddress, port: socket.remotePort })
}
