/**
 * All torrents of one program: they share a port, a memory budget, a store and limits.
 *
 * Owns those and the torrents. Must not know pieces or peers of any of them.
 */
import { setTimeout as sleep } from 'node:timers/promises'

import {
  checkAddOptions,
  checkRemoveOptions,
  type AddOptions,
  type AddSourceOptions,
  type RemoveOptions,
} from './add-options.js'
import { clientStatus, type ClientStatus } from './client-status.js'
import {
  checkClientOptions,
  DEFAULT_MAX_PEERS_PER_TORRENT,
  DEFAULT_READAHEAD_BYTES,
  type ClientOptions,
  type Rates,
} from './config.js'
import { PieceCache } from './capacity/piece-cache.js'
import { MemoryBudget } from './data/memory-budget.js'
import { PieceStore } from './data/piece-store.js'
import type { Dht } from './discovery/dht/dht.js'
import { causedBy, messageOf, TorrentError } from './errors.js'
import { makePeerId } from './exposure.js'
import { hooks } from './hooks.js'
import { silentLogger, type Logger } from './logger.js'
import { parseInfo } from './metainfo/info.js'
import { loadMetainfo, sourceLabel, type SourceFile } from './metainfo-files.js'
import { Network } from './network.js'
import { SavedMetadata } from './saved-metadata.js'
import { scrape, type ScrapeResult } from './scrape.js'
import { FileStorage } from './storage/file/file-storage.js'
import type { Storage } from './storage/storage.js'
import { storageTorrentOf } from './storage-torrent.js'
import { TaskQueue } from './task-queue.js'
import { Torrent } from './torrent.js'
import type { TorrentContext, TorrentSeed } from './torrent-context.js'
import { mergeSeed, seedOf, seedOfMetainfo } from './torrent-seed.js'
import { NO_TRAFFIC, pastTraffic, sumOfTraffic } from './traffic.js'
import { canonicalInfohash, placeOfSource, type KnownSource, type TorrentSource } from './torrent-source.js'

/** Torrents whose storage is being opened at a time. */
const MAX_OPENING = 32
const MAINTENANCE_MS = 1000
/** How long closing waits for trackers to be told, in ms. */
const FAREWELLS_MS = 1500

/** Torrents, and the port, memory, DHT and limits that they share. {@link close} it, or `await using`. */
export class Client {
  readonly #options: ClientOptions
  readonly #logger: Logger
  readonly #peerId = makePeerId(false)
  readonly #budget: MemoryBudget
  readonly #cache: PieceCache | undefined
  readonly #store: PieceStore
  readonly #storage: Storage
  readonly #metadata: SavedMetadata
  readonly #context: TorrentContext
  readonly #torrents = new Map<string, Torrent>()
  /** Torrents that were removed and are not wound up yet: the same one must not be opened twice. */
  readonly #ending = new Map<string, Promise<void>>()
  /** The same torrents: what they did counts on. */
  readonly #leaving = new Set<Torrent>()
  /** Of the torrents that are gone. */
  #pastTraffic = NO_TRAFFIC
  readonly #network: Network
  readonly #openings = new TaskQueue(MAX_OPENING)
  readonly #end = new AbortController()
  #listening: Promise<void> | undefined
  #maintenance: NodeJS.Timeout | undefined
  #memoryNotice = false
  #closing: Promise<void> | undefined

  /** @throws ERR_TORRENTFS_ARGUMENT naming the option */
  constructor(options: ClientOptions) {
    checkClientOptions(options)
    this.#options = options
    this.#logger = options.logger ?? silentLogger
    this.#budget = new MemoryBudget(options.memoryBytes)
    if (options.cacheBytes !== undefined)
      this.#cache = new PieceCache({ bytes: options.cacheBytes, later: task => void setImmediate(task) })
    this.#store = new PieceStore({ logger: this.#logger })
    // One of both there is.
    this.#storage = options.storage ?? new FileStorage({ root: options.downloadDir!, logger: this.#logger })
    this.#metadata = new SavedMetadata(options.downloadDir)
    this.#network = this.#makeNetwork()
    this.#context = this.#makeContext()
    this.#budget.onRelease(() => this.#noticeMemory())
  }

  /** Every torrent, in the order of adding. */
  get torrents(): Iterable<Torrent> {
    return this.#torrents.values()
  }

  /** The port peers connect to; 0 before {@link listen}. */
  get port(): number {
    return this.#network.port
  }

  /** Changes the limits from now on; what is not given stays as it is. @throws ERR_TORRENTFS_ARGUMENT */
  setRates(rates: Rates): void {
    this.#network.rates.set(rates)
  }

  /** A snapshot of all but single torrents: plain data. */
  status(): ClientStatus {
    const current = [...this.#torrents.values(), ...this.#leaving].map(torrent => torrent.traffic())
    return clientStatus({
      torrents: this.#torrents,
      network: this.#network,
      limits: this.#network.limits,
      budget: this.#budget,
      cache: this.#cache,
      traffic: sumOfTraffic([this.#pastTraffic, ...current]),
    })
  }

  /** The DHT, to ask something of it; undefined when there is none. It is the client's. */
  get dht(): Dht | undefined {
    return this.#network.dht
  }

  /**
   * Goes online: puts the blocklists in force, opens the port, and looks for peers from then on. {@link add} does it first
   * if it was not done; with {@link addNow} it is up to the caller. Once it has succeeded, nothing more happens.
   *
   * @throws ERR_TORRENTFS_LISTEN, ERR_TORRENTFS_BLOCKLIST, ERR_TORRENTFS_CLOSED; it may be tried again
   */
  listen(): Promise<void> {
    return (this.#listening ??= this.#listen().catch((error: unknown) => {
      this.#listening = undefined
      throw error
    }))
  }

  /**
   * Asks trackers how many seeders and leechers they know of torrents, added or not. BEP 48.
   *
   * @param infohashes - 40 hexadecimal digits each
   * @returns one result for each URL, in order
   * @throws ERR_TORRENTFS_ARGUMENT for what is no infohash; ERR_TORRENTFS_ABORTED
   */
  scrape(
    urls: readonly string[],
    infohashes: readonly string[],
    signal?: AbortSignal,
  ): Promise<ScrapeResult[]> {
    return scrape(this.#network.trackers, urls, infohashes, signal)
  }

  /** The torrent with this infohash (hexadecimal or base32), if it was added. */
  get(infohash: string): Torrent | undefined {
    return this.#torrents.get(canonicalInfohash(infohash) ?? infohash)
  }

  /**
   * Adds a torrent by whatever names it; a path is read and a URL fetched first, by the client's rules (proxy, blocklist,
   * interface). One that is there already is returned as it is, with the source's trackers, web seeds, peers and metadata
   * added to it. Its metadata may not be known yet: see {@link Torrent.whenReady}.
   *
   * @throws ERR_TORRENTFS_ARGUMENT for what is no source; ERR_TORRENTFS_SOURCE naming the path or URL that cannot be had;
   * ERR_TORRENTFS_METAINFO, ERR_TORRENTFS_BENCODE, ERR_TORRENTFS_V2_ONLY, ERR_TORRENTFS_MAGNET for one that makes no
   * sense; ERR_TORRENTFS_TIMEOUT, ERR_TORRENTFS_PROXY, ERR_TORRENTFS_ABORTED; ERR_TORRENTFS_CLOSED; what {@link listen} throws
   */
  async add(source: TorrentSource, options: AddSourceOptions = {}): Promise<Torrent> {
    checkAddOptions(options)
    const { signal, ...rest } = options
    const place = placeOfSource(source)
    if (place.kind === 'file' || place.kind === 'url') {
      await this.listen()
      return this.#add(await this.#fetch(place, signal), rest)
    }
    const seed = seedOf(place)
    await this.listen()
    return this.#add(seed, rest)
  }

  /** What the torrent file that a source names says. */
  async #fetch(place: SourceFile, signal: AbortSignal | undefined): Promise<TorrentSeed> {
    const ends = signal === undefined ? this.#end.signal : AbortSignal.any([signal, this.#end.signal])
    const bytes = await loadMetainfo(place, this.#network.metainfos, ends).catch((error: unknown) => {
      this.#checkOpen()
      throw error
    })
    try {
      return seedOfMetainfo(bytes)
    } catch (error) {
      throw error instanceof TorrentError ? causedBy(error, error.code, sourceLabel(place)) : error
    }
  }

  /**
   * As {@link add}, but at once, for sources whose infohash is at hand.
   *
   * @throws as {@link add}; ERR_TORRENTFS_ARGUMENT for a path or a URL
   */
  addNow(source: KnownSource, options: AddOptions = {}): Torrent {
    checkAddOptions(options)
    const place = placeOfSource(source)
    if (place.kind !== 'file' && place.kind !== 'url') return this.#add(seedOf(place), options)
    throw new TorrentError('ERR_TORRENTFS_ARGUMENT', `${sourceLabel(place)}: must be read first: use add`)
  }

  /**
   * Removes a torrent: its waiting reads reject with ERR_TORRENTFS_REMOVED. Its data and resume state stay unless
   * `deleteData`. Nothing happens when it is not there. Whoever adds it again meanwhile waits until this is done.
   *
   * @throws ERR_TORRENTFS_STORAGE when the data cannot be deleted; the torrent is removed even so
   * @throws ERR_TORRENTFS_ARGUMENT with `deleteData` when the storage cannot delete; then nothing was done
   */
  async remove(which: string | Torrent, options: RemoveOptions = {}): Promise<void> {
    checkRemoveOptions(options)
    const { deleteData = false } = options
    const torrent = this.get(typeof which === 'string' ? which : which.infohash)
    if (torrent === undefined) return
    if (deleteData && this.#storage.remove === undefined)
      throw new TorrentError('ERR_TORRENTFS_ARGUMENT', 'deleteData: the storage cannot delete torrents')
    this.#torrents.delete(torrent.infohash)
    this.#network.leave(torrent.swarm.identity.infohash)
    const error = new TorrentError('ERR_TORRENTFS_REMOVED', `${torrent.name} was removed`)
    await this.#endTorrent(torrent, error, deleteData)
  }

  /** Ends every torrent (waiting reads reject with ERR_TORRENTFS_CLOSED) and keeps all state. Idempotent. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  /** As {@link close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new TorrentError('ERR_TORRENTFS_CLOSED', 'the client is closed')
  }

  #add(seed: TorrentSeed, options: AddOptions): Torrent {
    this.#checkOpen()
    if (seed.info !== undefined) this.#cache?.check(seed.info.name, seed.info.pieceLength)
    const known = this.#torrents.get(seed.infohash)
    const torrent = known ?? new Torrent(this.#context, seed)
    if (known !== undefined) mergeSeed(known, seed)
    torrent.addTrackers(options.trackers ?? [])
    torrent.addPeers(options.peers ?? [])
    for (const url of options.webSeeds ?? []) torrent.addWebSeed(url)
    if (options.superSeeding === true) torrent.setSuperSeeding(true)
    if (known !== undefined) return known
    this.#torrents.set(seed.infohash, torrent)
    hooks.torrentAdded.publish(() => ({ torrent }))
    this.#network.enter(torrent.swarm.identity.infohash)
    for (const peer of this.#options.testPeers ?? []) torrent.pinPeer(peer)
    if (seed.info === undefined) void this.#loadMetadata(torrent)
    return torrent
  }

  async #listen(): Promise<void> {
    this.#checkOpen()
    await this.#network.listen()
    this.#checkOpen()
    this.#maintenance ??= setInterval(() => this.#maintain(), MAINTENANCE_MS)
    this.#maintenance.unref()
  }

  async #close(): Promise<void> {
    this.#end.abort()
    clearInterval(this.#maintenance)
    await this.#network.stopListening()
    const torrents = [...this.#torrents.values()]
    this.#torrents.clear()
    for (const torrent of torrents) {
      const error = new TorrentError('ERR_TORRENTFS_CLOSED', `${torrent.name}: the client was closed`)
      void this.#endTorrent(torrent, error, false)
    }
    const ended = Promise.all(this.#ending.values())
    // Ten thousand farewells take longer than anyone waits for an exit.
    await Promise.race([ended, sleep(FAREWELLS_MS, undefined, { ref: false })])
    await Promise.all([this.#network.close(), ended])
    await this.#store.close()
    await this.#storage.close()
  }

  async #endTorrent(torrent: Torrent, error: TorrentError, deleteData: boolean): Promise<void> {
    const ended = torrent.end(error).then(() => (deleteData ? this.#deleteData(torrent) : undefined))
    const settled = ended.catch(() => undefined)
    this.#ending.set(torrent.infohash, settled)
    this.#leaving.add(torrent)
    void settled.then(() => {
      this.#ending.delete(torrent.infohash)
      this.#leaving.delete(torrent)
      hooks.torrentRemoved.publish(() => ({ torrent }))
      this.#pastTraffic = sumOfTraffic([this.#pastTraffic, pastTraffic(torrent.traffic())])
    })
    await ended
  }

  async #deleteData({ infohash, info, name }: Torrent): Promise<void> {
    try {
      const raw = info === undefined ? await this.#metadata.load(infohash) : undefined
      const known = info ?? (raw && parseInfo(raw))
      if (known !== undefined) await this.#storage.remove?.(storageTorrentOf(known))
      await this.#metadata.remove(infohash)
    } catch (error) {
      throw error instanceof TorrentError
        ? error
        : causedBy(error, 'ERR_TORRENTFS_STORAGE', `${name}: its data`)
    }
  }

  #makeContext(): TorrentContext {
    return {
      peerId: () => (this.#options.anonymous === true ? makePeerId(true) : this.#peerId),
      storage: this.#storage,
      store: this.#store,
      budget: this.#budget,
      cache: this.#cache,
      network: this.#network,
      maxPeersPerTorrent: this.#options.maxPeersPerTorrent ?? DEFAULT_MAX_PEERS_PER_TORRENT,
      readaheadBytes: this.#options.readaheadBytes ?? DEFAULT_READAHEAD_BYTES,
      extensions: this.#options.extensions ?? [],
      logger: this.#logger,
      opening: async (infohash, task) => {
        await this.#ending.get(infohash)
        await this.#openings.run(task)
      },
      keepMetadata: (infohash, raw) => this.#keep(infohash, this.#metadata.save(infohash, raw)),
      learn: (infohash, metainfo) => this.#learn(infohash, metainfo),
    }
  }

  #makeNetwork(): Network {
    return new Network({
      client: this.#options,
      logger: this.#logger,
      identity: infohash => this.#torrents.get(infohash)?.swarm.identity,
      accept: (connection, infohash) => {
        const swarm = this.#torrents.get(infohash)?.swarm
        swarm?.accept(connection)
        return swarm !== undefined
      },
      makeRoom: () => {
        for (const { swarm } of this.#torrents.values()) if (swarm.makeRoom()) return true
        return false
      },
      onFilterChange: () => {
        for (const { swarm } of this.#torrents.values()) swarm.dropBlocked()
      },
    })
  }

  /** A torrent file came for a magnet: its trackers are as good as the magnet's own. */
  #learn(infohash: string, metainfo: Uint8Array): void {
    const torrent = this.#torrents.get(infohash)
    if (torrent === undefined || this.#closing !== undefined) return
    mergeSeed(torrent, seedOfMetainfo(metainfo))
    this.#keep(infohash, this.#metadata.saveMetainfo(infohash, metainfo))
  }

  #keep(infohash: string, saving: Promise<void>): void {
    saving.catch((error: unknown) => {
      this.#logger.warn({ infohash, error: messageOf(error) }, 'cannot keep the metadata for the next start')
    })
  }

  async #loadMetadata(torrent: Torrent): Promise<void> {
    await this.#ending.get(torrent.infohash)
    const metainfo = await this.#metadata.loadMetainfo(torrent.infohash)
    if (metainfo !== undefined) mergeSeed(torrent, seedOfMetainfo(metainfo))
    const raw = await this.#metadata.load(torrent.infohash)
    try {
      if (raw !== undefined) torrent.setInfo(parseInfo(raw))
    } catch (error) {
      this.#logger.warn({ torrent: torrent.name, error: String(error) }, 'saved metadata is of no use')
    }
    torrent.seekMetadata()
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
