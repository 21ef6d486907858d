/**
 * The connections of one torrent: whom to call, whom to let in, whom to drop.
 *
 * Owns its links and its address book. Knows nothing of pieces: what peers say goes to the torrent.
 */
import type { PeerNumber } from './core/events.js'
import type { ConnectionLimits } from './connection-limits.js'
import { messageOf, TorrentError } from './errors.js'
import type { Logger } from './logger.js'
import { AddressBook, type AddressSource } from './peer/address-book.js'
import { formatAddress, type HostPort, type PeerAddress } from './peer/address.js'
import type { PeerConnection } from './peer/connection.js'
import { dial } from './peer/dialer.js'
import type { Identity } from './peer/handshaking.js'
import type { WireMessage } from './wire/messages.js'

/** Connections a torrent keeps while nobody wants anything of it: enough that a first read finds somebody. */
const IDLE_PEERS = 8

/** A connection of the swarm. */
export interface Link {
  readonly number: PeerNumber
  readonly connection: PeerConnection
  /** The address as the book knows it (it may be a name); undefined for who connected to us. */
  readonly called: PeerAddress | undefined
}

/** What the torrent hears. Same rules as {@link PeerEvents}. */
export interface SwarmEvents {
  connected(link: Link): void
  message(link: Link, message: WireMessage): void
  blockTarget(link: Link, piece: number, begin: number, length: number): Uint8Array | null
  block(link: Link, piece: number, begin: number, length: number, kept: boolean): void
  turn(link: Link): void
  drain(link: Link): void
  closed(link: Link): void
  /** Whether anything is wanted of peers now. */
  wanting(): boolean
}

export interface SwarmOptions {
  readonly identity: Identity
  readonly limits: ConnectionLimits
  readonly maxPeers: number
  readonly events: SwarmEvents
  readonly logger: Logger
}

export class Swarm {
  readonly #identity: Identity
  readonly #limits: ConnectionLimits
  readonly #maxPeers: number
  readonly #events: SwarmEvents
  readonly #logger: Logger
  readonly #book = new AddressBook()
  readonly #links = new Map<PeerNumber, Link>()
  readonly #close = new AbortController()
  #dialing = 0
  #nextNumber = 1

  constructor(options: SwarmOptions) {
    this.#identity = options.identity
    this.#limits = options.limits
    this.#maxPeers = options.maxPeers
    this.#events = options.events
    this.#logger = options.logger
  }

  get identity(): Identity {
    return this.#identity
  }

  /** Connected peers. */
  get size(): number {
    return this.#links.size
  }

  /** Known addresses. */
  get known(): number {
    return this.#book.size
  }

  links(): Iterable<Link> {
    return this.#links.values()
  }

  link(number: PeerNumber): Link | undefined {
    return this.#links.get(number)
  }

  /** Whether there is anything to do by time alone. */
  get idle(): boolean {
    return this.#book.size === 0 && this.#links.size === 0
  }

  add(addresses: readonly HostPort[], source: AddressSource): void {
    for (const address of addresses) this.#book.add(address, source)
    this.fill()
  }

  /** Adds an address that is tried again every 10 s and never forgotten. */
  pin(address: HostPort): void {
    this.add([address], 'pinned')
  }

  /** A peer says from where it sees us: it ranks addresses (BEP 40), and keeps us from calling ourselves. */
  setOwn(own: HostPort): void {
    this.#book.setOwn(own)
  }

  /** Takes an incoming connection, or closes it. */
  accept(connection: PeerConnection): void {
    const banned = this.#book.isBanned(connection.address)
    if (banned || this.#close.signal.aborted || this.#links.size >= this.#maxPeers) return connection.close()
    this.#open(connection, undefined)
  }

  /** Calls addresses while there is room. Call once a second, and when more peers are wanted. */
  fill(): void {
    const wanting = this.#events.wanting()
    const most = wanting ? this.#maxPeers : Math.min(IDLE_PEERS, this.#maxPeers)
    while (!this.#close.signal.aborted && this.#links.size + this.#dialing < most) {
      if (!this.#limits.mayDial(wanting)) return
      const address = this.#book.next(performance.now())
      if (address === undefined) return
      void this.#dial(address)
    }
  }

  /** Drops a peer; with `ban` its address is not called or let in again. */
  drop(number: PeerNumber, reason: string, ban: boolean): void {
    const link = this.#links.get(number)
    if (link === undefined) return
    const where = formatAddress(link.connection.address)
    if (ban) this.#book.ban(link.connection.address)
    this.#logger.debug({ peer: where, ban }, `dropped a peer: ${reason}`)
    link.connection.close(new TorrentError('ERR_TORRENTFS_CONNECTION', `${where}: ${reason}`))
  }

  /** Closes everything. */
  close(): void {
    this.#close.abort()
    for (const link of this.#links.values()) link.connection.close()
  }

  async #dial(address: PeerAddress): Promise<void> {
    this.#dialing++
    this.#limits.dialing()
    let connection: PeerConnection | undefined
    let hopeless = false
    try {
      connection = await dial(address, this.#identity, { signal: this.#close.signal })
    } catch (error) {
      // Ourselves, another torrent, or no peer at all.
      hopeless = error instanceof TorrentError && error.code === 'ERR_TORRENTFS_PROTOCOL'
      this.#logger.debug({ peer: formatAddress(address) }, messageOf(error))
    }
    this.#dialing--
    this.#limits.dialed()
    if (connection === undefined) this.#book.failed(address, performance.now(), hopeless)
    else if (this.#close.signal.aborted || !this.#open(connection, address)) {
      connection.close()
      this.#book.closed(address, performance.now(), false)
    }
    if (!this.#close.signal.aborted) this.fill()
  }

  /** Makes a link of the connection; false when the peer is connected already. */
  #open(connection: PeerConnection, called: PeerAddress | undefined): boolean {
    for (const { connection: other } of this.#links.values()) {
      if (!Buffer.from(other.peerId).equals(connection.peerId)) continue
      this.#logger.debug({ peer: formatAddress(connection.address) }, 'connected already')
      connection.close()
      return false
    }
    const link: Link = { number: this.#nextNumber++, connection, called }
    this.#links.set(link.number, link)
    this.#limits.opened()
    this.#book.connected(called ?? connection.address)
    const events = this.#events
    connection.setEvents({
      message: message => events.message(link, message),
      blockTarget: (piece, begin, length) => events.blockTarget(link, piece, begin, length),
      block: (piece, begin, length, kept) => events.block(link, piece, begin, length, kept),
      turn: () => events.turn(link),
      drain: () => events.drain(link),
      close: error => this.#closed(link, error),
    })
    events.connected(link)
    return true
  }

  #closed(link: Link, error: TorrentError | undefined): void {
    const { address } = link.connection
    this.#links.delete(link.number)
    this.#limits.closed()
    const useful = link.connection.payloadReceived > 0
    this.#book.closed(link.called ?? address, performance.now(), useful)
    this.#logger.debug({ peer: formatAddress(address) }, `closed: ${error?.message ?? 'by the peer'}`)
    this.#events.closed(link)
    this.fill()
  }
}
