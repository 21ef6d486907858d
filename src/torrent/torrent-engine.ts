/**
 * Runs one torrent whose metadata is known: turns what happens into events of the core, and its effects into deeds.
 *
 * Owns the core, the slabs of open pieces, the attached connections' block traffic and the waiting reads. All state that
 * decides anything is the core's.
 */
import { BLOCK_LENGTH } from './pieces/geometry.js'
import type { Bitfield, BitRun } from './pieces/bitfield.js'
import type { CoreEvent, Effect, PeerMessage, StoreResult, WaitNumber } from './core/events.js'
import { TorrentCore } from './core/torrent-core.js'
import type { MemoryBudget } from './data/memory-budget.js'
import type { PieceStore, StoreTarget } from './data/piece-store.js'
import type { Slab } from './data/slab.js'
import { messageOf, TorrentError } from './errors.js'
import type { Logger } from './logger.js'
import type { PeerConnection } from './peer/connection.js'
import { UploadQueue } from './upload-queue.js'

/** How often the core is told the time while anything is under way, in ms. */
const BUSY_TICK_MS = 100

/** Bytes stored last that are taken to be in the system's page cache: they may not even be on the disk yet. */
const FRESH_BYTES = 128 * 1024 * 1024

/** What the engine asks of the torrent it belongs to. */
export interface EngineOwner {
  /** A peer is to be dropped; with `ban`, for good. */
  dropPeer(peer: number, reason: string, ban: boolean): void
  /** A piece was stored. */
  stored(piece: number): void
  /** A stored piece is to be hashed again. */
  doubted(piece: number): void
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
  readonly logger: Logger
  readonly owner: EngineOwner
}

interface Attached {
  readonly connection: PeerConnection
  readonly uploads: UploadQueue
  /** Where a block is put while another peer is writing the same one. */
  scratch: Uint8Array | undefined
  scratchUsed: boolean
}

interface Waiting {
  readonly done: () => void
  readonly failed: (error: Error) => void
}

export class TorrentEngine {
  readonly #target: StoreTarget
  readonly #store: PieceStore
  readonly #budget: MemoryBudget
  readonly #logger: Logger
  readonly #owner: EngineOwner
  readonly #core: TorrentCore
  readonly #slabs = new Map<number, Slab>()
  /** Pieces stored last, the oldest first. */
  readonly #fresh = new Set<number>()
  readonly #attached = new Map<number, Attached>()
  readonly #waiting = new Map<WaitNumber, Waiting>()
  #nextWait = 1
  #nextReader = 1
  #timer: NodeJS.Timeout | undefined
  #closed: TorrentError | undefined
  #wanted = false
  #storageFails = false
  #uploaded = 0

  constructor(options: TorrentEngineOptions) {
    this.#target = options.target
    this.#store = options.store
    this.#budget = options.budget
    this.#logger = options.logger
    this.#owner = options.owner
    const { storage, torrent } = options.target
    this.#core = new TorrentCore({
      geometry: torrent.geometry,
      stored: storage.stored,
      suspect: storage.suspect,
      budget: options.budget,
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
    for (const effect of this.#core.handle(event, performance.now())) this.#run(effect)
    this.#arm()
    if (this.#wanted === this.#core.wantsPeers) return
    this.#wanted = !this.#wanted
    this.#owner.wantsChanged()
  }

  /** Whether every byte of [begin, end) is stored. */
  isStored(begin: number, end: number): boolean {
    const pieces = this.#target.torrent.geometry.piecesIn(begin, end)
    if (pieces.end - pieces.begin <= 1) return pieces.end === pieces.begin || this.stored.get(pieces.begin)
    return this.stored.nextClear(pieces.begin, pieces.end) < 0
  }

  /** Reads stored bytes; returns how many it got. @throws ERR_TORRENTFS_STORAGE */
  async readStored(target: Uint8Array, offset: number): Promise<number> {
    const { storage } = this.#target
    if (this.#inMemory(offset, offset + target.length)) {
      const count = storage.readNow?.(target, offset)
      if (count !== undefined) return count
    }
    return storage.readAt(target, offset)
  }

  /** The bytes [begin, end) are not what they should be: their pieces are hashed again. */
  doubt(begin: number, end: number): void {
    const pieces = this.#target.torrent.geometry.piecesIn(begin, end)
    this.post({
      type: 'doubt',
      pieces: Array.from({ length: pieces.end - pieces.begin }, (_, i) => pieces.begin + i),
    })
  }

  openReader(begin: number, end: number, readahead: number): number {
    const reader = this.#nextReader++
    this.post({ type: 'readerOpened', reader, begin, end, readahead })
    return reader
  }

  /**
   * Waits until [begin, end) is stored. Ends by `done`, by `failed`, or by {@link endWait}, after which neither is called.
   */
  wait(reader: number, begin: number, end: number, waiting: Waiting): WaitNumber {
    const wait = this.#nextWait++
    if (this.#closed !== undefined) {
      waiting.failed(this.#closed)
      return wait
    }
    this.#waiting.set(wait, waiting)
    this.post({ type: 'wait', wait, reader, begin, end })
    return wait
  }

  endWait(wait: WaitNumber): void {
    if (this.#waiting.delete(wait)) this.post({ type: 'waitEnded', wait })
  }

  /**
   * Takes over a connection whose extension traffic stays with its owner.
   *
   * @param fresh - Nothing was said on it yet: a bitfield may be sent. Else pieces are told one by one.
   */
  attach(peer: number, connection: PeerConnection, fresh: boolean): void {
    const uploads = new UploadQueue({
      connection,
      read: (target, piece, begin) => this.#readForUpload(target, piece, begin),
      sent: bytes => {
        this.#uploaded += bytes
        this.post({ type: 'uploaded', peer, bytes })
      },
    })
    this.#attached.set(peer, { connection, uploads, scratch: undefined, scratchUsed: false })
    if (fresh) this.#tellPieces(connection)
    else for (const run of this.stored.runs()) this.#tellRun(connection, run)
    this.post({ type: 'peer', peer, fast: connection.supportsFast, incoming: connection.incoming })
  }

  detach(peer: number): void {
    if (this.#attached.delete(peer)) this.post({ type: 'gone', peer })
  }

  message(peer: number, message: PeerMessage): void {
    this.post({ type: 'message', peer, message })
  }

  /** Memory for the payload of a block that is coming in. */
  blockTarget(peer: number, piece: number, begin: number, length: number): Uint8Array | null {
    const attached = this.#attached.get(peer)
    if (attached === undefined || this.#closed !== undefined) return null
    attached.scratchUsed = false
    const place = this.#core.place(peer, piece, begin, length)
    if (place === 'discard') return null
    if (place === 'slab') {
      return this.#slabs.get(piece)?.bytes.subarray(begin, begin + length) ?? null
    }
    attached.scratchUsed = true
    attached.scratch ??= new Uint8Array(BLOCK_LENGTH)
    return attached.scratch.subarray(0, length)
  }

  block(peer: number, piece: number, begin: number, length: number, kept: boolean): void {
    const attached = this.#attached.get(peer)
    if (attached === undefined) return
    let placed = kept
    if (kept && attached.scratchUsed) {
      const slab = this.#slabs.get(piece)
      placed = slab !== undefined && this.#core.takes(piece, begin)
      if (placed) slab!.bytes.set(attached.scratch!.subarray(0, length), begin)
    }
    attached.scratchUsed = false
    this.post({ type: 'block', peer, piece, begin, length, kept: placed })
  }

  turn(peer: number): void {
    this.post({ type: 'turn', peer })
  }

  drained(peer: number): void {
    this.#attached.get(peer)?.uploads.pump()
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
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const wait of waiting) wait.failed(error)
    this.#attached.clear()
  }

  /** Gives back all memory. Only after the store has settled what it was given. */
  releaseMemory(): void {
    const geometry = this.#target.torrent.geometry
    for (const [piece, slab] of this.#slabs) {
      this.#store.releaseSlab(slab)
      this.#budget.release(geometry.pieceSize(piece))
    }
    this.#slabs.clear()
  }

  /** Whether the bytes were written so lately that the system still has them in memory. */
  #inMemory(begin: number, end: number): boolean {
    const pieces = this.#target.torrent.geometry.piecesIn(begin, end)
    for (let piece = pieces.begin; piece < pieces.end; piece++) if (!this.#fresh.has(piece)) return false
    return true
  }

  #noteFresh(piece: number): void {
    this.#fresh.add(piece)
    const most = Math.max(1, FRESH_BYTES / this.#target.torrent.geometry.pieceLength)
    if (this.#fresh.size <= most) return
    for (const oldest of this.#fresh) {
      this.#fresh.delete(oldest)
      return
    }
  }

  #tellPieces(connection: PeerConnection): void {
    if (connection.supportsFast && this.stored.full) connection.haveAll()
    else if (!this.stored.empty) connection.bitfield(this.stored.bytes)
    else if (connection.supportsFast) connection.haveNone()
  }

  #tellRun(connection: PeerConnection, run: BitRun): void {
    if (!run.set) return
    for (let piece = run.begin; piece < run.end; piece++) connection.have(piece)
  }

  async #readForUpload(target: Uint8Array, piece: number, begin: number): Promise<boolean> {
    if (this.#closed !== undefined || !this.stored.get(piece)) return false
    const offset = this.#target.torrent.geometry.pieceOffset(piece) + begin
    try {
      const count = await this.#target.storage.readAt(target, offset)
      return count === target.length && this.#closed === undefined && this.stored.get(piece)
    } catch (error) {
      this.#logger.warn({ piece, error: messageOf(error) }, 'cannot read for an upload')
      return false
    }
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
        return this.#connection(effect.peer)?.request(effect.piece, effect.begin, effect.length)
      case 'cancel':
        return this.#connection(effect.peer)?.cancel(effect.piece, effect.begin, effect.length)
      case 'reject':
        return this.#connection(effect.peer)?.reject(effect.piece, effect.begin, effect.length)
      case 'have':
        return this.#connection(effect.peer)?.have(effect.piece)
      case 'send':
        return this.#connection(effect.peer)?.[effect.message]()
      case 'dropTarget':
        return this.#connection(effect.peer)?.dropTarget()
      case 'upload':
        return this.#attached.get(effect.peer)?.uploads.add(effect)
      case 'cancelUpload':
        return this.#attached.get(effect.peer)?.uploads.cancel(effect)
      case 'clearUploads':
        return this.#attached.get(effect.peer)?.uploads.clear()
      case 'openPiece':
        this.#slabs.set(effect.piece, this.#store.acquireSlab(this.#pieceSize(effect.piece)))
        return
      case 'closePiece':
        this.#store.releaseSlab(this.#slabs.get(effect.piece)!)
        this.#slabs.delete(effect.piece)
        return
      case 'store':
        void this.#storePiece(effect.piece, effect.blockDigests)
        return
      case 'verify':
        void this.#verifyPiece(effect.piece)
        return
      case 'stored':
        this.#noteFresh(effect.piece)
        return this.#owner.stored(effect.piece)
      case 'doubted':
        return this.#owner.doubted(effect.piece)
      case 'waitDone':
      case 'waitFailed':
        return this.#settle(effect)
      case 'disconnect':
        return this.#owner.dropPeer(effect.peer, effect.reason, effect.ban)
      case 'complete':
        return this.#owner.complete()
    }
  }

  #connection(peer: number): PeerConnection | undefined {
    return this.#attached.get(peer)?.connection
  }

  #pieceSize(piece: number): number {
    return this.#target.torrent.geometry.pieceSize(piece)
  }

  #settle(effect: Extract<Effect, { type: 'waitDone' | 'waitFailed' }>): void {
    const waiting = this.#waiting.get(effect.wait)
    if (waiting === undefined) return
    this.#waiting.delete(effect.wait)
    if (effect.type === 'waitDone') waiting.done()
    else waiting.failed(effect.error)
  }

  async #storePiece(piece: number, blockDigests: boolean): Promise<void> {
    const slab = this.#slabs.get(piece)!
    const result: StoreResult = await this.#store.store(this.#target, piece, slab, { blockDigests })
    if (result.kind !== 'mismatch') this.#noteStorage(result.kind === 'failed' ? result.error : undefined)
    this.post({ type: 'storeResult', piece, result })
  }

  async #verifyPiece(piece: number): Promise<void> {
    const outcome = await this.#store.verify(this.#target, piece)
    if (typeof outcome === 'string') this.post({ type: 'verified', piece, good: outcome === 'good' })
    else {
      this.#logger.warn({ piece, error: outcome.error.message }, 'cannot verify a piece')
      this.post({ type: 'verifyFailed', piece, error: outcome.error })
    }
  }

  #noteStorage(error: Error | undefined): void {
    if (error !== undefined && !(error instanceof TorrentError)) return
    if ((error !== undefined) === this.#storageFails) return
    this.#storageFails = error !== undefined
    this.#owner.storageState(error)
  }
}
