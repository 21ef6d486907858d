/**
 * The cap on what all torrents of a client keep together: who gets room, and which pieces are given up for it.
 *
 * Owns the count of bytes and the order of use. Room is taken when a piece is begun and given back when its bytes are
 * freed, so what lies in the storage never passes the cap. Must not know peers, readers or storages. Pure.
 */
import { TorrentError } from '../errors.js'
import type { Bitfield } from '../pieces/bitfield.js'
import { CacheShare, type CacheUser } from './cache-share.js'
import { UseOrder } from './use-order.js'

/** Windows of readers hold at most this part, so that there is always something to give up for what a read waits for. */
const WINDOWS_PART = 1 / 2
/** This part is kept free ahead of readers, so that most of them need not wait until something is freed. */
const SPARE_PART = 1 / 32
const MOST_SPARE = 16 * 1024 * 1024
/** Torrents, by pieces: numbers of both make one. */
const PIECES = 2 ** 32

/** What of a cache is used: plain data. */
export interface CacheStatus {
  /** Bytes of pieces that are kept, being fetched, or being freed. */
  readonly used: number
  /** Bytes that may be. */
  readonly max: number
  /** What was given up since the start. */
  readonly evictedPieces: number
  readonly evictedBytes: number
}

/** Made once a client. */
export class PieceCache {
  readonly bytes: number
  readonly #later: (task: () => void) => void
  readonly #order = new UseOrder()
  readonly #shares = new Map<number, CacheShare>()
  #next = 1
  #used = 0
  /** Bytes of `used` that are being freed. */
  #freeing = 0
  /** Bytes that were refused to those who may have others given up. */
  #wished = 0
  #readers = 0
  #scheduled = false
  /** Something changed that those who were refused did not hear of. */
  #tell = false
  #largestPiece = 0
  #evictedPieces = 0
  #evictedBytes = 0

  /** @param o.later - runs a task when what is being decided now is done */
  constructor(o: { readonly bytes: number; readonly later: (task: () => void) => void }) {
    this.bytes = o.bytes
    this.#later = o.later
  }

  /** @throws ERR_TORRENTFS_ARGUMENT when pieces of that length cannot be read with this cap */
  check(name: string, pieceLength: number): void {
    const refusal = this.refusalOf(name, pieceLength)
    if (refusal !== undefined) throw refusal
  }

  /** What {@link check} throws. */
  refusalOf(name: string, pieceLength: number): TorrentError | undefined {
    if (2 * pieceLength <= this.bytes) return undefined
    return new TorrentError(
      'ERR_TORRENTFS_ARGUMENT',
      `${name}: its pieces are of ${pieceLength} bytes, and a cache must hold two of them: cacheBytes is ${this.bytes}`,
    )
  }

  /** @throws ERR_TORRENTFS_ARGUMENT when the storage of a torrent cannot give up pieces */
  checkStorage(name: string, storage: { readonly evict?: unknown }): void {
    if (storage.evict !== undefined) return
    throw new TorrentError('ERR_TORRENTFS_ARGUMENT', `${name}: with cacheBytes its storage must have evict()`)
  }

  /** A torrent with the pieces that lie in its storage already. Those that may be wrong go first. */
  join(user: CacheUser, present: { readonly stored: Bitfield; readonly suspect: Bitfield }): CacheShare {
    const number = this.#next++
    const share = new CacheShare(this, user, number * PIECES)
    this.#shares.set(number, share)
    this.#largestPiece = Math.max(this.#largestPiece, user.sizeOf(0))
    for (const pieces of [present.suspect, present.stored]) {
      for (let piece = pieces.next(0); piece >= 0; piece = pieces.next(piece + 1)) {
        share.holds(piece)
        this.#used += user.sizeOf(piece)
      }
    }
    if (this.#used > this.bytes) this.#schedule()
    return share
  }

  status(): CacheStatus {
    return {
      used: this.#used,
      max: this.bytes,
      evictedPieces: this.#evictedPieces,
      evictedBytes: this.#evictedBytes,
    }
  }

  /** The most bytes that the windows of so many of all open readers may hold. */
  windowBytes(readers: number): number {
    return readers === 0 ? 0 : (this.bytes * WINDOWS_PART * readers) / this.#readers
  }

  /** Reserves `bytes`; `evicting`: others may be given up for it. */
  reserve(bytes: number, evicting: boolean): boolean {
    // Where someone reads, what nobody reads must not take what is kept free for him: it would only be given up again.
    const cap = evicting || this.#readers === 0 ? this.bytes : this.bytes - this.#spare
    if (this.#used + bytes <= cap) {
      this.#used += bytes
      return true
    }
    if (evicting) this.#wished += bytes
    this.#schedule()
    return false
  }

  /** Bytes were found to be kept that nobody took. */
  found(bytes: number): void {
    this.#used += bytes
    if (this.#used > this.bytes) this.#schedule()
  }

  /** Gives bytes back that were reserved, or freed. */
  release(bytes: number): void {
    this.#used -= bytes
    this.#changed()
  }

  /** A piece that was given up for others is freed. */
  evicted(bytes: number): void {
    this.#freeing -= bytes
    this.#evictedPieces++
    this.#evictedBytes += bytes
    this.release(bytes)
  }

  /** The order of use; keys are of torrents' {@link CacheShare.base}s and pieces. */
  get order(): UseOrder {
    return this.#order
  }

  /** So many more readers are open (or fewer): all windows have another share. */
  countReaders(change: number, of: CacheShare): void {
    this.#readers += change
    for (const share of this.#shares.values()) {
      // Its windows are derived anew when it hears that something has changed.
      if (share !== of && share.readers > 0) share.refused = true
    }
    this.#changed()
  }

  /** Something that was in use is so no longer: who was refused may try again. */
  retry(): void {
    for (const { refused } of this.#shares.values()) if (refused) return this.#changed()
  }

  /** A torrent has ended: what it keeps is not counted any more. @param bytes - that it took */
  leave(share: CacheShare, bytes: number, freeing: number): void {
    if (!this.#shares.delete(share.base / PIECES)) return
    this.#order.deleteRange(share.base, share.base + PIECES)
    this.#freeing -= freeing
    this.release(bytes)
  }

  get #spare(): number {
    return Math.min(this.bytes * SPARE_PART, MOST_SPARE)
  }

  /** Who was refused may try again. */
  #changed(): void {
    this.#tell = true
    this.#schedule()
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#later(() => {
      this.#scheduled = false
      this.#makeRoom()
      if (this.#tell) this.#tellRefused()
    })
  }

  /** Gives up pieces until what was wished for fits, and where that was necessary some more for those who read on. */
  #makeRoom(): void {
    const wished = Math.min(this.#wished, this.bytes * WINDOWS_PART)
    this.#wished = 0
    const available = (): number => this.bytes - this.#used + this.#freeing
    const spare = wished > 0 ? this.#spare : 0
    while (available() < wished || available() + this.#largestPiece <= wished + spare) {
      const key = this.#order.takeOldest(other => {
        const share = this.#shareOf(other)
        return share.mayEvict(other - share.base)
      })
      if (key === undefined) return
      const share = this.#shareOf(key)
      this.#freeing += share.evict(key - share.base)
    }
  }

  #tellRefused(): void {
    this.#tell = false
    for (const share of this.#shares.values()) {
      if (share.refused) share.roomChanged()
    }
  }

  #shareOf(key: number): CacheShare {
    return this.#shares.get(Math.floor(key / PIECES))!
  }
}
