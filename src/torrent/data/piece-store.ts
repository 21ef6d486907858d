/**
 * Turns full slabs into stored pieces: hashed, compared, written and journaled by a worker thread.
 *
 * Owns the workers, the slab pool and the operations in flight. Must not know peers, priorities or readers.
 */
import { TorrentError } from '../errors.js'
import { silentLogger } from '../logger.js'
import type { Logger } from '../logger.js'
import { storageFailure } from '../storage/failure.js'
import type { JournalPlace, StorageTorrent, TorrentStorage } from '../storage/storage.js'
import { SlabPool } from './slab.js'
import type { Slab } from './slab.js'
import type { StoreReply, TorrentIntroduction } from './store-protocol.js'
import { StoreThread } from './store-thread.js'
import type { ThreadTorrent } from './store-thread.js'

/** What became of a piece that was to be stored. */
export type StoreOutcome =
  /** It matches its hash, is written, and will be found again after a restart. */
  | { readonly kind: 'stored'; readonly blockDigests?: Uint8Array }
  /** It does not match; nothing was written. `blockDigests`: SHA-1 of each block, 20 bytes each, to find who sent what. */
  | { readonly kind: 'mismatch'; readonly blockDigests: Uint8Array }
  /** It could not be stored; a later attempt may succeed. ERR_TORRENTFS_DISK_FULL or ERR_TORRENTFS_STORAGE, naming the path. */
  | { readonly kind: 'failed'; readonly error: TorrentError }

/** What became of a piece that was to be verified. */
export type VerifyOutcome = 'good' | 'bad' | { readonly error: TorrentError }

/** A torrent that was attached to a piece store. */
export interface StoreTarget {
  readonly torrent: StorageTorrent
  readonly storage: TorrentStorage
}

/** The largest block of a filesystem that is reckoned with, in bytes. */
const FS_BLOCK = 64 * 1024

/** How long `close` waits for operations in flight, in ms: a disk that hangs must not keep the program. */
const CLOSE_MS = 1500

class Target implements StoreTarget, ThreadTorrent {
  readonly id: number
  readonly torrent: StorageTorrent
  readonly storage: TorrentStorage
  readonly thread: StoreThread
  pending = 0
  /** How many operations are under way on each piece. */
  readonly #busy = new Map<number, number>()
  detached = false
  prepared = false
  whenIdle: (() => void) | undefined

  constructor(id: number, torrent: StorageTorrent, storage: TorrentStorage, thread: StoreThread) {
    this.id = id
    this.torrent = torrent
    this.storage = storage
    this.thread = thread
  }

  /** An operation on a piece is under way until `end`. */
  begin(piece: number): void {
    this.#busy.set(piece, (this.#busy.get(piece) ?? 0) + 1)
  }

  end(piece: number): void {
    const others = this.#busy.get(piece)! - 1
    if (others > 0) this.#busy.set(piece, others)
    else this.#busy.delete(piece)
  }

  /**
   * The torrent's bytes [begin, end) that are of no use without a piece: it, and of its neighbours that are missing too as much
   * as may share a block of the filesystem with it. Else blocks that two pieces share would never be freed.
   */
  freeable(piece: number): { readonly begin: number; readonly end: number } {
    const { geometry } = this.torrent
    let [begin, end] = [piece, piece + 1]
    const offset = geometry.pieceOffset(piece)
    const after = offset + geometry.pieceSize(piece)
    const reachesBack = (): boolean => begin > 0 && geometry.pieceOffset(begin) > offset - FS_BLOCK
    const reachesOn = (): boolean => end < geometry.pieceCount && geometry.pieceOffset(end) < after + FS_BLOCK
    while (reachesBack() && this.#isGone(begin - 1)) begin--
    while (reachesOn() && this.#isGone(end)) end++
    return {
      begin: Math.max(geometry.pieceOffset(begin), offset - FS_BLOCK),
      end: Math.min(geometry.pieceOffset(end - 1) + geometry.pieceSize(end - 1), after + FS_BLOCK),
    }
  }

  /** Nothing of the piece is kept, and nothing under way could change that. */
  #isGone(piece: number): boolean {
    const { stored, suspect } = this.storage
    return !stored.get(piece) && !(suspect.length > 0 && suspect.get(piece)) && !this.#busy.has(piece)
  }

  introduce(): TorrentIntroduction {
    const { geometry, pieceHashes, files } = this.torrent
    const direct = this.storage.direct
    return {
      id: this.id,
      length: geometry.length,
      pieceLength: geometry.pieceLength,
      // A copy: a view would take all of the metainfo it lies in with it.
      pieceHashes: pieceHashes.slice(),
      files: files.map(({ offset, length, pad }) => ({ offset, length, pad })),
      direct: direct && {
        root: direct.root,
        mapped: direct.mapped,
        paths: files.map((_, file) => direct.path(file)),
        parts: files.map((_, file) => direct.part(file)),
      },
    }
  }
}

/** The client's store. */
export class PieceStore {
  readonly #threads: readonly StoreThread[]
  readonly #slabs: SlabPool
  readonly #targets = new Set<Target>()
  #nextTarget = 1
  #closed = false

  /**
   * Starts no thread: the first operation does.
   *
   * @param o.workers threads; a torrent always uses the same one. Two were slower than one on a 2-core machine
   * @param o.slabBytes bytes of slabs kept for use again
   */
  constructor(o: { workers?: number; slabBytes?: number; logger?: Logger } = {}) {
    const logger = o.logger ?? silentLogger
    this.#threads = Array.from({ length: Math.max(1, o.workers ?? 1) }, () => new StoreThread(logger))
    this.#slabs = new SlabPool({
      ...(o.slabBytes === undefined ? {} : { keepBytes: o.slabBytes }),
      onDrop: slab => {
        for (const thread of this.#threads) thread.drop(slab.id)
      },
    })
  }

  /** Messages exchanged with the workers, and bytes of all slabs (in use and free), for measurements. */
  get stats(): { sent: number; received: number; slabBytes: number } {
    const total = { sent: 0, received: 0, slabBytes: this.#slabs.bytes }
    for (const { messages } of this.#threads) {
      total.sent += messages.sent
      total.received += messages.received
    }
    return total
  }

  /** Makes a torrent known. Costs next to nothing until its first operation. */
  attach(torrent: StorageTorrent, storage: TorrentStorage): StoreTarget {
    const id = this.#nextTarget++
    const target = new Target(id, torrent, storage, this.#threads[id % this.#threads.length]!)
    this.#targets.add(target)
    return target
  }

  /** Waits for the target's operations, then forgets it; its storage stays open. Operations asked for later fail. */
  async detach(target: StoreTarget): Promise<void> {
    const own = target as Target
    own.detached = true
    if (own.pending > 0) await new Promise<void>(resolve => (own.whenIdle = resolve))
    if (this.#targets.delete(own)) own.thread.forget(own.id)
  }

  /** Starts the target's thread: its first piece is expected, though nothing says when. Never throws. */
  warm(target: StoreTarget): void {
    ;(target as Target).thread.warm()
  }

  /**
   * Begins what the first piece of a target would have to wait for, while its bytes are still on their way: the thread and the
   * journal. It fails silently; whatever stands in the way is told by the operation that meets it.
   */
  prepare(target: StoreTarget): void {
    const own = target as Target
    if (own.prepared) return
    own.prepared = true
    own.thread.warm()
    void this.#run(target, 0, (_, place) => {
      if (place !== undefined) own.storage.direct!.end(place, undefined)
      return Promise.resolve()
    })
  }

  /**
   * A slab of at least `length` bytes, not zeroed, owned by the caller until `releaseSlab`.
   *
   * @throws ERR_TORRENTFS_ARGUMENT when `length` is not a positive number
   */
  acquireSlab(length: number): Slab {
    return this.#slabs.acquire(length)
  }

  /** Gives a slab back. No operation may be using it. @throws ERR_TORRENTFS_ARGUMENT when it was released already */
  releaseSlab(slab: Slab): void {
    this.#slabs.release(slab)
  }

  /** Frees the memory of slabs that are not in use: for a client that has become idle. */
  trim(): void {
    this.#slabs.trim()
  }

  /**
   * Hashes the first `pieceSize(piece)` bytes of the slab, and if they match, writes them and marks the piece stored. Bytes
   * of pad files need not be in the slab: they are zeroed here. The slab stays the caller's, who must neither change nor release it
   * until the promise settles. Never rejects.
   *
   * @param o.blockDigests also return the digests of the blocks when the piece is good (to see which sender of a failed
   *   earlier attempt was wrong)
   */
  async store(
    target: StoreTarget,
    piece: number,
    slab: Slab,
    o: { blockDigests?: boolean } = {},
  ): Promise<StoreOutcome> {
    const digests = o.blockDigests === true
    const outcome = await this.#run(target, piece, async (own, place): Promise<StoreOutcome> => {
      const kind = place === undefined ? 'hash' : 'store'
      const reply = await own.thread.perform(own, slab, { kind, piece, journal: place?.path, digests })
      if (place !== undefined) own.storage.direct!.end(place, reply.record)
      if (reply.kind === 'failed') return { kind: 'failed', error: errorOf(reply) }
      if (reply.kind === 'bad') return { kind: 'mismatch', blockDigests: reply.digests! }
      if (place === undefined) await keep(own, piece, slab)
      else own.storage.markStored(piece)
      return reply.digests === undefined
        ? { kind: 'stored' }
        : { kind: 'stored', blockDigests: reply.digests }
    })
    return outcome instanceof TorrentError ? { kind: 'failed', error: outcome } : outcome
  }

  /**
   * Hashes what the storage holds of a piece and marks it: stored when it is 'good', missing when 'bad'; an error changes
   * nothing. Never rejects.
   */
  async verify(target: StoreTarget, piece: number): Promise<VerifyOutcome> {
    const outcome = await this.#run(target, piece, async (own, place): Promise<VerifyOutcome> => {
      const { storage } = own
      let reply: StoreReply
      if (place === undefined) reply = await this.#verifyRead(own, piece)
      else {
        // What is stored according to the journal need not be journaled again.
        const journal = storage.stored.get(piece) ? undefined : place.path
        reply = await own.thread.perform(own, undefined, { kind: 'verify', piece, journal, digests: false })
        storage.direct!.end(place, reply.record)
      }
      if (reply.kind === 'failed') return { error: errorOf(reply) }
      if (reply.kind === 'good') storage.markStored(piece)
      else storage.markMissing(piece)
      return reply.kind
    })
    return outcome instanceof TorrentError ? { error: outcome } : outcome
  }

  /**
   * Gives up a piece, whatever there is of it, and frees its bytes; it is missing from the call on. Nobody may be reading it.
   *
   * @returns why the bytes could not be freed; undefined when they were. Never rejects
   */
  async evict(target: StoreTarget, piece: number): Promise<TorrentError | undefined> {
    const { storage } = target
    if (storage.direct === undefined) {
      const outcome = await this.#run(target, piece, async () => storage.evict?.(piece))
      return outcome instanceof TorrentError ? outcome : undefined
    }
    // The mark is journaled before the bytes go: `begin` waits for that.
    storage.markMissing(piece)
    const outcome = await this.#run(target, piece, async (own, place) => {
      const range = own.freeable(piece)
      const reply = await own.thread.perform(own, undefined, {
        kind: 'free',
        piece,
        journal: place!.path,
        digests: false,
        range,
      })
      storage.direct!.end(place!, reply.record)
      return reply.kind === 'failed' ? errorOf(reply) : undefined
    })
    return outcome instanceof TorrentError ? outcome : undefined
  }

  /** Waits for operations in flight, then ends the workers. Idempotent; never rejects. Storages stay open. */
  async close(): Promise<void> {
    this.#closed = true
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>(resolve => (timer = setTimeout(resolve, CLOSE_MS)))
    await Promise.race([Promise.all([...this.#targets].map(target => this.detach(target))), late])
    clearTimeout(timer)
    const ended = Promise.all(this.#threads.map(thread => thread.close().catch(() => {})))
    await Promise.race([ended, new Promise<void>(resolve => (timer = setTimeout(resolve, CLOSE_MS / 3)))])
    clearTimeout(timer)
    this.#slabs.trim()
  }

  /** For storages without files: what they return is hashed in a slab. */
  async #verifyRead(own: Target, piece: number): Promise<StoreReply> {
    const { geometry } = own.torrent
    const size = geometry.pieceSize(piece)
    const slab = this.#slabs.acquire(size)
    try {
      const count = await own.storage.readAt(slab.bytes.subarray(0, size), geometry.pieceOffset(piece))
      if (count < size) return { id: 0, kind: 'bad' }
      return await own.thread.perform(own, slab, { kind: 'hash', piece, journal: undefined, digests: false })
    } finally {
      this.#slabs.release(slab)
    }
  }

  /** Counts an operation of a target, holds its journal if it has one, and turns what is thrown into a value. */
  async #run<T>(
    target: StoreTarget,
    piece: number,
    action: (own: Target, place: JournalPlace | undefined) => Promise<T>,
  ): Promise<T | TorrentError> {
    const own = target as Target
    if (this.#closed || own.detached) {
      return new TorrentError('ERR_TORRENTFS_CLOSED', `torrent ${own.torrent.infohash} is not attached`)
    }
    if (own.torrent.geometry.pieceSize(piece) === 0) {
      return new TorrentError('ERR_TORRENTFS_ARGUMENT', `no piece ${piece} in ${own.torrent.infohash}`)
    }
    own.pending++
    own.begin(piece)
    try {
      return await action(own, await own.storage.direct?.begin())
    } catch (thrown) {
      return storageFailure(thrown, 'store', own.torrent.infohash)
    } finally {
      own.end(piece)
      if (--own.pending === 0) own.whenIdle?.()
    }
  }
}

/** Writes a good piece through the storage itself, and marks it. */
async function keep(
  { torrent: { geometry }, storage }: StoreTarget,
  piece: number,
  slab: Slab,
): Promise<void> {
  const bytes = slab.bytes.subarray(0, geometry.pieceSize(piece))
  if (storage.store !== undefined) return storage.store(piece, bytes)
  await storage.writeAt(bytes, geometry.pieceOffset(piece))
  storage.markStored(piece)
}

function errorOf(reply: StoreReply): TorrentError {
  const { code, message } = reply.error ?? { code: 'ERR_TORRENTFS_STORAGE', message: 'the store failed' }
  return new TorrentError(code, message)
}
