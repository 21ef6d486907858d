/**
 * The pieces of one torrent that were stored last: so lately that the system still has their bytes in memory.
 *
 * Owns the list. Reading such bytes at once costs less than asking a thread for them.
 */

/** Bytes stored last that are taken to be in the system's page cache: they may not even be on the disk yet. */
const FRESH_BYTES = 128 * 1024 * 1024

export class FreshPieces {
  /** The oldest first. */
  readonly #pieces = new Set<number>()
  readonly #most: number

  /** @param pieceLength - bytes */
  constructor(pieceLength: number) {
    this.#most = Math.max(1, FRESH_BYTES / pieceLength)
  }

  /** Whether all pieces [begin, end) are fresh. */
  has(begin: number, end: number): boolean {
    for (let piece = begin; piece < end; piece++) if (!this.#pieces.has(piece)) return false
    return true
  }

  /** A piece was stored just now. */
  add(piece: number): void {
    this.#pieces.add(piece)
    if (this.#pieces.size <= this.#most) return
    for (const oldest of this.#pieces) {
      this.#pieces.delete(oldest)
      return
    }
  }
}
