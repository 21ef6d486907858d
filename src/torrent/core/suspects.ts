/**
 * Pieces that must be hashed before they count: which to hash, and when.
 *
 * Owns how many are hashed at a time. What comes of it is the outcomes' business.
 */
import type { Effect } from './events.js'
import type { PieceTable } from './piece-table.js'

/** Pieces that are hashed at once to see whether they are there. */
const MAX_VERIFYING = 2

export class Suspects {
  readonly #table: PieceTable
  readonly #emit: (effect: Effect) => void

  constructor(table: PieceTable, emit: (effect: Effect) => void) {
    this.#table = table
    this.#emit = emit
  }

  /** Somebody wants a suspect piece: it is hashed at once. */
  verify(piece: number): void {
    if (this.#table.verifying.has(piece)) return
    this.#table.verifying.add(piece)
    this.#emit({ type: 'verify', piece })
  }

  /** Hashes a piece that is not stored and not being fetched, in case it is there. */
  check(piece: number): void {
    const state = this.#table.stateOf(piece)
    if (state === 'missing') this.#table.suspect.set(piece)
    if (state === 'missing' || state === 'suspect') this.verify(piece)
  }

  /** Suspect pieces that no one waits for are hashed one after another. */
  verifyInBackground(): void {
    if (this.#table.suspect.empty) return
    let piece = this.#table.suspect.next(0)
    while (piece >= 0 && this.#table.verifying.size < MAX_VERIFYING) {
      this.verify(piece)
      piece = this.#table.suspect.next(piece + 1)
    }
  }
}
