/**
 * How many bytes of each file are stored, kept up to date piece by piece so that asking costs nothing.
 *
 * Owns the counts. Pad files count like others here: they are known.
 */
import type { Bitfield } from './pieces/bitfield.js'
import type { Geometry } from './pieces/geometry.js'

export class StoredBytes {
  readonly #geometry: Geometry
  /** By file; made when the first piece is stored: most torrents of a mount are never read. */
  #byFile: Float64Array | undefined
  #total = 0

  constructor(geometry: Geometry, stored: Bitfield) {
    this.#geometry = geometry
    if (stored.empty) return
    for (const run of stored.runs()) {
      if (!run.set) continue
      const begin = geometry.pieceOffset(run.begin)
      const last = run.end - 1
      this.#count(begin, geometry.pieceOffset(last) + geometry.pieceSize(last), 1)
    }
  }

  /** Bytes stored of the whole torrent. */
  get total(): number {
    return this.#total
  }

  /** Bytes stored of one file. */
  of(file: number): number {
    return this.#byFile?.[file] ?? 0
  }

  add(piece: number): void {
    this.#piece(piece, 1)
  }

  remove(piece: number): void {
    this.#piece(piece, -1)
  }

  #piece(piece: number, sign: 1 | -1): void {
    const begin = this.#geometry.pieceOffset(piece)
    this.#count(begin, begin + this.#geometry.pieceSize(piece), sign)
  }

  #count(begin: number, end: number, sign: 1 | -1): void {
    const byFile = (this.#byFile ??= new Float64Array(this.#geometry.files.length))
    for (const segment of this.#geometry.segments(begin, end)) {
      byFile[segment.file] = byFile[segment.file]! + sign * segment.length
      this.#total += sign * segment.length
    }
  }
}
