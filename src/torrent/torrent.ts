/**
 * One torrent of a client, from its first mention to its removal.
 *
 * Owns its metadata, whom it exchanges with (torrent-peers), and once the metadata is known what it reads and fetches into
 * (opened-torrent). Decides nothing about pieces (core) and nothing about connections (swarm): it joins them.
 */
import { EventEmitter } from 'node:events'

import type { ExtensionChannel } from './custom-extensions.js'
import { causedBy, type TorrentError } from './errors.js'
import { engineOwner } from './engine-owner.js'
import { File } from './file.js'
import { hooks } from './hooks.js'
import type { Info } from './metainfo/info.js'
import type { FileRange } from './metainfo/select-only.js'
import type { HostPort } from './metainfo/addresses.js'
import { OpenedTorrent } from './opened-torrent.js'
import { untilReached, type Milestone } from './milestones.js'
import type { ReaderSource } from './reader.js'
import { PieceList, type PieceState } from './piece.js'
import { readerSource } from './reader-source.js'
import type { ScrapeResult } from './scrape.js'
import type { StoredFiles } from './stored-files.js'
import type { Swarm } from './swarm.js'
import type { TorrentContext, TorrentSeed } from './torrent-context.js'
import type { TorrentEvents } from './torrent-events.js'
import { TorrentPeers } from './torrent-peers.js'
import { torrentStatus, type TorrentStatus } from './torrent-status.js'
import type { Traffic } from './traffic.js'
import { TorrentSelection, type Priority } from './torrent-selection.js'
import { verifyPieces, type VerifyOptions, type VerifyResult } from './verification.js'
import type { AddWebSeedOptions } from './web-seeds.js'

/** A torrent of a client: {@link Client.add} gives it. Its events are {@link TorrentEvents}. */
export class Torrent extends EventEmitter<TorrentEvents> {
  readonly infohash: string
  readonly #context: TorrentContext
  readonly #peers: TorrentPeers
  readonly #selection: TorrentSelection
  #name: string
  #creationDate: number | undefined
  #info: Info | undefined
  #files: readonly File[] = []
  readonly #pieces = new PieceList(this)
  #opened: OpenedTorrent | undefined
  #ended: TorrentError | undefined
  #opening: Promise<void> | undefined
  #superSeeding = false

  /** Made by {@link Client.add}. @internal */
  constructor(context: TorrentContext, seed: TorrentSeed) {
    super()
    this.infohash = seed.infohash
    this.#context = context
    this.#name = seed.name ?? seed.infohash
    this.#creationDate = seed.creationDate
    this.#peers = new TorrentPeers({
      context,
      seed,
      name: () => this.#name,
      info: () => this.#info,
      engine: () => this.#opened?.engine,
      storedBytes: () => this.#opened?.storedBytes.total ?? 0,
      torrent: this,
      metadataFound: info => {
        this.setInfo(info)
        context.keepMetadata(seed.infohash, info.raw)
      },
      metadataBroken: error =>
        this.#warn(causedBy(error, 'ERR_TORRENTFS_METAINFO', `${this.#name}: its metadata`)),
    })
    this.#selection = new TorrentSelection(() => ({ info: this.#info, engine: this.#opened?.engine }))
    if (seed.info !== undefined) this.setInfo(seed.info)
    this.#selection.only = seed.selectOnly
    this.addPeers(seed.peers)
  }

  /**
   * Begins to look for peers that have the metadata. What was kept from an earlier run must be set before: it may be private.
   *
   * @internal
   */
  seekMetadata(): void {
    if (this.#info === undefined && this.#ended === undefined) this.#peers.sources.start()
  }

  /** The metadata's name, made safe; before it is known, the magnet's, else the infohash. */
  get name(): string {
    return this.#name
  }

  get info(): Info | undefined {
    return this.#info
  }

  /** When the torrent was made, by its maker's clock: ms since the epoch. */
  get creationDate(): number | undefined {
    return this.#creationDate
  }

  /** Every piece; none before the metadata is known. */
  get pieces(): PieceList {
    return this.#pieces
  }

  /** Every file, pad files included; empty until {@link ready}. */
  get files(): readonly File[] {
    return this.#files
  }

  /** The metadata is known and the storage open. */
  get ready(): boolean {
    return this.#opened !== undefined
  }

  /** What is stored, as files on a disk; undefined before {@link ready}, and when the storage keeps none. */
  get storedFiles(): StoredFiles | undefined {
    return this.#opened?.storedFiles
  }

  /** The port peers connect to: see {@link Swarm.accept}. @internal */
  get swarm(): Swarm {
    return this.#peers.swarm
  }

  /** Resolves when {@link ready}. @throws the error that ended the torrent before */
  whenReady(signal?: AbortSignal): Promise<void> {
    return this.#until('ready', () => this.ready, signal)
  }

  /**
   * Resolves with the info dictionary when it is known, from whatever source.
   *
   * @throws (rejects with) the error that ended the torrent before
   */
  get metadata(): Promise<Info> {
    return quiet(this.#until('metadata', () => this.#info !== undefined).then(() => this.#info!))
  }

  /** Whether everything is stored, or all that is selected, if anything is. */
  get complete(): boolean {
    return this.#opened?.engine.core.complete === true
  }

  /** Resolves when the torrent is {@link complete}. @throws (rejects with) the error that ended it before */
  get done(): Promise<void> {
    return quiet(this.#until('complete', () => this.complete))
  }

  /** The files that its magnet link means (BEP 53); undefined for all. */
  get selectOnly(): readonly FileRange[] | undefined {
    return this.#selection.only
  }

  /**
   * Fetches everything, or what {@link selectOnly} means, whether anyone reads it or not; a file with a priority of its own
   * keeps it.
   *
   * @param options.sequential - in order, instead of the rarest first. Readers that follow are better served by their own
   * readahead: this is for programs that watch the files grow. Default: as before, at first false
   */
  download(options: { readonly sequential?: boolean } = {}): void {
    if (options.sequential !== undefined) this.#selection.inOrder = options.sequential
    this.#selection.all()
  }

  /** See {@link pause}. */
  get paused(): boolean {
    return this.#peers.paused
  }

  /**
   * Ends all connections, and begins none until {@link resume}: nothing is fetched or given, and reads of what is not stored
   * wait. It stays announced, as paused (BEP 21). Idempotent.
   */
  pause(): void {
    this.#peers.pause(true)
  }

  /** Ends what {@link pause} began. Idempotent. */
  resume(): void {
    if (this.#ended === undefined) this.#peers.pause(false)
  }

  /**
   * Hashes what the storage holds, also where nothing is known to be: bytes that were put there count from then on. Stored pieces
   * are given out meanwhile, until they are found wrong.
   *
   * @throws ERR_TORRENTFS_ABORTED, ERR_TORRENTFS_ARGUMENT, the error the torrent ended with
   */
  async verify(options: VerifyOptions = {}): Promise<VerifyResult> {
    await this.whenReady(options.signal)
    const opened = this.#opened!
    return verifyPieces(piece => opened.check(piece), opened.info.geometry.pieceCount, options)
  }

  /** What a magnet says of the torrent file and of the files it means; those that were meant first stay. @internal */
  noteMagnet({ sources, selectOnly }: Pick<TorrentSeed, 'sources' | 'selectOnly'>): void {
    this.#selection.only ??= selectOnly
    if (this.#ended === undefined) this.#peers.sources.addMetainfoUrls(sources ?? [])
  }

  /**
   * Superseeding (BEP 16), for the only seed there is: shows each peer a piece or two at a time, the next when it has
   * passed one on. Begins when everything is stored, and ends by itself when another peer has everything.
   */
  setSuperSeeding(on: boolean): void {
    this.#superSeeding = on
    this.#opened?.engine.post({ type: 'superSeed', on })
  }

  /** The connected peers that take an extension of {@link ClientOptions.extensions}: something can be sent to them. */
  extensionPeers(name: string): Iterable<ExtensionChannel> {
    return this.#peers.talk.custom.peers(name)
  }

  /** Adds the address of a peer. It is called when peers are wanted. */
  addPeer(address: HostPort): void {
    this.addPeers([address])
  }

  /** Adds a tracker, as a tier of its own (BEP 12). What is no URL of a tracker is left out. */
  addTracker(url: string): void {
    this.addTrackers([[url]])
  }

  /** Adds addresses of peers. They are called when peers are wanted. */
  addPeers(addresses: readonly HostPort[]): void {
    if (this.#ended === undefined) this.#peers.add(addresses)
  }

  /** Adds a peer that is tried again every 10 s for ever. */
  pinPeer(address: HostPort): void {
    if (this.#ended === undefined) this.#peers.swarm.pin(address)
  }

  /** Adds trackers in tiers (BEP 12). What is no URL of a tracker is left out. */
  addTrackers(tiers: readonly (readonly string[])[]): void {
    if (this.#ended === undefined) this.#peers.sources.addTrackers(tiers)
  }

  /** Adds a web seed, by default one that serves files (BEP 19). @throws ERR_TORRENTFS_ARGUMENT unless it is HTTP(S) */
  addWebSeed(url: string, o: AddWebSeedOptions = {}): void {
    if (this.#ended === undefined) this.#peers.webSeeds.addOrThrow(url, o)
  }

  /**
   * Takes the metadata from elsewhere than peers. Nothing happens when it is known already; when the client's cache cannot
   * hold two pieces of it, that is a warning.
   */
  setInfo(info: Info): void {
    if (this.#info !== undefined || this.#ended !== undefined) return
    const refused = this.#context.cache?.refusalOf(info.name, info.pieceLength)
    if (refused !== undefined) return this.#warn(refused)
    this.#info = info
    this.#name = info.name
    this.#peers.metadataKnown(info)
    this.emit('metadata', info)
    this.#opening = this.#context.opening(info.infohash, () => this.#open(info))
  }

  /** The metainfo's maker's date wins over none. @internal */
  setCreationDate(date: number): void {
    this.#creationDate ??= date
  }

  /** How much a file is wanted that nobody reads: see {@link File.priority}. @internal */
  filePriority(file: number): Priority {
    return this.#selection.fileOf(file)
  }

  /** @throws ERR_TORRENTFS_ARGUMENT for what is no priority. @internal */
  setFilePriority(file: number, priority: Priority): void {
    this.#selection.setFile(file, priority)
  }

  /** See {@link Piece.state}. @internal */
  pieceState(piece: number): PieceState {
    const state = this.#opened?.engine.core.pieceState(piece) ?? 'suspect'
    return state === 'open' ? 'fetching' : state
  }

  /** See {@link Piece.priority}. @internal */
  piecePriority(piece: number): Priority {
    return this.#selection.pieceOf(piece)
  }

  /** @throws ERR_TORRENTFS_ARGUMENT for what is no priority. @internal */
  setPiecePriority(piece: number, priority: Priority): void {
    this.#selection.setPiece(piece, priority)
  }

  /** Bytes of a file that are stored; 0 before {@link ready}. @internal */
  storedBytesOf(file: number): number {
    return this.#opened?.storedBytes.of(file) ?? 0
  }

  /** What a reader of a file needs. @throws the error it ended with; ERR_TORRENTFS_ARGUMENT before ready. @internal */
  readerSource(file: File, readahead: number | undefined): ReaderSource {
    if (this.#ended !== undefined) throw this.#ended
    return readerSource(
      file,
      this,
      this.#opened?.engine,
      readahead ?? this.#context.readaheadBytes,
      () => this.#ended,
    )
  }

  /** Asks its trackers how many seeders and leechers they know. @throws ERR_TORRENTFS_ABORTED */
  scrape(signal?: AbortSignal): Promise<ScrapeResult[]> {
    return this.#peers.scrape(signal)
  }

  /** What went to and fro since it was added. */
  traffic(): Traffic {
    return this.#peers.traffic()
  }

  /** A snapshot: plain data. */
  status(): TorrentStatus {
    return torrentStatus({
      torrent: this,
      engine: this.#opened?.engine,
      length: this.#info?.length,
      storedBytes: this.#opened?.storedBytes.total ?? 0,
      ...this.#peers.status(),
    })
  }

  /** Regular care, once a second, by the client. @internal */
  maintain(): void {
    if (this.#ended === undefined) this.#peers.maintain()
  }

  /** Memory was given back somewhere. @internal */
  memoryReleased(): void {
    this.#opened?.engine.memoryReleased()
  }

  /** Ends it: waiting reads reject with `error`. Data and resume state stay. Idempotent. @internal */
  async end(error: TorrentError): Promise<void> {
    if (this.#ended !== undefined) return
    this.#ended = error
    this.#opened?.stop(error)
    const farewell = this.#peers.close()
    this.emit('removed')
    await this.#opening
    await this.#opened?.close()
    await farewell
  }

  #until(event: Milestone['event'], reached: () => boolean, signal?: AbortSignal): Promise<void> {
    return untilReached(this, { event, reached, ended: () => this.#ended }, signal)
  }

  async #open(info: Info): Promise<void> {
    if (this.#ended !== undefined) return
    const ended = (): boolean => this.#ended !== undefined
    const owner = engineOwner({
      torrent: this,
      peers: this.#peers,
      opened: () => this.#opened,
      logger: this.#context.logger,
      warn: error => this.#warn(error),
      superSeed: () => this.#superSeeding && this.setSuperSeeding(true),
    })
    try {
      const opened = await OpenedTorrent.open(info, this.#context, owner, ended)
      if (opened !== undefined) this.#begin(opened)
    } catch (error) {
      this.#warn(causedBy(error, 'ERR_TORRENTFS_STORAGE', this.#name))
    }
  }

  #begin(opened: OpenedTorrent): void {
    this.#opened = opened
    this.#files = opened.info.files.map(file => new File(this, file))
    // Before anyone is asked for peers: how many depends on it.
    this.#selection.begin()
    this.#peers.begin(opened.engine)
    if (this.#superSeeding) this.setSuperSeeding(true)
    hooks.torrentReady.publish(() => ({ torrent: this }))
    this.emit('ready')
  }

  #warn(error: TorrentError): void {
    this.#context.logger.warn({ torrent: this.#name, code: error.code }, error.message)
    this.emit('warning', error)
  }
}

/** Nobody need wait for it: its rejection is no error of the program. */
function quiet<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined)
  return promise
}
