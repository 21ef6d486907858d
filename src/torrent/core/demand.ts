/**
 * What is wanted: derived from the waiting reads, the windows of open readers and the selection, and nothing else.
 *
 * Owns readers and waiting reads. Must not know peers or requests. Close a reader and its wants are gone.
 */
import type { ReaderNumber, WaitNumber } from './events.js'
import type { PieceTable } from './piece-table.js'
import { ReaderWindow } from './reader-window.js'

/** All windows of a torrent together, as a multiple of the largest one: many readers share. */
const SHARED_WINDOWS = 4

interface Wait {
  readonly reader: ReaderNumber
  /** Pieces [begin, end). */
  readonly begin: number
  readonly end: number
  /** Of those, how many are not stored. */
  missing: number
}

interface PieceRange {
  readonly begin: number
  readonly end: number
}

export class Demand {
  readonly #table: PieceTable
  readonly #readers = new Map<ReaderNumber, ReaderWindow>()
  readonly #waits = new Map<WaitNumber, Wait>()
  readonly #waitsOfReader = new Map<ReaderNumber, Set<WaitNumber>>()
  /** Pieces that reads wait for, the longest awaited first. */
  readonly #now = new Map<number, Set<WaitNumber>>()
  #windows: readonly PieceRange[] = []
  #plan: readonly number[] = []

  constructor(table: PieceTable) {
    this.#table = table
  }

  get openReaders(): number {
    return this.#readers.size
  }

  get waiting(): number {
    return this.#waits.size
  }

  /** Pieces that reads wait for, the longest awaited first. */
  nowPieces(): Iterable<number> {
    return this.#now.keys()
  }

  get nowCount(): number {
    return this.#now.size
  }

  isWanted(piece: number): boolean {
    if (this.#now.has(piece)) return true
    for (const window of this.#windows) if (piece >= window.begin && piece < window.end) return true
    return this.#table.selection.has(piece)
  }

  /** Pieces of all windows that were not stored when last derived, the nearest to its reader first. */
  get plan(): readonly number[] {
    return this.#plan
  }

  openReader(reader: ReaderNumber, begin: number, end: number, readahead: number): void {
    this.#readers.set(reader, new ReaderWindow(begin, end, readahead))
  }

  /** Closes a reader. The reads it waits for are the caller's to end first. */
  closeReader(reader: ReaderNumber): WaitNumber[] {
    const waits = [...(this.#waitsOfReader.get(reader) ?? [])]
    this.#readers.delete(reader)
    return waits
  }

  lowerReader(reader: ReaderNumber): void {
    this.#readers.get(reader)?.lower()
  }

  read(reader: ReaderNumber, begin: number, end: number, now: number): void {
    this.#readers.get(reader)?.read(begin, end, now)
  }

  /** Notes a read of the bytes [begin, end) that waits. Returns false when all of it is stored after all. */
  wait(wait: WaitNumber, reader: ReaderNumber, begin: number, end: number): boolean {
    const pieces = this.#table.geometry.piecesIn(begin, end)
    let missing = 0
    for (let piece = pieces.begin; piece < pieces.end; piece++) {
      if (this.#table.stored.get(piece)) continue
      missing++
      const waits = this.#now.get(piece)
      if (waits === undefined) this.#now.set(piece, new Set([wait]))
      else waits.add(wait)
    }
    if (missing === 0) return false
    this.#waits.set(wait, { reader, begin: pieces.begin, end: pieces.end, missing })
    const ofReader = this.#waitsOfReader.get(reader)
    if (ofReader === undefined) this.#waitsOfReader.set(reader, new Set([wait]))
    else ofReader.add(wait)
    return true
  }

  endWait(number: WaitNumber): boolean {
    const wait = this.#waits.get(number)
    if (wait === undefined) return false
    this.#waits.delete(number)
    for (let piece = wait.begin; piece < wait.end; piece++) {
      const waits = this.#now.get(piece)
      if (waits?.delete(number) === true && waits.size === 0) this.#now.delete(piece)
    }
    const ofReader = this.#waitsOfReader.get(wait.reader)
    ofReader?.delete(number)
    if (ofReader?.size === 0) this.#waitsOfReader.delete(wait.reader)
    return true
  }

  /** The reads that wait for a piece. */
  waitsFor(piece: number): WaitNumber[] {
    return [...(this.#now.get(piece) ?? [])]
  }

  /** A piece was stored: the reads for which it was the last are done, and returned. */
  stored(piece: number): WaitNumber[] {
    const waits = this.#now.get(piece)
    if (waits === undefined) return []
    this.#now.delete(piece)
    const done: WaitNumber[] = []
    for (const number of waits) {
      const wait = this.#waits.get(number)
      if (wait !== undefined && --wait.missing === 0) done.push(number)
    }
    for (const number of done) this.endWait(number)
    return done
  }

  /** A stored piece became doubtful: whoever waits for its neighbours waits for it too. */
  doubted(piece: number): void {
    for (const [number, wait] of this.#waits) {
      if (piece < wait.begin || piece >= wait.end) continue
      const waits = this.#now.get(piece) ?? new Set()
      if (!waits.has(number)) wait.missing++
      this.#now.set(piece, waits.add(number))
    }
  }

  /** Derives windows and plan anew at `now` (ms). Returns false when they are as they were. */
  derive(now: number): boolean {
    const geometry = this.#table.geometry
    const windows: PieceRange[] = []
    for (const reader of this.#readers.values()) {
      const share = (SHARED_WINDOWS * reader.readahead) / this.#readers.size
      for (const range of reader.windows(now, Math.max(share, geometry.pieceLength))) {
        windows.push(geometry.piecesIn(range.begin, range.end))
      }
    }
    if (sameRanges(windows, this.#windows)) return false
    this.#windows = windows
    this.#plan = interleave(windows, piece => !this.#table.stored.get(piece))
    return true
  }
}

function sameRanges(a: readonly PieceRange[], b: readonly PieceRange[]): boolean {
  return (
    a.length === b.length && a.every((range, i) => range.begin === b[i]!.begin && range.end === b[i]!.end)
  )
}

/** The pieces of all ranges: the first of each, then the second of each, and so on; those that pass only. */
function interleave(ranges: readonly PieceRange[], passes: (piece: number) => boolean): number[] {
  const plan: number[] = []
  const longest = ranges.reduce((most, range) => Math.max(most, range.end - range.begin), 0)
  for (let distance = 0; distance < longest; distance++) {
    for (const range of ranges) {
      const piece = range.begin + distance
      if (piece < range.end && passes(piece)) plan.push(piece)
    }
  }
  return plan
}
