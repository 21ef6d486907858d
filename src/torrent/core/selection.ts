/**
 * The pieces to fetch whether anyone reads them or not: by priority, then rarest first (or in order), then by index.
 *
 * Owns which selected pieces are not started, sorted by how many peers have them. Must not know readers or requests.
 * One set of bits per availability makes every change O(1) and the next piece a scan over words.
 */
import { Bitfield } from '../pieces/bitfield.js'

/** How much a selected piece is wanted: those of high priority come before all others. */
export type SelectionPriority = 'normal' | 'high'

/** Selected pieces of one priority that are neither open nor stored. */
class Waiting {
  readonly pieces: Bitfield
  /** The same by availability. */
  readonly #levels: Bitfield[] = []

  constructor(pieceCount: number) {
    this.pieces = new Bitfield(pieceCount)
  }

  put(piece: number, availability: number): boolean {
    while (this.#levels.length <= availability) this.#levels.push(new Bitfield(this.pieces.length))
    this.#levels[availability]!.set(piece)
    return this.pieces.set(piece)
  }

  take(piece: number, availability: number): boolean {
    this.#levels[availability]?.clear(piece)
    return this.pieces.clear(piece)
  }

  next(inOrder: boolean, accepts: (piece: number) => boolean): number {
    if (inOrder) return firstOf(this.pieces, accepts)
    for (const level of this.#levels) {
      const piece = firstOf(level, accepts)
      if (piece >= 0) return piece
    }
    return -1
  }
}

export class Selection {
  readonly #pieceCount: number
  /** Selected pieces, whatever became of them, and those of them that have high priority. */
  #selected: Bitfield | undefined
  #high: Bitfield | undefined
  #normalWaiting: Waiting | undefined
  #highWaiting: Waiting | undefined
  readonly #availability: (piece: number) => number
  #waiting = 0
  /** Take pieces by index, not the rarest first. */
  inOrder = false

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

  /** Undefined for a piece that is not selected. */
  priorityOf(piece: number): SelectionPriority | undefined {
    if (!this.has(piece)) return undefined
    return this.#high?.get(piece) === true ? 'high' : 'normal'
  }

  get selectedCount(): number {
    return this.#selected?.count ?? 0
  }

  /** Selects a piece, or changes its priority; `startable`: it is neither open nor stored. */
  add(piece: number, startable: boolean, priority: SelectionPriority = 'normal'): void {
    if (this.priorityOf(piece) === priority) return
    this.remove(piece)
    this.#selected ??= new Bitfield(this.#pieceCount)
    this.#selected.set(piece)
    if (priority === 'high') (this.#high ??= new Bitfield(this.#pieceCount)).set(piece)
    if (startable) this.#put(piece, this.#availability(piece))
  }

  remove(piece: number): void {
    if (!this.has(piece)) return
    this.#take(piece, this.#availability(piece))
    this.#selected!.clear(piece)
    this.#high?.clear(piece)
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

  /** The piece to begin with, of those for which `accepts` is true; -1 for none. */
  next(accepts: (piece: number) => boolean): number {
    if (this.#waiting === 0) return -1
    const high = this.#highWaiting?.next(this.inOrder, accepts) ?? -1
    return high >= 0 ? high : (this.#normalWaiting?.next(this.inOrder, accepts) ?? -1)
  }

  #waitingOf(piece: number): Waiting {
    if (this.#high?.get(piece) === true) return (this.#highWaiting ??= new Waiting(this.#pieceCount))
    return (this.#normalWaiting ??= new Waiting(this.#pieceCount))
  }

  #put(piece: number, availability: number): void {
    if (this.#waitingOf(piece).put(piece, availability)) this.#waiting++
  }

  #take(piece: number, availability: number): boolean {
    const taken = this.#waitingOf(piece).take(piece, availability)
    if (taken) this.#waiting--
    return taken
  }
}

function firstOf(pieces: Bitfield, accepts: (piece: number) => boolean): number {
  if (pieces.empty) return -1
  for (let piece = pieces.next(0); piece >= 0; piece = pieces.next(piece + 1))
    if (accepts(piece)) return piece
  return -1
}
