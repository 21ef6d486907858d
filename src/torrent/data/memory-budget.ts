/**
 * How many bytes may lie in memory as pieces that are not stored yet.
 *
 * Owns one counter and those who wait for it to fall. Must not allocate anything: slabs are the pool's.
 */
import { TorrentError } from '../errors.js'

/** 64 MiB: 64 open pieces of 1 MiB, or 4 of 16 MiB. */
export const DEFAULT_MEMORY_BYTES = 64 * 1024 * 1024

/** A budget in bytes, shared by all torrents of a client. */
export class MemoryBudget {
  /** Bytes that may be reserved without force. */
  readonly bytes: number
  #used = 0
  readonly #listeners = new Set<() => void>()

  /** @throws ERR_TORRENTFS_ARGUMENT when `bytes` is not a positive number */
  constructor(bytes: number = DEFAULT_MEMORY_BYTES) {
    if (!(bytes > 0)) throw new TorrentError('ERR_TORRENTFS_ARGUMENT', `a memory budget of ${bytes} bytes`)
    this.bytes = bytes
  }

  /** Bytes reserved now; above `bytes` only by force. */
  get used(): number {
    return this.#used
  }

  /** Bytes that can be reserved without force; never negative. */
  get free(): number {
    return Math.max(0, this.bytes - this.#used)
  }

  /**
   * Reserves `bytes` and returns true, or changes nothing and returns false when they do not fit. With `force` it always
   * reserves: for pieces a reader waits for now. An empty budget grants any size, so that a piece larger than the budget
   * can be fetched at all.
   */
  tryReserve(bytes: number, force = false): boolean {
    if (!force && this.#used > 0 && this.#used + bytes > this.bytes) return false
    this.#used += bytes
    return true
  }

  /**
   * Gives back `bytes` of an earlier reservation, then calls the listeners.
   *
   * @throws ERR_TORRENTFS_ARGUMENT when more is given back than was reserved: someone released twice
   */
  release(bytes: number): void {
    if (bytes > this.#used) {
      throw new TorrentError('ERR_TORRENTFS_ARGUMENT', `released ${bytes} bytes of ${this.#used} reserved`)
    }
    this.#used -= bytes
    for (const listener of this.#listeners) listener()
  }

  /** Calls `callback` after each release, synchronously; returns the function that ends that. */
  onRelease(callback: () => void): () => void {
    this.#listeners.add(callback)
    return () => this.#listeners.delete(callback)
  }
}
