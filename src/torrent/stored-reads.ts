/**
 * Reads the stored bytes of one torrent, for readers and for uploads.
 *
 * Owns which pieces are being read, and so must stay, and which were stored so lately that they still lie in memory. Whether
 * a piece is stored is the core's to know.
 */
import type { StoreTarget } from './data/piece-store.js'
import { messageOf } from './errors.js'
import { FreshPieces } from './fresh-pieces.js'
import type { Logger } from './logger.js'

export interface StoredReadsOptions {
  readonly target: StoreTarget
  readonly isStored: (piece: number) => boolean
  /** Pieces are read no longer: they may be given up now. */
  readonly released: () => void
  readonly logger: Logger
}

export class StoredReads {
  readonly #o: StoredReadsOptions
  readonly #fresh: FreshPieces
  /** How many read each piece. */
  readonly #holders = new Map<number, number>()

  constructor(options: StoredReadsOptions) {
    this.#o = options
    this.#fresh = new FreshPieces(options.target.torrent.geometry.pieceLength)
  }

  /** A piece was stored just now. */
  stored(piece: number): void {
    this.#fresh.add(piece)
  }

  /** Whether a piece is being read. */
  holds(piece: number): boolean {
    return this.#holders.has(piece)
  }

  /** Keeps the pieces [begin, end) until the returned function is called, once. */
  hold(begin: number, end: number): () => void {
    for (let piece = begin; piece < end; piece++) {
      this.#holders.set(piece, (this.#holders.get(piece) ?? 0) + 1)
    }
    return () => {
      for (let piece = begin; piece < end; piece++) {
        const others = this.#holders.get(piece)! - 1
        if (others > 0) this.#holders.set(piece, others)
        else this.#holders.delete(piece)
      }
      this.#o.released()
    }
  }

  /** Reads from `offset` of the torrent; returns how many bytes it got. @throws ERR_TORRENTFS_STORAGE */
  async read(target: Uint8Array, offset: number): Promise<number> {
    const { storage, torrent } = this.#o.target
    const pieces = torrent.geometry.piecesIn(offset, offset + target.length)
    if (this.#fresh.has(pieces.begin, pieces.end)) {
      const count = storage.readNow?.(target, offset)
      if (count !== undefined) return count
    }
    const release = this.hold(pieces.begin, pieces.end)
    try {
      return await storage.readAt(target, offset)
    } finally {
      release()
    }
  }

  /** Fills `target` from byte `begin` of a piece; false when it is not stored, or not to be read. */
  async readForUpload(target: Uint8Array, piece: number, begin: number): Promise<boolean> {
    if (!this.#o.isStored(piece)) return false
    const release = this.hold(piece, piece + 1)
    try {
      const offset = this.#o.target.torrent.geometry.pieceOffset(piece) + begin
      const count = await this.#o.target.storage.readAt(target, offset)
      return count === target.length && this.#o.isStored(piece)
    } catch (error) {
      this.#o.logger.warn({ piece, error: messageOf(error) }, 'cannot read for an upload')
      return false
    } finally {
      release()
    }
  }
}
