/**
 * Runs one torrent whose metadata is known: turns what happens into events of the core, and its effects into deeds.
 *
 * Owns the core, the torrent's share of the cache, the attached sources' block traffic and the waiting reads. All state that
 * decides anything is the core's.
 */
import { performance } from 'node:perf_hooks'

import { Attached } from './attached.js'
import type { CacheShare } from './capacity/cache-share.js'
import type { PieceCache } from './capacity/piece-cache.js'
import type { Bitfield } from './pieces/bitfield.js'
import type { CoreEvent, Effect, PeerMessage } from './core/events.js'
import { TorrentCore } from './core/torrent-core.js'
import type { MemoryBudget } from './data/memory-budget.js'
import type { PieceStore, StoreTarget } from './data/piece-store.js'
import type { TorrentError } from './errors.js'
import type { Logger } from './logger.js'
import type { BlockSource } from './net/block-source.js'
import type { RateShare } from './net/rate-limiter.js'
import type { PeerConnection } from './peer/connection.js'
import { tellPieces } from './piece-greeting.js'
import { PieceWork } from './piece-work.js'
import type { RateLimits } from './rates.js'
import { StoredReads } from './stored-reads.js'
import { UploadQueue } from './upload-queue.js'
import { WaitingReads, type Awaited } from './waiting-reads.js'

/** How often the core is told the time while anything is under way, in ms. */
const BUSY_TICK_MS = 100

/** What the engine asks of the torrent it belongs to. */
export interface EngineOwner {
  /** A peer is to be dropped; with `ban`, for good. */
  dropPeer(peer: number, reason: string, ban: boolean): void
  /** The state of a piece may have changed. */
  changed(piece: number): void
  /** A piece was stored. */
  stored(piece: number): void
  /** A piece did not match its hash. */
  failed(piece: number): void
  /** A stored piece is to be hashed again. */
  doubted(piece: number): void
  /** A piece was given up to make room: it is missing. `stored`: it was stored, and not suspect. */
  evicted(piece: number, stored: boolean): void
  /** Everything selected is stored. */
  complete(): void
  /** The storage fails (`error`) or works again (undefined). Told once per change. */
  storageState(error: TorrentError | undefined): void
  /** The torrent wants peers, or no longer. */
  wantsChanged(): void
}

export interface TorrentEngineOptions {
  readonly target: StoreTarget
  readonly store: PieceStore
  readonly budget: MemoryBudget
  /** Undefined where the storage may hold everything. */
  readonly cache: PieceCache | undefined
  readonly rates: RateLimits
  readonly logger: Logger
  readonly owner: EngineOwner
}

export class TorrentEngine {
  /** The reads that wait for bytes. */
  readonly waits: WaitingReads
  readonly #target: StoreTarget
  readonly #rates: RateLimits
  readonly #downloads: RateShare
  readonly #owner: EngineOwner
  readonly #core: TorrentCore
  readonly #work: PieceWork
  readonly #reads: StoredReads
  readonly #share: CacheShare | undefined
  readonly #attached = new Map<number, Attached>()
  #nextReader = 1
  #timer: NodeJS.Timeout | undefined
  #closed: TorrentError | undefined
  #wanted = false
  #uploaded = 0

  constructor(options: TorrentEngineOptions) {
    this.#target = options.target
    this.#rates = options.rates
    this.#downloads = options.rates.download.share(() => this.post({ type: 'allowance' }))
    this.#owner = options.owner
    const { storage, torrent } = options.target
    this.#share = options.cache?.join(
      {
        sizeOf: piece => torrent.geometry.pieceSize(piece),
        mayEvict: piece => !this.#reads.holds(piece) && this.#core.mayEvict(piece),
        evict: piece => this.post({ type: 'evict', piece }),
        roomChanged: () => this.post({ type: 'room' }),
      },
      storage,
    )
    this.#work = new PieceWork({
      ...options,
      post: event => this.post(event),
      ended: () => this.#closed !== undefined,
      freed: piece => this.#share?.freed(piece),
    })
    this.waits = new WaitingReads({
      post: event => this.post(event),
      arrived: awaited => this.#holdForNow(awaited),
    })
    this.#reads = new StoredReads({
      ...options,
      isStored: piece => this.#closed === undefined && this.stored.get(piece),
      released: () => this.#share?.released(),
    })
    this.#core = new TorrentCore({
      geometry: torrent.geometry,
      stored: storage.stored,
      suspect: storage.suspect,
      budget: options.budget,
      room: this.#share,
      allowance: this.#downloads,
      uploadSlots: () => this.#rates.uploadSlots,
    })
    storage.onDoubt = pieces => this.post({ type: 'doubt', pieces })
    if (!storage.suspect.empty) this.post({ type: 'tick' })
  }

  /** What is decided, for looking at; events go through {@link post}. */
  get core(): TorrentCore {
    return this.#core
  }

  get stored(): Bitfield {
    return this.#core.stored
  }

  /** Payload bytes sent to peers. */
  get uploaded(): number {
    return this.#uploaded
  }

  post(event: CoreEvent): void {
    if (this.#closed !== undefined) return
    if (event.type === 'readerClosed') this.#share?.readerClosed()
    for (const effect of this.#core.handle(event, performance.now())) this.#run(effect)
    this.#arm()
    if (this.#wanted === this.#core.wantsPeers) return
    this.#wanted = !this.#wanted
    if (this.#wanted) this.#work.expect(this.#attached.size > 0)
    this.#owner.wantsChanged()
  }

  /** Whether every byte of [begin, end) is stored. */
  isStored(begin: number, end: number): boolean {
    const pieces = this.#target.torrent.geometry.piecesIn(begin, end)
    if (pieces.end - pieces.begin <= 1) return pieces.end === pieces.begin || this.stored.get(pieces.begin)
    return this.stored.nextClear(pieces.begin, pieces.end) < 0
  }

  /**
   * Bytes of a piece where stored pieces are given up for others, else undefined. No more than one may be waited for at once
   * and then read: else readers would wait for one another for ever.
   */
  get evictedLength(): number | undefined {
    return this.#share && this.#target.torrent.geometry.pieceLength
  }

  /** Reads stored bytes; returns how many it got. @throws ERR_TORRENTFS_STORAGE */
  readStored(target: Uint8Array, offset: number): Promise<number> {
    if (this.#share !== undefined) {
      const { begin, end } = this.#target.torrent.geometry.piecesIn(offset, offset + target.length)
      for (let piece = begin; piece < end; piece++) this.#share.touch(piece)
    }
    return this.#reads.read(target, offset)
  }

  /** What came of a piece that is being fetched, at its place and unverified; whoever holds on to it reads what comes later. */
  openBytes(piece: number): Uint8Array | undefined {
    return this.#work.bytes(piece)
  }

  /** The bytes [begin, end) are not what they should be: their pieces are hashed again. */
  doubt(begin: number, end: number): void {
    const { begin: first, end: last } = this.#target.torrent.geometry.piecesIn(begin, end)
    this.post({ type: 'doubt', pieces: Array.from({ length: last - first }, (_, i) => first + i) })
  }

  /** @param early - it takes blocks that are not verified */
  openReader(begin: number, end: number, readahead: number, early: boolean): number {
    const reader = this.#nextReader++
    if (this.#closed === undefined) this.#share?.readerOpened()
    this.post({ type: 'readerOpened', reader, begin, end, readahead, early })
    return reader
  }

  /**
   * Takes over a connection whose extension traffic stays with its owner.
   *
   * @param fresh - Nothing was said on it yet: a bitfield may be sent. Else pieces are told one by one.
   */
  attach(peer: number, connection: PeerConnection, fresh: boolean): void {
    const uploads = new UploadQueue({
      connection,
      limiter: this.#rates.upload,
      read: (target, piece, begin) => this.#reads.readForUpload(target, piece, begin),
      sent: bytes => {
        this.#uploaded += bytes
        this.post({ type: 'uploaded', peer, bytes })
      },
    })
    this.#attached.set(peer, new Attached(connection, { connection, uploads }))
    const told = this.#core.superSeeding ? 'nothing' : 'pieces'
    tellPieces(connection, told === 'pieces' ? this.stored : undefined, fresh)
    const { supportsFast: fast, incoming } = connection
    this.post({ type: 'peer', peer, fast, incoming, told })
    if (this.#wanted) this.#work.expect(true)
  }

  /**
   * Takes over a web seed: it has everything, and says itself when it answers.
   *
   * @param requests - How many requests it takes.
   */
  attachSource(peer: number, source: BlockSource, requests: number): void {
    this.#attached.set(peer, new Attached(source, undefined))
    this.post({ type: 'peer', peer, fast: true, incoming: false, runs: true })
    this.post({ type: 'requestQueue', peer, requests })
    this.message(peer, { type: 'haveAll' })
    if (this.#wanted) this.#work.expect(true)
  }

  detach(peer: number): void {
    this.#uploads(peer)?.end()
    if (this.#attached.delete(peer)) this.post({ type: 'gone', peer })
  }

  message(peer: number, message: PeerMessage): void {
    this.post({ type: 'message', peer, message })
  }

  /** Memory for the payload of a block that is coming in. `lane`: which of those that come from this source at once. */
  blockTarget(peer: number, piece: number, begin: number, length: number, lane = 0): Uint8Array | null {
    const attached = this.#attached.get(peer)
    if (attached === undefined || this.#closed !== undefined) return null
    attached.clearAside(lane)
    const place = this.#core.place(peer, piece, begin, length)
    if (place === 'discard') return null
    if (place === 'scratch') return attached.aside(lane, length)
    return this.#work.bytes(piece)?.subarray(begin, begin + length) ?? null
  }

  block(peer: number, piece: number, begin: number, length: number, kept: boolean, lane = 0): void {
    const attached = this.#attached.get(peer)
    if (attached === undefined) return
    let placed = kept
    const aside = attached.takeAside(lane, length)
    if (kept && aside !== undefined) {
      const bytes = this.#work.bytes(piece)
      placed = bytes !== undefined && this.#core.takes(piece, begin)
      if (placed) bytes!.set(aside, begin)
    }
    this.post({ type: 'block', peer, piece, begin, length, kept: placed })
  }

  turn(peer: number): void {
    this.post({ type: 'turn', peer })
  }

  drained(peer: number): void {
    this.#attached.get(peer)?.peer?.uploads.pump()
  }

  /** Memory was given back: whoever was refused may try again. */
  memoryReleased(): void {
    if (this.#core.starved) this.post({ type: 'memory' })
  }

  /** Ends every waiting read with `error`. The storage stays the owner's to close. */
  close(error: TorrentError): void {
    if (this.#closed !== undefined) return
    this.#closed = error
    clearTimeout(this.#timer)
    this.waits.close(error)
    this.#downloads.end()
    this.#share?.leave()
    for (const { peer } of this.#attached.values()) peer?.uploads.end()
    this.#attached.clear()
  }

  /** Gives back all memory. Only after the store has settled what it was given. */
  releaseMemory(): void {
    this.#work.releaseMemory()
  }

  #arm(): void {
    if (this.#timer !== undefined || this.#closed !== undefined || !this.#core.busy) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.post({ type: 'tick' })
    }, BUSY_TICK_MS)
    this.#timer.unref()
  }

  #run(effect: Effect): void {
    switch (effect.type) {
      case 'request':
        return this.#source(effect.peer)?.request(effect.piece, effect.begin, effect.length)
      case 'cancel':
        return this.#source(effect.peer)?.cancel(effect.piece, effect.begin, effect.length)
      case 'reject':
        return this.#connection(effect.peer)?.reject(effect.piece, effect.begin, effect.length)
      case 'have':
        return this.#connection(effect.peer)?.have(effect.piece)
      case 'send':
        return this.#connection(effect.peer)?.[effect.message]()
      case 'dropTarget':
        return this.#source(effect.peer)?.dropTarget(effect.piece, effect.begin)
      case 'upload':
        return this.#uploads(effect.peer)?.add(effect)
      case 'cancelUpload':
        return this.#uploads(effect.peer)?.cancel(effect)
      case 'clearUploads':
        return this.#uploads(effect.peer)?.clear()
      case 'openPiece':
        return this.#work.open(effect.piece)
      case 'closePiece':
        return this.#work.close(effect.piece)
      case 'store':
        void this.#work.store(effect.piece, effect.blockDigests)
        return
      case 'verify':
        void this.#work.verify(effect.piece)
        return
      case 'stored':
        this.#reads.stored(effect.piece)
        this.#share?.stored(effect.piece)
        return this.#owner.stored(effect.piece)
      case 'failed':
      case 'doubted':
        return this.#owner[effect.type](effect.piece)
      case 'evicted':
        return this.#owner.evicted(effect.piece, effect.stored)
      case 'free':
        this.#share?.discard(effect.piece)
        void this.#work.free(effect.piece)
        return
      case 'waitDone':
      case 'waitFailed':
        return this.waits.settle(effect)
      case 'disconnect':
        return this.#owner.dropPeer(effect.peer, effect.reason, effect.ban)
      case 'complete':
        return this.#owner.complete()
    }
  }

  #source(peer: number): BlockSource | undefined {
    return this.#attached.get(peer)?.source
  }

  /** Undefined for web seeds: they hear nothing of what we have. */
  #connection(peer: number): PeerConnection | undefined {
    return this.#attached.get(peer)?.peer?.connection
  }

  #uploads(peer: number): UploadQueue | undefined {
    return this.#attached.get(peer)?.peer?.uploads
  }

  /** Who waited reads when this turn of the event loop ends: until then nothing may be given up. */
  #holdForNow({ begin, end }: Awaited): void {
    if (this.#share === undefined) return
    const pieces = this.#target.torrent.geometry.piecesIn(begin, end)
    setImmediate(this.#reads.hold(pieces.begin, pieces.end))
  }
}
