/**
 * Where the addresses of one torrent's peers come from, and where it is announced: its trackers, and the DHT and
 * the local network while it may be looked for in public (BEP 27). And where its torrent file is, if a magnet says so.
 *
 * Owns the announces and the search for that file. What is found goes to `onPeers`; whom to call is the swarm's business.
 */
import { DhtPresence, type DhtPresenceStatus } from './dht-presence.js'
import { Announcer } from './discovery/announcer.js'
import type { Need } from './discovery/dht/searches.js'
import type { TrackerStatus } from './discovery/tracker-record.js'
import { hooks } from './hooks.js'
import type { Logger } from './logger.js'
import { MetainfoSources } from './metainfo-sources.js'
import type { Network } from './network.js'
import type { AddressSource } from './peer/address-book.js'
import type { HostPort } from './peer/address.js'
import type { PeerConnection } from './peer/connection.js'
import type { Identity } from './peer/handshaking.js'
import { publicIn } from './privacy.js'
import { Publicity } from './publicity.js'
import type { Torrent } from './torrent.js'
import type { TorrentSeed } from './torrent-context.js'
import type { TransferStats } from './transfer-stats.js'

export interface PeerSourcesOptions {
  readonly network: Network
  readonly torrent: Torrent
  readonly identity: Identity
  /** What it came with: trackers, peers, DHT nodes. */
  readonly seed: Pick<TorrentSeed, 'trackers' | 'peers' | 'nodes' | 'sources'>
  /** What the info dictionary says; undefined while the metadata is unknown. */
  readonly isPrivate: () => boolean | undefined
  /** How much peers are needed. */
  readonly need: () => Need
  /** For logs. */
  readonly name: () => string
  readonly stats: () => TransferStats
  /** How many addresses would help now. */
  readonly numWant: () => number
  /** A tracker says from which IP address it sees us (BEP 24). */
  readonly seenFrom: (ip: string) => void
  readonly onPeers: (addresses: readonly HostPort[], source: AddressSource) => void
  /** The torrent file is here, and matches the infohash. */
  readonly onMetainfo: (metainfo: Uint8Array) => void
  readonly logger: Logger
}

export class PeerSources {
  /** Whether the torrent may be looked for in public. */
  readonly publicity: Publicity
  readonly #trackers: Announcer | undefined
  readonly #dht: DhtPresence | undefined
  readonly #o: PeerSourcesOptions
  readonly #metainfo: MetainfoSources
  readonly #isPrivate: () => boolean | undefined
  /** URLs of the torrent file that are not asked yet. */
  #metainfoUrls: readonly string[]
  #hasSources: boolean
  #leaveLocal: (() => void) | undefined

  constructor(options: PeerSourcesOptions) {
    this.#o = options
    this.#trackers = makeAnnouncer(options)
    this.#dht = makePresence(options)
    const { peers, trackers, sources = [] } = options.seed
    this.#isPrivate = options.isPrivate
    this.#metainfoUrls = sources
    this.#metainfo = new MetainfoSources({
      infohash: Buffer.from(options.identity.infohash).toString('hex'),
      fetcher: options.network.metainfos,
      found: options.onMetainfo,
      logger: options.logger,
    })
    this.#hasSources = peers.length > 0 || trackers.length > 0 || sources.length > 0
    this.publicity = new Publicity({
      isPrivate: options.isPrivate,
      hasSources: () => this.#hasSources,
      opened: () => this.#dht?.begin(),
      shut: () => this.#dht?.end(),
    })
  }

  /** Whether to tell peers of our DHT node. */
  get dht(): boolean {
    return this.#dht?.active === true
  }

  /**
   * Whether peers may be told of peers. Stricter than looking for some: what its own sources and peers say of a magnet is
   * waited for, however long.
   */
  get gossips(): boolean {
    return publicIn({ isPrivate: this.#o.isPrivate(), hasSources: this.#hasSources, askedMs: 0 }) === 0
  }

  /** Begins to announce. What is known of the torrent without peers must be known by now. */
  start(): void {
    this.#trackers?.start()
    this.publicity.begin()
    this.#leaveLocal ??= this.#o.network.local?.enter({
      infohash: Buffer.from(this.#o.identity.infohash).toString('hex'),
      allowed: () => this.publicity.open,
      found: address => this.#o.onPeers([address], 'lsd'),
    })
    this.addMetainfoUrls(this.#metainfoUrls)
    this.#metainfoUrls = []
  }

  addTrackers(tiers: readonly (readonly string[])[]): void {
    this.#hasSources ||= tiers.length > 0
    this.#trackers?.addTrackers(tiers)
  }

  /** Asks for the torrent file there, too, if it is not known. */
  addMetainfoUrls(urls: readonly string[]): void {
    if (this.#isPrivate() === undefined) this.#metainfo.add(urls)
  }

  /** Somebody waits for peers that are not there. */
  requestPeers(): void {
    this.#trackers?.requestPeers()
    this.#dht?.hurry()
  }

  /** The metadata is known: from here on what is private stays so. */
  metadataKnown(): void {
    this.publicity.review()
    this.#metainfo.stop()
  }

  /** A peer is connected. */
  connected(connection: PeerConnection): void {
    this.#dht?.greet(connection)
  }

  /** A peer runs a DHT node at this port. */
  nodeAt(connection: PeerConnection, port: number): void {
    this.#dht?.heard(connection, port)
  }

  /** Everything is stored. */
  completed(): void {
    this.#trackers?.completed()
  }

  trackerStatus(): readonly TrackerStatus[] {
    return this.#trackers?.status() ?? []
  }

  /** Undefined when the client runs no DHT. */
  dhtStatus(): DhtPresenceStatus | undefined {
    return this.#dht?.status()
  }

  /** Says farewell; resolves when that is said. */
  async stop(): Promise<void> {
    this.publicity.stop()
    this.#metainfo.stop()
    this.#dht?.end()
    this.#leaveLocal?.()
    await this.#trackers?.stop()
  }
}

function makeAnnouncer(o: PeerSourcesOptions): Announcer | undefined {
  const { trackers } = o.network
  if (trackers === undefined) return undefined
  return new Announcer({
    tiers: o.seed.trackers,
    infohash: o.identity.infohash,
    peerId: o.identity.peerId,
    port: () => o.network.publicPort,
    stats: o.stats,
    numWant: o.numWant,
    onExternalIp: ip => o.seenFrom(ip),
    onPeers: addresses => o.onPeers(addresses, 'tracker'),
    onAnnounced: announced => hooks.trackerAnnounced.publish(() => ({ torrent: o.torrent, ...announced })),
    onWarning: error => o.logger.info({ torrent: o.name() }, error.message),
    trackers,
    logger: o.logger,
  })
}

function makePresence(o: PeerSourcesOptions): DhtPresence | undefined {
  const { dht } = o.network
  if (dht === undefined) return undefined
  return new DhtPresence({
    dht,
    infohash: o.identity.infohash,
    nodes: o.seed.nodes ?? [],
    port: () => o.network.port,
    need: o.need,
    onPeers: addresses => o.onPeers(addresses, 'dht'),
  })
}
