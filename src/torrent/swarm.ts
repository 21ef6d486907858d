/**
 * The connections of one torrent: whom to call, whom to let in, whom to drop.
 *
 * Owns its links and its address book. Knows nothing of pieces: what peers say goes to the torrent.
 */
import { setMaxListeners } from 'node:events'

import type { PeerNumber } from './core/events.js'
import type { PeerState } from './core/peer-state.js'
import { messageOf, TorrentError } from './errors.js'
import { hooks, type ConnectionMessage } from './hooks.js'
import type { Logger } from './logger.js'
import type { Network } from './network.js'
import { PeerTurnover } from './peer-turnover.js'
import { AddressBook, type AddressSource } from './peer/address-book.js'
import { AddressCrowd } from './peer/address-crowd.js'
import { formatAddress, type HostPort, type PeerAddress } from './peer/address.js'
import type { PeerConnection } from './peer/connection.js'
import type { Identity } from './peer/handshaking.js'
import { SwarmTraffic } from './swarm-traffic.js'
import type { Torrent } from './torrent.js'
import type { WireMessage } from './wire/messages.js'

/** Connections a torrent keeps while nobody wants anything of it: enough that a first read finds somebody. */
const IDLE_PEERS = 8

/** Between the two attempts to meet a peer half-way, in ms. */
const PUNCH_AGAIN_MS = 1500

/** A connection of the swarm. */
export interface Link {
  readonly number: PeerNumber
  readonly connection: PeerConnection
  /** The address as the book knows it (it may be a name); undefined for who connected to us. */
  readonly called: PeerAddress | undefined
  /** Who told of its address. */
  readonly source: AddressSource
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
  /** An address that was called does not answer. */
  unreachable(address: PeerAddress): void
  /** Whether anything is wanted of peers now. */
  wanting(): boolean
  /** What the torrent knows of a peer; undefined before the metadata is known. */
  state(link: Link): PeerState | undefined
}

export interface SwarmOptions {
  readonly torrent: Torrent
  readonly identity: Identity
  readonly network: Network
  readonly maxPeers: number
  readonly events: SwarmEvents
  readonly logger: Logger
}

export class Swarm {
  readonly #torrent: Torrent
  readonly #identity: Identity
  readonly #network: Network
  readonly #maxPeers: number
  readonly #events: SwarmEvents
  readonly #logger: Logger
  readonly #book = new AddressBook()
  readonly #crowd: AddressCrowd
  readonly #traffic = new SwarmTraffic()
  readonly #turnover = new PeerTurnover()
  readonly #links = new Map<PeerNumber, Link>()
  readonly #close = new AbortController()
  #dialing = 0
  #paused = false
  #nextNumber = 1

  constructor(options: SwarmOptions) {
    this.#torrent = options.torrent
    this.#identity = options.identity
    this.#network = options.network
    this.#maxPeers = options.maxPeers
    this.#crowd = new AddressCrowd(options.maxPeers)
    this.#events = options.events
    this.#logger = options.logger
    // Every attempt listens for the end: Node warns of a leak from the eleventh on.
    setMaxListeners(0, this.#close.signal)
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

  /** What went over its connections, those that are gone included. */
  traffic(): ReturnType<SwarmTraffic['status']> {
    return this.#traffic.status(this.#links.values())
  }

  link(number: PeerNumber): Link | undefined {
    return this.#links.get(number)
  }

  /** A number that no link has or will have, for a source of blocks that is no connection. */
  takeNumber(): PeerNumber {
    return this.#nextNumber++
  }

  /** While paused it has no connections, and neither makes nor takes any. */
  get paused(): boolean {
    return this.#paused
  }

  set paused(paused: boolean) {
    this.#paused = paused
    if (paused) for (const { number } of [...this.#links.values()]) this.drop(number, 'paused', false)
    else this.fill()
  }

  /** Whether there is anything to do by time alone. */
  get idle(): boolean {
    return this.#book.size === 0 && this.#links.size === 0
  }

  add(addresses: readonly HostPort[], source: AddressSource): void {
    let fresh = 0
    for (const address of addresses)
      if (!this.#network.isBlocked(address) && this.#book.add(address, source)) fresh++
    this.#traffic.told(source, fresh)
    this.fill()
  }

  /** Adds an address that is tried again every 10 s and never forgotten. */
  pin(address: HostPort): void {
    this.add([address], 'pinned')
  }

  /** Whether this is our own address, as far as somebody told us. */
  isOwn(address: HostPort): boolean {
    return this.#book.isOwn(address)
  }

  /** Somebody says from which IP address we are seen: it ranks addresses (BEP 40), and keeps us from calling ourselves. */
  seenFrom(host: string): void {
    const { port } = this.#network
    if (port > 0) this.#book.setOwn({ host, port })
  }

  /** Takes an incoming connection, or closes it. */
  accept(connection: PeerConnection): void {
    const { address } = connection
    if (this.#book.isBanned(address) || this.#shut) return connection.close()
    if (!this.#crowd.hasRoomFor(address) || !this.#roomForOne()) return connection.close()
    this.#open(connection, undefined)
  }

  /** Drops a peer that is of no use, for a stranger. False when there is none, or one was dropped a moment ago. */
  makeRoom(): boolean {
    const candidates = Array.from(this.#links.values(), link => ({
      number: link.number,
      state: this.#events.state(link),
      payload: link.connection.payloadReceived + link.connection.payloadSent,
      pinned: link.called !== undefined && this.#book.isPinned(link.called),
    }))
    const useless = this.#turnover.choose(candidates, performance.now())
    if (useless !== undefined) this.drop(useless, 'makes room for another', false)
    return useless !== undefined
  }

  #roomForOne(): boolean {
    const { limits } = this.#network
    if (this.#links.size < this.#maxPeers && limits.mayAccept()) return true
    return this.makeRoom() || (this.#links.size < this.#maxPeers && this.#network.makeRoom())
  }

  /** Calls addresses while there is room. Call once a second, and when more peers are wanted. */
  fill(): void {
    const wanting = this.#events.wanting()
    const most = wanting ? this.#maxPeers : Math.min(IDLE_PEERS, this.#maxPeers)
    while (!this.#shut && this.#links.size + this.#dialing < most) {
      if (!this.#network.limits.mayDial(wanting)) return
      const address = this.#book.next(performance.now())
      if (address === undefined) return
      if (!this.#crowd.hasRoomFor(address) && !this.#book.isPinned(address)) {
        this.#book.failed(address, performance.now())
        continue
      }
      void this.#dial(address)
    }
  }

  /**
   * Calls an address at once, and once more a little later: the peer there calls us at the same time, and only once both
   * have does either get through (BEP 55).
   */
  punch(address: HostPort): void {
    void this.#punch(address)
    setTimeout(() => void this.#punch(address), PUNCH_AGAIN_MS).unref()
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

  /** Drops who is blocked by now. */
  dropBlocked(): void {
    for (const { number, connection } of [...this.#links.values()])
      if (this.#network.edge.filter.has(connection.address.host))
        this.drop(number, 'its address is blocked', false)
  }

  /** Closes everything. */
  close(): void {
    this.#close.abort()
    for (const link of this.#links.values()) link.connection.close()
  }

  /** No connection is to be made or taken. */
  get #shut(): boolean {
    return this.#paused || this.#close.signal.aborted
  }

  async #punch(address: HostPort): Promise<void> {
    if (this.#shut || this.#links.size + this.#dialing >= this.#maxPeers) return
    if (this.#network.isBlocked(address) || !this.#network.limits.mayDial(true)) return
    const taken = this.#book.take(address, 'pex')
    if (taken !== undefined) await this.#dial(taken, true)
  }

  async #dial(address: PeerAddress, punched = false): Promise<void> {
    this.#dialing++
    this.#network.limits.dialing()
    let connection: PeerConnection | undefined
    let hopeless = false
    try {
      connection = await this.#network.dial(address, this.#identity, this.#close.signal)
    } catch (error) {
      // Ourselves, another torrent, or no peer at all.
      hopeless = error instanceof TorrentError && error.code === 'ERR_TORRENTFS_PROTOCOL'
      this.#logger.debug({ peer: formatAddress(address) }, messageOf(error))
      if (!this.#close.signal.aborted) this.#tellUnreachable(address, messageOf(error))
    }
    this.#dialing--
    this.#network.limits.dialed()
    if (connection === undefined) {
      this.#book.failed(address, performance.now(), hopeless)
      if (!hopeless && !punched && !this.#close.signal.aborted) this.#events.unreachable(address)
    } else if (this.#shut || !this.#open(connection, address)) {
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
    const source = called === undefined ? 'incoming' : this.#book.sourceOf(called)
    const link: Link = { number: this.#nextNumber++, connection, called, source }
    this.#links.set(link.number, link)
    this.#network.limits.opened()
    this.#crowd.add(connection.address)
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
    hooks.peerConnected.publish(() => this.#about(link))
    events.connected(link)
    return true
  }

  #closed(link: Link, error: TorrentError | undefined): void {
    const { address } = link.connection
    this.#links.delete(link.number)
    this.#traffic.closed(link)
    this.#network.limits.closed()
    this.#crowd.remove(address)
    const useful = link.connection.payloadReceived > 0
    this.#book.closed(link.called ?? address, performance.now(), useful)
    this.#logger.debug({ peer: formatAddress(address) }, `closed: ${error?.message ?? 'by the peer'}`)
    hooks.peerDisconnected.publish(() => ({
      ...this.#about(link),
      reason: error?.message,
      downloaded: link.connection.payloadReceived,
      uploaded: link.connection.payloadSent,
    }))
    this.#events.closed(link)
    this.fill()
  }

  #about({ connection, source }: Link): ConnectionMessage {
    const { incoming, kind: transport, protection: encryption } = connection
    const address = formatAddress(connection.address)
    return { torrent: this.#torrent, address, source, incoming, transport, encryption }
  }

  #tellUnreachable(address: PeerAddress, reason: string): void {
    hooks.peerUnreachable.publish(() => ({
      torrent: this.#torrent,
      address: formatAddress(address),
      source: this.#book.sourceOf(address),
      reason,
    }))
  }
}
