/**
 * Turns full slabs into stored pieces: hashed, compared, written and journaled by a worker thread.
 *
 * Owns the workers, the slab pool and the operations in flight. Must not know peers, priorities or readers.
 */
import type { TorrentError } from '../errors.js'
import type { Logger } from '../logger.js'
import type { StorageTorrent, TorrentStorage } from '../storage/storage.js'
import type { Slab } from './slab.js'

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

/** The client's store. */
export class PieceStore {
  /**
   * Starts no thread: the first operation does.
   *
   * @param o.workers threads; a torrent always uses the same one. Two were slower than one on a 2-core machine
   * @param o.slabBytes bytes of slabs kept for use again
   */
  constructor(o: { workers?: number; slabBytes?: number; logger?: Logger } = {}) {
    void o
  }

  /** Makes a torrent known. Costs next to nothing until its first operation. */
  attach(torrent: StorageTorrent, storage: TorrentStorage): StoreTarget {
    return { torrent, storage }
  }

  /** Waits for the target's operations, then forgets it; its storage stays open. Operations asked for later fail. */
  async detach(target: StoreTarget): Promise<void> {
    void target
  }

  /** A slab of at least `length` bytes, not zeroed, owned by the caller until `releaseSlab`. */
  acquireSlab(length: number): Slab {
    throw new Error(`not written yet ${length}`)
  }

  /** Gives a slab back. No operation may be using it. */
  releaseSlab(slab: Slab): void {
    void slab
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
    throw new Error(`not written yet ${target.torrent.infohash} ${piece} ${slab.id} ${o.blockDigests}`)
  }

  /**
   * Hashes what the storage holds of a piece and marks it: stored when it is 'good', missing when 'bad'; an error changes
   * nothing. Never rejects.
   */
  async verify(target: StoreTarget, piece: number): Promise<VerifyOutcome> {
    throw new Error(`not written yet ${target.torrent.infohash} ${piece}`)
  }

  /** Waits for operations in flight, then ends the workers. Idempotent; never rejects. Storages stay open. */
  async close(): Promise<void> {}
}
