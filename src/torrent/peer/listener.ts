/**
 * Accepts incoming peers of all torrents on one port. BEP 3.
 *
 * Owns the server and the connections whose handshakes are not finished; a finished one belongs to whom it was given.
 * Must not let strangers pile up: their number and their time are limited.
 */
import { createServer, type Server, type Socket } from 'node:net'

import { messageOf, TorrentError } from '../errors.js'
import { realmOf } from '../net/ip-address.js'
import { formatAddress, type PeerAddress } from './address.js'
import type { PeerConnection, PeerConnectionOptions } from './connection.js'
import type { EncryptionPolicy } from './encryption.js'
import { greetIncoming, type IncomingEncryption } from './greeting.js'
import type { Identity } from './handshaking.js'
import { KeyExchangeQueue } from './key-exchange-queue.js'
import { TcpTransport } from './tcp-transport.js'
import type { TorrentKeys } from './torrent-keys.js'
import type { Transport } from './transport.js'

export interface PeerListenerOptions {
  /** Who we are in the torrent with this infohash (40 hex digits), or undefined when we do not take part in it. */
  readonly resolve: (infohash: string) => Identity | undefined
  /** Takes over a connection whose handshakes are exchanged. */
  readonly accept: (connection: PeerConnection, infohash: string) => void
  /** Whether to turn this address away before it has said anything: banned, or no room. */
  readonly refuse?: (address: PeerAddress) => boolean
  /** Hears of each incoming socket, before anything is said over it. */
  readonly onSocket?: (socket: Socket) => void
  /** Told of a stranger that was dropped, and of failures to accept. */
  readonly onDropped?: (error: TorrentError) => void
  /** How many handshakes may be unfinished. Default: 256. */
  readonly maxHandshakes?: number
  /** How long one handshake may take, in ms. Default: 10,000. */
  readonly handshakeTimeoutMs?: number
  /** Which connections may, and must, be encrypted, and the torrents that those may name. Default: none is encrypted. */
  readonly encryption?: { readonly policy: EncryptionPolicy; readonly torrents: TorrentKeys }
  readonly connection?: PeerConnectionOptions
}

const MAX_HANDSHAKES = 256
const MAX_HANDSHAKES_OF_HOST = 32
const HANDSHAKE_TIMEOUT_MS = 10_000
const MAX_LISTEN_ATTEMPTS = 10

/** A listening port. */
export class PeerListener {
  readonly #options: PeerListenerOptions
  readonly #encryption: IncomingEncryption | undefined
  /** Unfinished handshakes, oldest first. */
  readonly #pending = new Set<Transport>()
  #servers: Server[] = []
  #port = 0

  constructor(options: PeerListenerOptions) {
    this.#options = options
    const { policy, torrents } = options.encryption ?? { policy: 'disable' }
    if (policy !== 'disable' && torrents !== undefined) {
      this.#encryption = { policy, torrents, exchanges: new KeyExchangeQueue() }
    }
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
   * @param hosts - The address to listen on, or several; undefined or empty for all, IPv6 and IPv4.
   * @param port - 0 lets the system choose: one that is free at all of them.
   * @throws ERR_TORRENTFS_LISTEN
   */
  async listen(hosts: string | readonly string[] | undefined, port: number): Promise<void> {
    if (this.#servers.length > 0) throw new TorrentError('ERR_TORRENTFS_LISTEN', 'listening already')
    const all = typeof hosts === 'string' || hosts === undefined ? [hosts ?? ''] : hosts
    for (let attempt = 1; ; attempt++) {
      try {
        for (const host of all) await this.#serve(host, this.#port === 0 ? port : this.#port)
        return
      } catch (error) {
        await this.close()
        // What the system chose for the first address was taken at the next one.
        if (port !== 0 || all.length < 2 || attempt === MAX_LISTEN_ATTEMPTS) throw error
      }
    }
  }

  async #serve(host: string, port: number): Promise<void> {
    const server = createServer({ pauseOnConnect: true, noDelay: true }, socket => this.#accept(socket))
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen({ port, ...(host === '' ? {} : { host }) }, () => {
          server.off('error', reject)
          resolve()
        })
      })
    } catch (error) {
      const where = formatAddress({ host, port })
      throw new TorrentError('ERR_TORRENTFS_LISTEN', `cannot listen on ${where}: ${messageOf(error)}`, {
        cause: error,
      })
    }
    this.#servers.push(server)
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
    const servers = this.#servers
    if (servers.length === 0) return
    this.#servers = []
    this.#port = 0
    // Not waited for: a server counts the connections that go on as its own.
    for (const server of servers) server.close()
    for (const transport of this.#pending) {
      transport.destroy(new TorrentError('ERR_TORRENTFS_CLOSED', 'the listener was closed'))
    }
    this.#pending.clear()
    await Promise.resolve()
  }

  #accept(socket: Socket): void {
    this.#options.onSocket?.(socket)
    this.take(TcpTransport.accepted(socket))
  }

  /** Takes an incoming transport, paused, whose handshakes are to be exchanged. */
  take(transport: Transport): void {
    if (this.#options.refuse?.(transport.address) === true) {
      transport.destroy()
      return
    }
    if (this.#tooMany(transport.address.host)) {
      transport.destroy()
      return
    }
    if (this.#pending.size >= (this.#options.maxHandshakes ?? MAX_HANDSHAKES)) this.#dropOldest()
    this.#pending.add(transport)
    void this.#greet(transport)
  }

  /** One host on the internet may not push out everyone else's handshakes. */
  #tooMany(host: string): boolean {
    if (this.#pending.size < MAX_HANDSHAKES_OF_HOST || realmOf(host) !== 'public') return false
    let count = 0
    for (const { address } of this.#pending) if (address.host === host) count++
    return count >= MAX_HANDSHAKES_OF_HOST
  }

  /** Who has not finished for longest is likeliest not to mean to: honest handshakes take one round trip, or two. */
  #dropOldest(): void {
    for (const oldest of this.#pending) {
      this.#pending.delete(oldest)
      const where = formatAddress(oldest.address)
      oldest.destroy(new TorrentError('ERR_TORRENTFS_CONNECTION', `${where}: too many unfinished handshakes`))
      return
    }
  }

  async #greet(transport: Transport): Promise<void> {
    try {
      const { connection, infohash } = await greetIncoming(transport, {
        timeoutMs: this.#options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS,
        resolve: infohash => this.#options.resolve(Buffer.from(infohash).toString('hex')),
        encryption: this.#encryption,
        ...(this.#options.connection === undefined ? {} : { connection: this.#options.connection }),
      })
      if (!this.#pending.delete(transport)) return
      this.#options.accept(connection, Buffer.from(infohash).toString('hex'))
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
