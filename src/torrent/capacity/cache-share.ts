/**
 * One torrent's part of a {@link PieceCache}, from its storage's opening to its end.
 *
 * Owns which of its pieces take room without being kept: those that are being fetched, and those whose bytes are being
 * freed. Pure.
 */
import type { PieceRoom } from '../core/events.js'
import type { PieceCache } from './piece-cache.js'

/** What a torrent does for the cache. */
export interface CacheUser {
  /** The size of a piece, in bytes. */
  sizeOf(piece: number): number
  /** Whether a piece is kept that nobody reads, waits for, or will read next. */
  mayEvict(piece: number): boolean
  /** Gives up a piece: it is missing at once, and {@link CacheShare.freed} tells when its bytes are gone. */
  evict(piece: number): void
  /** What was refused may be had now, or the share of its windows is another. */
  roomChanged(): void
}

export class CacheShare implements PieceRoom {
  readonly #cache: PieceCache
  readonly #user: CacheUser
  /** Of the numbers its pieces have in the cache. */
  readonly base: number
  /** Pieces that room is taken for and that are not kept yet. */
  readonly #begun = new Set<number>()
  /**
   * Pieces whose bytes are being freed: given up for others, of no use, or never counted. They must not be begun before it
   * is done: what was fetched anew would be freed.
   */
  readonly #freeing = new Map<number, 'evicted' | 'useless' | 'uncounted'>()
  #readers = 0
  #bytes = 0
  /** It asked for room in vain. */
  refused = false

  /** Made by {@link PieceCache.join}. */
  constructor(cache: PieceCache, user: CacheUser, base: number) {
    this.#cache = cache
    this.#user = user
    this.base = base
  }

  /** Its open readers. */
  get readers(): number {
    return this.#readers
  }

  /** Bytes it takes: of pieces that are kept, being fetched, or being freed. */
  get bytes(): number {
    return this.#bytes
  }

  get windowBytes(): number {
    return this.#cache.windowBytes(this.#readers)
  }

  take(piece: number, evicting: boolean): boolean {
    const bytes = this.#user.sizeOf(piece)
    if (!this.#freeing.has(piece) && this.#cache.reserve(bytes, evicting)) {
      this.#begun.add(piece)
      this.#bytes += bytes
      return true
    }
    this.refused = true
    return false
  }

  giveBack(piece: number): void {
    if (this.#begun.delete(piece)) this.#cache.release(this.#without(piece))
  }

  /** A piece lies in the storage from before. */
  holds(piece: number): void {
    this.#bytes += this.#user.sizeOf(piece)
    this.#cache.order.add(this.base + piece)
  }

  /** A piece is kept now. */
  stored(piece: number): void {
    // What was found on a disk was not begun.
    if (!this.#begun.delete(piece) && !this.#cache.order.has(this.base + piece)) {
      this.#bytes += this.#user.sizeOf(piece)
      this.#cache.found(this.#user.sizeOf(piece))
    }
    this.#cache.order.add(this.base + piece)
  }

  /** A piece was read. */
  touch(piece: number): void {
    this.#cache.order.touch(this.base + piece)
  }

  /** Has a piece given up that is out of the order already. @returns its size */
  evict(piece: number): number {
    this.#freeing.set(piece, 'evicted')
    this.#user.evict(piece)
    return this.#user.sizeOf(piece)
  }

  /** What there is of a piece is of no use and will be freed: {@link freed} follows. */
  discard(piece: number): void {
    if (this.#freeing.has(piece)) return
    const counted = this.#begun.delete(piece) || this.#cache.order.delete(this.base + piece)
    this.#freeing.set(piece, counted ? 'useless' : 'uncounted')
  }

  /** The bytes of a piece are gone. */
  freed(piece: number): void {
    const why = this.#freeing.get(piece)
    if (why === undefined) return
    this.#freeing.delete(piece)
    const bytes = why === 'uncounted' ? 0 : this.#without(piece)
    if (why === 'evicted') this.#cache.evicted(bytes)
    else this.#cache.release(bytes)
  }

  /** Something of it that was in use is so no longer. */
  released(): void {
    if (this.refused) this.#cache.retry()
  }

  readerOpened(): void {
    this.#readers++
    this.#cache.countReaders(1, this)
  }

  readerClosed(): void {
    this.#readers--
    this.#cache.countReaders(-1, this)
  }

  roomChanged(): void {
    this.refused = false
    this.#user.roomChanged()
  }

  mayEvict(piece: number): boolean {
    return this.#user.mayEvict(piece)
  }

  /** The torrent has ended. What it keeps stays where it is, and is not counted any more. */
  leave(): void {
    let freeing = 0
    for (const [piece, why] of this.#freeing) if (why === 'evicted') freeing += this.#user.sizeOf(piece)
    if (this.#readers > 0) this.#cache.countReaders(-this.#readers, this)
    this.#readers = 0
    this.#freeing.clear()
    this.#cache.leave(this, this.#bytes, freeing)
  }

  #without(piece: number): number {
    const bytes = this.#user.sizeOf(piece)
    this.#bytes -= bytes
    return bytes
  }
}
