/**
 * How far ahead of one reader to fetch.
 *
 * Owns the cursors of one reader: where it read, for how long in one go, and so how much it will want next. Must not
 * know pieces, peers or what is stored.
 */

/** How far from where a cursor stands a read still belongs to it: the kernel's own readahead comes out of order. */
const TOLERANCE = 4 * 1024 * 1024
/** Contiguous bytes before anything is fetched ahead: a random read must cost no more than the pieces it touches. */
const CONTIGUOUS_BEFORE_WINDOW = 256 * 1024
/** A player alternates between few places (sound, picture, index). */
const MAX_CURSORS = 4
/** How long an alternating cursor keeps its window without being read, in ms. */
const ALTERNATING_MS = 3000

/** Bytes [begin, end) of the torrent. */
export interface ByteRange {
  readonly begin: number
  readonly end: number
}

interface Cursor {
  /** End of the furthest read. */
  front: number
  /** Bytes read in one go. */
  run: number
  lastRead: number
  /** How many times reading came back to it from another. */
  visits: number
}

export class ReaderWindow {
  readonly begin: number
  readonly end: number
  readonly #early: boolean
  #readahead: number
  #exact = false
  readonly #cursors: Cursor[] = []
  #current: Cursor | undefined
  #lowered = false

  /**
   * Over the bytes [begin, end) of a torrent; `readahead`: the most bytes to fetch ahead; `early`: what was read last stays in
   * the window, because its piece may not be whole.
   */
  constructor(begin: number, end: number, readahead: number, early = false) {
    this.begin = begin
    this.end = end
    this.#readahead = readahead
    this.#early = early
  }

  /** The most bytes to fetch ahead. */
  get readahead(): number {
    return this.#readahead
  }

  /** With `exact`, so many bytes are fetched ahead from the first read on, and not only as reading goes on in one go. */
  setReadahead(bytes: number, exact: boolean): void {
    this.#readahead = bytes
    this.#exact = exact
  }

  /** Notes a read of [begin, end) at `now` (ms). */
  read(begin: number, end: number, now: number): void {
    this.#lowered = false
    const cursor = this.#find(begin) ?? this.#add(begin)
    if (this.#current !== cursor) cursor.visits++
    this.#current = cursor
    // Rereading what lies behind the front is no sign of going on.
    if (end > cursor.front) {
      if (begin <= cursor.front + TOLERANCE) cursor.run += end - Math.max(begin, cursor.front)
      cursor.front = end
    }
    cursor.lastRead = now
  }

  /** Gives up the window until the next read. */
  lower(): void {
    this.#lowered = true
  }

  /** What to fetch ahead, most urgent first; `cap` further limits each window, in bytes. */
  windows(now: number, cap: number): ByteRange[] {
    const current = this.#current
    if (this.#lowered || current === undefined) return []
    const windows: ByteRange[] = []
    for (const cursor of this.#cursors) {
      const alternating = cursor.visits > 1 && now - cursor.lastRead < ALTERNATING_MS
      if (cursor !== current && !alternating) continue
      const length = Math.min(this.#readahead, cap, this.#exact ? Infinity : lengthAfter(cursor.run))
      const begin = this.#early && cursor.run > 0 ? cursor.front - 1 : cursor.front
      const end = Math.min(this.end, cursor.front + length)
      if (end > begin) windows.push({ begin, end })
    }
    return windows
  }

  #find(begin: number): Cursor | undefined {
    const near = (cursor: Cursor): boolean => Math.abs(begin - cursor.front) <= TOLERANCE
    if (this.#current !== undefined && near(this.#current)) return this.#current
    return this.#cursors.find(near)
  }

  #add(begin: number): Cursor {
    const cursor: Cursor = { front: begin, run: 0, lastRead: 0, visits: 0 }
    // The first read after a jump says nothing about the next.
    if (this.#cursors.length === MAX_CURSORS) {
      this.#cursors.sort((a, b) => b.lastRead - a.lastRead)
      this.#cursors.pop()
    }
    this.#cursors.push(cursor)
    return cursor
  }
}

/** How many bytes are fetched ahead after so many were read in one go. */
function lengthAfter(run: number): number {
  return run <= CONTIGUOUS_BEFORE_WINDOW ? 0 : 2 * run
}
