/**
 * What is wanted: derived from the waiting reads, the windows of open readers and the selection, and nothing else.
 *
 * Owns readers and waiting reads. Must not know peers or requests. Close a reader and its wants are gone.
 */
import type { PieceRoom, ReaderNumber, WaitNumber } from './events.js'
import { EarlyWaits } from './early-waits.js'
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
  readonly #early: EarlyWaits
  readonly #waitsOfReader = new Map<ReaderNumber, Set<WaitNumber>>()
  /** Pieces that reads wait for, the longest awaited first. */
  readonly #now = new Map<number, Set<WaitNumber>>()
  #windows: readonly PieceRange[] = []
  #plan: readonly number[] = []
  readonly #room: PieceRoom | undefined

  /** @param room - limits what the windows hold; undefined for no limit but the readers' own */
  constructor(table: PieceTable, room?: PieceRoom) {
    this.#table = table
    this.#room = room
    this.#early = new EarlyWaits(table)
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
    return this.isReadNext(piece) || this.#table.selection.has(piece)
  }

  /** Whether a read waits for the piece, or it lies in a reader's window. */
  isReadNext(piece: number): boolean {
    if (this.#now.has(piece)) return true
    for (const window of this.#windows) if (piece >= window.begin && piece < window.end) return true
    return false
  }

  /** Whether the piece is one of those a read waits for all of, be it stored already or not. */
  isAwaited(piece: number): boolean {
    for (const { begin, end } of this.#waits.values()) if (piece >= begin && piece < end) return true
    return false
  }

  /** Pieces of all windows that were not stored when last derived, the nearest to its reader first. */
  get plan(): readonly number[] {
    return this.#plan
  }

  /** @param early - it takes blocks before their piece is verified: pieces it has begun stay wanted */
  openReader(reader: ReaderNumber, begin: number, end: number, readahead: number, early = false): void {
    this.#readers.set(reader, new ReaderWindow(begin, end, readahead, early))
  }

  /** Closes a reader. The reads it waits for are the caller's to end first. */
  closeReader(reader: ReaderNumber): WaitNumber[] {
    const waits = [...(this.#waitsOfReader.get(reader) ?? [])]
    this.#readers.delete(reader)
    return waits
  }

  setReadahead(reader: ReaderNumber, bytes: number, exact: boolean): void {
    this.#readers.get(reader)?.setReadahead(bytes, exact)
  }

  lowerReader(reader: ReaderNumber): void {
    this.#readers.get(reader)?.lower()
  }

  read(reader: ReaderNumber, begin: number, end: number, now: number): void {
    this.#readers.get(reader)?.read(begin, end, now)
  }

  /**
   * Notes a read of the bytes [begin, end) that waits; `early`: for no more than the blocks, see {@link arrived}. Returns
   * false when all of it is stored after all.
   */
  wait(wait: WaitNumber, reader: ReaderNumber, begin: number, end: number, early = false): boolean {
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
    if (early) this.#early.add(wait, begin, end)
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
    this.#early.delete(number)
    for (let piece = wait.begin; piece < wait.end; piece++) {
      const waits = this.#now.get(piece)
      if (waits?.delete(number) === true && waits.size === 0) this.#now.delete(piece)
    }
    const ofReader = this.#waitsOfReader.get(wait.reader)
    ofReader?.delete(number)
    if (ofReader?.size === 0) this.#waitsOfReader.delete(wait.reader)
    return true
  }

  /** Whether any read waits for no more than blocks. */
  get anyEarly(): boolean {
    return this.#early.size > 0
  }

  /** The early reads whose blocks are all here: they are done. */
  arrived(): WaitNumber[] {
    const arrived = this.#early.arrived()
    for (const number of arrived) this.endWait(number)
    return arrived
  }

  /** The block of a piece to ask for first. */
  firstBlock(piece: number): number {
    return this.#early.firstBlock(piece)
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
    const { geometry } = this.#table
    let windows: readonly PieceRange[] = this.#rangesAt(now)
    if (this.#room !== undefined) windows = fitting(windows, this.#room.windowBytes / geometry.pieceLength)
    if (sameRanges(windows, this.#windows)) return false
    this.#windows = windows
    this.#plan = interleave(windows, piece => !this.#table.stored.get(piece))
    return true
  }

  #rangesAt(now: number): PieceRange[] {
    const geometry = this.#table.geometry
    const windows: PieceRange[] = []
    for (const reader of this.#readers.values()) {
      const share = (SHARED_WINDOWS * reader.readahead) / this.#readers.size
      for (const range of reader.windows(now, Math.max(share, geometry.pieceLength))) {
        windows.push(geometry.piecesIn(range.begin, range.end))
      }
    }
    return windows
  }
}

/** What of each range is left when all of them may have no more pieces than `most`: those with little keep it. */
function fitting(ranges: readonly PieceRange[], most: number): readonly PieceRange[] {
  const lengths = ranges.map(({ begin, end }) => end - begin).sort((a, b) => a - b)
  let left = Math.floor(most)
  let longest = Infinity
  for (const [i, length] of lengths.entries()) {
    longest = Math.floor(left / (lengths.length - i))
    if (length > longest) break
    left -= length
    longest = Infinity
  }
  if (longest === Infinity) return ranges
  const kept: PieceRange[] = []
  for (const { begin, end } of ranges) {
    if (longest > 0) kept.push({ begin, end: Math.min(end, begin + longest) })
    else if (kept.length + 1 <= most) kept.push({ begin, end: begin + 1 })
  }
  return kept
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
