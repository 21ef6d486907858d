/**
 * Whom one torrent exchanges with: its connections, what is said on them beside pieces, its web seeds, and where all of
 * them come from.
 *
 * Owns the swarm, the extensions, the announces and the web seeds, and joins them. Decides nothing about pieces.
 */
import { blockTraffic } from './block-traffic.js'
import type { PeerNumber } from './core/events.js'
import type { HostPort } from './metainfo/addresses.js'
import type { Info } from './metainfo/info.js'
import { needOfPeers } from './peer-need.js'
import { PeerSources } from './peer-sources.js'
import { identityOf } from './peer/handshaking.js'
import { scrape, type ScrapeResult } from './scrape.js'
import { Swarm, type Link, type SwarmEvents } from './swarm.js'
import type { Torrent } from './torrent.js'
import type { TorrentContext, TorrentSeed } from './torrent-context.js'
import type { TorrentEngine } from './torrent-engine.js'
import type { TorrentStatusSource } from './torrent-status.js'
import { TorrentTalk } from './torrent-talk.js'
import { torrentTraffic } from './torrent-traffic.js'
import type { Traffic } from './traffic.js'
import { addressesWanted, transferStats } from './transfer-stats.js'
import { WebSeeds } from './web-seeds.js'

export interface TorrentPeersOptions {
  readonly context: TorrentContext
  /** What it came with. */
  readonly seed: TorrentSeed
  readonly name: () => string
  /** Undefined before the metadata is known. */
  readonly info: () => Info | undefined
  /** Undefined before the storage is open. */
  readonly engine: () => TorrentEngine | undefined
  readonly storedBytes: () => number
  /** For users' extensions. */
  readonly torrent: Torrent
  /** The info dictionary came from a peer, and matches the infohash. */
  readonly metadataFound: (info: Info) => void
  /** It came and matches, and is none. */
  readonly metadataBroken: (error: unknown) => void
}

export class TorrentPeers {
  readonly swarm: Swarm
  readonly sources: PeerSources
  readonly webSeeds: WebSeeds
  readonly talk: TorrentTalk
  readonly #o: TorrentPeersOptions

  constructor(o: TorrentPeersOptions) {
    this.#o = o
    const { context, seed } = o
    const { network, logger } = context
    const identity = identityOf(seed.infohash, context.peerId(), () => this.sources.dht)
    this.swarm = new Swarm({
      torrent: o.torrent,
      identity,
      network,
      maxPeers: context.maxPeersPerTorrent,
      events: this.#swarmEvents(),
      logger,
    })
    this.talk = new TorrentTalk({
      infohash: seed.infohash,
      clientName: network.exposure.clientName,
      swarm: this.swarm,
      port: () => network.publicPort,
      info: o.info,
      gossips: () => network.pex && this.sources.gossips,
      engine: o.engine,
      nodeAt: (link, port) => this.sources.nodeAt(link.connection, port),
      metadataFound: o.metadataFound,
      metadataBroken: o.metadataBroken,
      torrent: o.torrent,
      custom: context.extensions,
      logger,
    })
    this.sources = new PeerSources({
      torrent: o.torrent,
      network,
      identity,
      seed,
      isPrivate: () => o.info()?.private,
      need: () => (this.paused ? 0 : needOfPeers(o.info() !== undefined, o.engine()?.core, this.swarm.size)),
      name: o.name,
      stats: () => transferStats(o.info(), o.engine(), o.storedBytes(), this.paused),
      numWant: () => addressesWanted(this.#wanting, context.maxPeersPerTorrent - this.swarm.size),
      seenFrom: ip => this.swarm.seenFrom(ip),
      onPeers: (addresses, source) => this.swarm.add(addresses, source),
      onMetainfo: metainfo => context.learn(seed.infohash, metainfo),
      logger,
    })
    const number = (): PeerNumber => this.swarm.takeNumber()
    this.webSeeds = new WebSeeds({ pool: network.webSeeds, number, info: o.info, logger })
    for (const named of seed.webSeeds) this.webSeeds.add(named)
  }

  get paused(): boolean {
    return this.swarm.paused
  }

  /** Ends all exchange until it is called with false. */
  pause(on: boolean): void {
    if (on === this.paused) return
    this.swarm.paused = on
    this.webSeeds.paused = on
    if (!on) this.wantsChanged()
  }

  add(addresses: readonly HostPort[]): void {
    if (addresses.length > 0) this.swarm.add(addresses, 'magnet')
  }

  /** The metadata is known, from peers or elsewhere. */
  metadataKnown(info: Info): void {
    this.talk.metadataKnown(info.raw)
    this.sources.metadataKnown()
  }

  /** The storage is open: pieces may be exchanged. */
  begin(engine: TorrentEngine): void {
    for (const link of this.swarm.links()) this.#attach(engine, link, false)
    this.sources.start()
    this.webSeeds.setEngine(engine)
  }

  /** What is wanted changed. */
  wantsChanged(): void {
    this.webSeeds.update()
    this.swarm.fill()
    if (this.swarm.size === 0 && !this.paused && this.#o.engine()?.core.wantsPeers === true)
      this.sources.requestPeers()
  }

  drop(peer: PeerNumber, reason: string, ban: boolean): void {
    if (!this.webSeeds.drop(peer, reason, ban)) this.swarm.drop(peer, reason, ban)
  }

  /** Regular care, once a second. */
  maintain(): void {
    const engine = this.#o.engine()
    if (this.swarm.idle && engine?.core.active !== true) return
    this.talk.tick()
    engine?.post({ type: 'tick' })
    this.webSeeds.update()
    this.swarm.fill()
  }

  /** Asks the trackers how many seeders and leechers they know. @throws ERR_TORRENTFS_ABORTED */
  scrape(signal?: AbortSignal): Promise<ScrapeResult[]> {
    const urls = this.sources.trackerStatus().map(({ url }) => url)
    return scrape(this.#o.context.network.trackers, urls, [this.#o.seed.infohash], signal)
  }

  /** What went to and fro. */
  traffic(): Traffic {
    return torrentTraffic(this.swarm, this.webSeeds, this.talk, this.#o.engine())
  }

  /** Its part of a status. */
  status(): Pick<
    TorrentStatusSource,
    'links' | 'known' | 'clientOf' | 'webSeeds' | 'trackers' | 'dht' | 'traffic'
  > {
    return {
      traffic: this.traffic(),
      links: this.swarm.links(),
      known: this.swarm.known,
      clientOf: peer => this.talk.peers.clientOf(peer),
      webSeeds: this.webSeeds,
      trackers: this.sources.trackerStatus(),
      dht: this.sources.dhtStatus(),
    }
  }

  /** Closes all connections. Resolves when trackers were told, well or not. */
  close(): Promise<void> {
    this.swarm.close()
    this.webSeeds.close()
    return this.sources.stop()
  }

  get #wanting(): boolean {
    return !this.paused && (this.#o.engine()?.core.wantsPeers ?? this.#o.info() === undefined)
  }

  #attach(engine: TorrentEngine, link: Link, fresh: boolean): void {
    link.connection.setBitfieldCap(Math.ceil(engine.stored.length / 8))
    engine.attach(link.number, link.connection, fresh)
    this.talk.handOver(link, engine)
  }

  #swarmEvents(): SwarmEvents {
    return {
      connected: link => this.#connected(link),
      message: (link, message) => this.talk.message(link, message),
      ...blockTraffic(this.#o.engine),
      closed: link => {
        this.talk.peers.gone(link)
        this.#o.engine()?.detach(link.number)
      },
      unreachable: address => this.talk.unreachable(address),
      wanting: () => this.#wanting,
    }
  }

  #connected(link: Link): void {
    this.talk.peers.open(link)
    const engine = this.#o.engine()
    if (engine !== undefined) this.#attach(engine, link, true)
    else if (link.connection.supportsFast) link.connection.haveNone()
    if (link.connection.supportsExtensions) this.talk.peers.greet(link)
    this.sources.connected(link.connection)
  }
}
