/**
 * A torrent's blocks as one row of numbers: neighbouring blocks have neighbouring keys, over pieces and files.
 *
 * Owns the arithmetic between keys and bytes of the torrent. Pure.
 */
import { BLOCK_LENGTH, type Geometry } from '../pieces/geometry.js'

export class BlockGrid {
  readonly geometry: Geometry
  readonly #perPiece: number

  constructor(geometry: Geometry) {
    this.geometry = geometry
    this.#perPiece = Math.max(1, geometry.blockCount(0))
  }

  /** The key of the block that begins at `begin` in a piece. */
  key(piece: number, begin: number): number {
    return piece * this.#perPiece + begin / BLOCK_LENGTH
  }

  pieceOf(key: number): number {
    return Math.floor(key / this.#perPiece)
  }

  /** Where a block begins in its piece. */
  beginInPiece(key: number): number {
    return (key % this.#perPiece) * BLOCK_LENGTH
  }

  /** First byte of a block in the torrent. */
  begin(key: number): number {
    return this.geometry.pieceOffset(this.pieceOf(key)) + this.beginInPiece(key)
  }

  /** One past the last byte of a block in the torrent; the next block begins there. */
  end(key: number): number {
    return this.begin(key) + this.geometry.blockSize(this.pieceOf(key), key % this.#perPiece)
  }

  /** Bytes of a block that are asked for: without the pad at its end. */
  wanted(key: number): number {
    return this.geometry.requestSize(this.pieceOf(key), key % this.#perPiece)
  }

  /** The key of the block that holds a byte of the torrent. */
  keyAt(offset: number): number {
    const piece = Math.floor(offset / this.geometry.pieceLength)
    const inPiece = offset - this.geometry.pieceOffset(piece)
    return piece * this.#perPiece + Math.floor(inPiece / BLOCK_LENGTH)
  }
}
