/**
 * Reads that are content with blocks whose piece is not verified yet.
 *
 * Owns which bytes they wait for. Nothing here makes a piece count as stored, and no other reader sees any of it.
 */
import { BLOCK_LENGTH } from '../pieces/geometry.js'
import type { WaitNumber } from './events.js'
import type { PieceTable } from './piece-table.js'

/** Bytes [begin, end) of the torrent. */
interface Awaited {
  readonly begin: number
  readonly end: number
}

export class EarlyWaits {
  readonly #table: PieceTable
  readonly #waits = new Map<WaitNumber, Awaited>()

  constructor(table: PieceTable) {
    this.#table = table
  }

  get size(): number {
    return this.#waits.size
  }

  add(wait: WaitNumber, begin: number, end: number): void {
    this.#waits.set(wait, { begin, end })
  }

  delete(wait: WaitNumber): void {
    this.#waits.delete(wait)
  }

  /** Those whose blocks are all here. */
  arrived(): WaitNumber[] {
    const arrived: WaitNumber[] = []
    for (const [wait, { begin, end }] of this.#waits)
      if (hasArrived(this.#table, begin, end)) arrived.push(wait)
    return arrived
  }

  /** The block of a piece to ask for first. */
  firstBlock(piece: number): number {
    if (this.#waits.size === 0) return 0
    const offset = this.#table.geometry.pieceOffset(piece)
    let first = Infinity
    for (const { begin, end } of this.#waits.values()) {
      if (end <= offset || begin >= offset + this.#table.geometry.pieceSize(piece)) continue
      first = Math.min(first, Math.floor(Math.max(0, begin - offset) / BLOCK_LENGTH))
    }
    return Number.isFinite(first) ? first : 0
  }
}

/** Whether every block of the bytes [begin, end) is here, be it verified or not. */
export function hasArrived(table: PieceTable, begin: number, end: number): boolean {
  const { geometry, stored, open } = table
  const pieces = geometry.piecesIn(begin, end)
  for (let piece = pieces.begin; piece < pieces.end; piece++) {
    if (stored.get(piece)) continue
    const fetched = open.get(piece)
    if (fetched === undefined) return false
    const offset = geometry.pieceOffset(piece)
    const last = Math.min(end - offset, geometry.pieceSize(piece)) - 1
    for (
      let block = Math.floor(Math.max(0, begin - offset) / BLOCK_LENGTH);
      block * BLOCK_LENGTH <= last;
      block++
    ) {
      if (!fetched.isReceived(block)) return false
    }
  }
  return true
}
