/**
 * The pieces to fetch whether anyone reads them or not, rarest first, then by index.
 *
 * Owns which selected pieces are not started, sorted by how many peers have them. Must not know readers or requests.
 * One set of bits per availability makes every change O(1) and the next piece a scan over words.
 */
import { Bitfield } from '../pieces/bitfield.js'

export class Selection {
  readonly #pieceCount: number
  /** Selected pieces, whatever became of them. */
  #selected: Bitfield | undefined
  /** By availability: selected pieces that are neither open nor stored. */
  readonly #levels: Bitfield[] = []
  readonly #availability: (piece: number) => number
  #waiting = 0

  /** @param availability - How many peers have a piece, of those whose haves are counted one by one. */
  constructor(pieceCount: number, availability: (piece: number) => number) {
    this.#pieceCount = pieceCount
    this.#availability = availability
  }

  /** Selected pieces that are not started. */
  get waiting(): number {
    return this.#waiting
  }

  has(piece: number): boolean {
    return this.#selected?.get(piece) ?? false
  }

  get selectedCount(): number {
    return this.#selected?.count ?? 0
  }

  /** Selects a piece; `startable`: it is neither open nor stored. Returns false when it was selected. */
  add(piece: number, startable: boolean): boolean {
    this.#selected ??= new Bitfield(this.#pieceCount)
    if (!this.#selected.set(piece)) return false
    if (startable) this.#put(piece, this.#availability(piece))
    return true
  }

  remove(piece: number): void {
    if (this.#selected?.clear(piece) === true) this.#take(piece, this.#availability(piece))
  }

  /** The piece was opened or stored. */
  started(piece: number): void {
    if (this.has(piece)) this.#take(piece, this.#availability(piece))
  }

  /** The piece is missing again. */
  stopped(piece: number): void {
    if (this.has(piece)) this.#put(piece, this.#availability(piece))
  }

  /** The availability of a piece went from `before` to `after`. */
  moved(piece: number, before: number, after: number): void {
    if (this.#waiting > 0 && this.#take(piece, before)) this.#put(piece, after)
  }

  /** The rarest piece, the lowest index first, for which `accepts` is true; -1 for none. */
  next(accepts: (piece: number) => boolean): number {
    if (this.#waiting === 0) return -1
    for (const level of this.#levels) {
      if (level === undefined || level.empty) continue
      for (let piece = level.next(0); piece >= 0; piece = level.next(piece + 1)) {
        if (accepts(piece)) return piece
      }
    }
    return -1
  }

  #put(piece: number, availability: number): void {
    while (this.#levels.length <= availability) this.#levels.push(new Bitfield(this.#pieceCount))
    if (this.#levels[availability]!.set(piece)) this.#waiting++
  }

  #take(piece: number, availability: number): boolean {
    const taken = this.#levels[availability]?.clear(piece) ?? false
    if (taken) this.#waiting--
    return taken
  }
}
