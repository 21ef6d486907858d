/**
 * Accepts incoming peers of all torrents on one port. BEP 3.
 *
 * Owns the server and the connections whose handshakes are not finished; a finished one belongs to whom it was given.
 * Must not let strangers pile up: their number and their time are limited.
 */
import { createServer, type Server, type Socket } from 'node:net'

import { messageOf, TorrentError } from '../errors.js'
import { formatAddress, type PeerAddress } from './address.js'
import { PeerConnection, type PeerConnectionOptions } from './connection.js'
import { exchangeHandshakes, type Identity } from './handshaking.js'
import { TcpTransport } from './tcp-transport.js'

export interface PeerListenerOptions {
  /** Who we are in the torrent with this infohash (40 hex digits), or undefined when we do not take part in it. */
  readonly resolve: (infohash: string) => Identity | undefined
  /** Takes over a connection whose handshakes are exchanged. */
  readonly accept: (connection: PeerConnection, infohash: string) => void
  /** Whether to turn this address away before it has said anything: banned, or no room. */
  readonly refuse?: (address: PeerAddress) => boolean
  /** Told of a stranger that was dropped, and of failures to accept. */
  readonly onDropped?: (error: TorrentError) => void
  /** How many handshakes may be unfinished. Default: 256. */
  readonly maxHandshakes?: number
  /** How long one handshake may take, in ms. Default: 10,000. */
  readonly handshakeTimeoutMs?: number
  readonly connection?: PeerConnectionOptions
}

const MAX_HANDSHAKES = 256
const HANDSHAKE_TIMEOUT_MS = 10_000

/** A listening port. */
export class PeerListener {
  readonly #options: PeerListenerOptions
  /** Unfinished handshakes, oldest first. */
  readonly #pending = new Set<TcpTransport>()
  #server: Server | undefined
  #port = 0

  constructor(options: PeerListenerOptions) {
    this.#options = options
  }

  /** The port listened on; 0 while not listening. */
  get port(): number {
    return this.#port
  }

  /** How many handshakes are unfinished. */
  get handshakes(): number {
    return this.#pending.size
  }

  /**
   * Begins to listen.
   *
   * @param host - The address to listen on; undefined or empty for all, IPv6 and IPv4.
   * @param port - 0 lets the system choose.
   * @throws ERR_TORRENTFS_LISTEN
   */
  async listen(host: string | undefined, port: number): Promise<void> {
    if (this.#server !== undefined) throw new TorrentError('ERR_TORRENTFS_LISTEN', 'listening already')
    const server = createServer({ pauseOnConnect: true, noDelay: true }, socket => this.#accept(socket))
    this.#server = server
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen({ port, ...(host === undefined || host === '' ? {} : { host }) }, () => {
          server.off('error', reject)
          resolve()
        })
      })
    } catch (error) {
      this.#server = undefined
      const where = formatAddress({ host: host ?? '', port })
      throw new TorrentError('ERR_TORRENTFS_LISTEN', `cannot listen on ${where}: ${messageOf(error)}`, {
        cause: error,
      })
    }
    // Running out of descriptors is reported here; unheard it would end the process.
    server.on('error', error => {
      this.#dropped(
        new TorrentError('ERR_TORRENTFS_CONNECTION', `accepting: ${error.message}`, { cause: error }),
      )
    })
    const bound = server.address()
    this.#port = bound !== null && typeof bound === 'object' ? bound.port : 0
  }

  /** Stops listening and drops unfinished handshakes. Connections that were handed over go on. Idempotent. */
  async close(): Promise<void> {
    const server = this.#server
    if (server === undefined) return
    this.#server = undefined
    this.#port = 0
    // Not waited for: the server counts the connections that go on as its own.
    server.close()
    for (const transport of this.#pending) {
      transport.destroy(new TorrentError('ERR_TORRENTFS_CLOSED', 'the listener was closed'))
    }
    this.#pending.clear()
    await Promise.resolve()
  }

  #accept(socket: Socket): void {
    const transport = TcpTransport.accepted(socket)
    if (this.#options.refuse?.(transport.address) === true) {
      transport.destroy()
      return
    }
    if (this.#pending.size >= (this.#options.maxHandshakes ?? MAX_HANDSHAKES)) this.#dropOldest()
    this.#pending.add(transport)
    void this.#greet(transport)
  }

  /** Who has not finished for longest is likeliest not to mean to: honest handshakes take one round trip. */
  #dropOldest(): void {
    for (const oldest of this.#pending) {
      this.#pending.delete(oldest)
      const where = formatAddress(oldest.address)
      oldest.destroy(new TorrentError('ERR_TORRENTFS_CONNECTION', `${where}: too many unfinished handshakes`))
      return
    }
  }

  async #greet(transport: TcpTransport): Promise<void> {
    try {
      const { handshake, early } = await exchangeHandshakes(transport, undefined, {
        timeoutMs: this.#options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS,
        resolve: infohash => this.#options.resolve(Buffer.from(infohash).toString('hex')),
      })
      if (!this.#pending.delete(transport)) return
      const connection = new PeerConnection(transport, handshake, early, this.#options.connection)
      this.#options.accept(connection, Buffer.from(handshake.infohash).toString('hex'))
    } catch (error) {
      this.#pending.delete(transport)
      if (!(error instanceof TorrentError)) throw error
      this.#dropped(error)
    }
  }

  #dropped(error: TorrentError): void {
    this.#options.onDropped?.(error)
  }
}
