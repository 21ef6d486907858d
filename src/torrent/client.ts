/**
 * All torrents of one program: they share a port, a memory budget, a store and limits.
 *
 * Owns those and the torrents. Must not know pieces or peers of any of them.
 */
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'

import {
  checkClientOptions,
  DEFAULT_MAX_PEERS,
  DEFAULT_MAX_PEERS_PER_TORRENT,
  DEFAULT_READAHEAD_BYTES,
  PEER_ID_PREFIX,
  type ClientOptions,
} from './config.js'
import { ConnectionLimits } from './connection-limits.js'
import { MemoryBudget } from './data/memory-budget.js'
import { PieceStore } from './data/piece-store.js'
import { TrackerClient } from './discovery/tracker-client.js'
import { TorrentError } from './errors.js'
import { silentLogger, type Logger } from './logger.js'
import { parseInfo } from './metainfo/info.js'
import { parseMagnet, type Magnet } from './metainfo/magnet.js'
import { parseMetainfo } from './metainfo/metainfo.js'
import { PeerListener } from './peer/listener.js'
import { SavedMetadata } from './saved-metadata.js'
import { FileStorage } from './storage/file-storage.js'
import type { Storage } from './storage/storage.js'
import { Torrent } from './torrent.js'
import type { TorrentContext, TorrentSeed } from './torrent-context.js'

/** Torrents whose storage is being opened at a time. */
const MAX_OPENING = 32
const MAINTENANCE_MS = 1000
/** How long closing waits for trackers to be told, in ms. */
const FAREWELLS_MS = 1500

/** Where a torrent comes from: the bytes of a `.torrent` file, or a magnet URI. */
export type TorrentSource = { readonly metainfo: Uint8Array } | { readonly magnet: string }

export class Client {
  readonly #options: ClientOptions
  readonly #logger: Logger
  readonly #peerId = Buffer.concat([Buffer.from(PEER_ID_PREFIX), randomBytes(12)])
  readonly #budget: MemoryBudget
  readonly #store: PieceStore
  readonly #storage: Storage
  readonly #limits: ConnectionLimits
  readonly #metadata: SavedMetadata
  readonly #trackers: TrackerClient | undefined
  readonly #context: TorrentContext
  readonly #torrents = new Map<string, Torrent>()
  /** Torrents that were removed and are not wound up yet: the same one must not be opened twice. */
  readonly #ending = new Map<string, Promise<void>>()
  readonly #listener: PeerListener
  readonly #openQueue: (() => void)[] = []
  #opening = 0
  #maintenance: NodeJS.Timeout | undefined
  #memoryNotice = false
  #closing: Promise<void> | undefined

  /** @throws ERR_TORRENTFS_ARGUMENT naming the option */
  constructor(options: ClientOptions) {
    checkClientOptions(options)
    this.#options = options
    this.#logger = options.logger ?? silentLogger
    this.#budget = new MemoryBudget(options.memoryBytes)
    this.#store = new PieceStore({ logger: this.#logger })
    this.#storage = options.storage ?? new FileStorage({ root: options.downloadDir, logger: this.#logger })
    this.#limits = new ConnectionLimits(options.maxPeers ?? DEFAULT_MAX_PEERS)
    this.#metadata = new SavedMetadata(options.downloadDir)
    this.#trackers = options.disableTrackers === true ? undefined : new TrackerClient()
    this.#context = this.#makeContext()
    this.#listener = this.#makeListener()
    this.#budget.onRelease(() => this.#noticeMemory())
  }

  /** Every torrent, in the order of adding. */
  get torrents(): Iterable<Torrent> {
    return this.#torrents.values()
  }

  /** The port peers connect to; 0 before {@link listen}. */
  get port(): number {
    return this.#listener.port
  }

  /** @throws ERR_TORRENTFS_LISTEN */
  async listen(): Promise<void> {
    const { host, port } = this.#options.listenAddr ?? { port: 0 }
    await this.#listener.listen(host, port)
    this.#maintenance ??= setInterval(() => this.#maintain(), MAINTENANCE_MS)
    this.#maintenance.unref()
  }

  get(infohash: string): Torrent | undefined {
    return this.#torrents.get(infohash)
  }

  /**
   * Adds a torrent. One of the same infohash is returned as it is, with trackers, peers and metadata added to it.
   *
   * @throws ERR_TORRENTFS_METAINFO, ERR_TORRENTFS_BENCODE, ERR_TORRENTFS_V2_ONLY, ERR_TORRENTFS_MAGNET,
   * ERR_TORRENTFS_CLOSED
   */
  add(source: TorrentSource): Torrent {
    if (this.#closing !== undefined) throw new TorrentError('ERR_TORRENTFS_CLOSED', 'the client is closed')
    const seed =
      'metainfo' in source ? seedOfMetainfo(source.metainfo) : seedOfMagnet(parseMagnet(source.magnet))
    const known = this.#torrents.get(seed.infohash)
    if (known !== undefined) return merge(known, seed)
    const torrent = new Torrent(this.#context, seed)
    this.#torrents.set(seed.infohash, torrent)
    for (const peer of this.#options.testPeers ?? []) torrent.pinPeer(peer)
    if (seed.info === undefined) void this.#loadMetadata(torrent)
    return torrent
  }

  /** Removes a torrent and keeps its data; its waiting reads reject with ERR_TORRENTFS_REMOVED. */
  async remove(infohash: string): Promise<void> {
    const torrent = this.#torrents.get(infohash)
    if (torrent === undefined) return
    this.#torrents.delete(infohash)
    await this.#end(torrent, new TorrentError('ERR_TORRENTFS_REMOVED', `${torrent.name} was removed`))
  }

  /** Ends every torrent (waiting reads reject with ERR_TORRENTFS_CLOSED) and keeps all state. Idempotent. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(): Promise<void> {
    clearInterval(this.#maintenance)
    await this.#listener.close()
    const torrents = [...this.#torrents.values()]
    this.#torrents.clear()
    for (const torrent of torrents) {
      void this.#end(
        torrent,
        new TorrentError('ERR_TORRENTFS_CLOSED', `${torrent.name}: the client was closed`),
      )
    }
    const ended = Promise.all(this.#ending.values())
    // Ten thousand farewells take longer than anyone waits for an exit.
    await Promise.race([ended, sleep(FAREWELLS_MS, undefined, { ref: false })])
    this.#trackers?.close()
    await ended
    await this.#store.close()
    await this.#storage.close()
  }

  #end(torrent: Torrent, error: TorrentError): Promise<void> {
    const ended = torrent.end(error).finally(() => this.#ending.delete(torrent.infohash))
    this.#ending.set(torrent.infohash, ended)
    return ended
  }

  #makeContext(): TorrentContext {
    return {
      peerId: this.#peerId,
      storage: this.#storage,
      store: this.#store,
      budget: this.#budget,
      limits: this.#limits,
      maxPeersPerTorrent: this.#options.maxPeersPerTorrent ?? DEFAULT_MAX_PEERS_PER_TORRENT,
      readaheadBytes: this.#options.readaheadBytes ?? DEFAULT_READAHEAD_BYTES,
      logger: this.#logger,
      trackers: this.#trackers,
      port: () => this.#listener.port,
      opening: (infohash, task) => this.#openTorrent(infohash, task),
      keepMetadata: (infohash, raw) => this.#metadata.save(infohash, raw),
    }
  }

  #makeListener(): PeerListener {
    return new PeerListener({
      resolve: infohash => this.#torrents.get(infohash)?.swarm.identity,
      accept: (connection, infohash) => {
        const torrent = this.#torrents.get(infohash)
        if (torrent === undefined || !this.#limits.mayAccept()) connection.close()
        else torrent.swarm.accept(connection)
      },
      refuse: () => !this.#limits.mayAccept(),
      onDropped: error => this.#logger.debug({}, error.message),
    })
  }

  async #loadMetadata(torrent: Torrent): Promise<void> {
    const raw = await this.#metadata.load(torrent.infohash)
    if (raw === undefined) return
    try {
      torrent.setInfo(parseInfo(raw))
    } catch (error) {
      this.#logger.warn({ torrent: torrent.name, error: String(error) }, 'saved metadata is of no use')
    }
  }

  async #openTorrent(infohash: string, task: () => Promise<void>): Promise<void> {
    await this.#ending.get(infohash)
    if (this.#opening >= MAX_OPENING) await new Promise<void>(resolve => this.#openQueue.push(resolve))
    else this.#opening++
    try {
      await task()
    } finally {
      const next = this.#openQueue.shift()
      if (next === undefined) this.#opening--
      else next()
    }
  }

  #maintain(): void {
    for (const torrent of this.#torrents.values()) torrent.maintain()
  }

  /** Releases happen while a torrent decides: the others are told afterwards, once. */
  #noticeMemory(): void {
    if (this.#memoryNotice) return
    this.#memoryNotice = true
    queueMicrotask(() => {
      this.#memoryNotice = false
      for (const torrent of this.#torrents.values()) torrent.memoryReleased()
    })
  }
}

function seedOfMetainfo(bytes: Uint8Array): TorrentSeed {
  const { info, trackers, creationDate } = parseMetainfo(bytes)
  return {
    infohash: info.infohash,
    info,
    trackers,
    peers: [],
    ...(creationDate === undefined ? {} : { creationDate }),
  }
}

function seedOfMagnet(magnet: Magnet): TorrentSeed {
  const { infohash, name, trackers, peers } = magnet
  return { infohash, trackers, peers, ...(name === undefined ? {} : { name }) }
}

function merge(torrent: Torrent, seed: TorrentSeed): Torrent {
  torrent.addTrackers(seed.trackers)
  torrent.addPeers(seed.peers)
  if (seed.creationDate !== undefined) torrent.setCreationDate(seed.creationDate)
  if (seed.info !== undefined) torrent.setInfo(seed.info)
  return torrent
}
