/**
 * One line of work of a web seed: blocks one after another, out of bodies of range requests, into their memory.
 *
 * Owns where it stands, its body and what of it was read too early. A block may lie in several files, and need as many
 * requests. Which block comes next, how much to ask for and what follows from failures is the web seed's to say.
 */
import type { BlockGrid } from './block-grid.js'
import type { RangeBody, RangeEvents, RangeFailure } from './range-body.js'
import type { SeedLayout, SeedPart } from './seed-layout.js'

/** Bytes nobody asked for between two blocks of one body that are read and thrown away: cheaper than another request. */
export const MOST_GAP = 32 * 1024
/** A body that nobody wants to go on with is given up after this long, in ms. */
const REST_MS = 10_000

/** What a lane asks of its web seed, and tells it. */
export interface LaneOwner {
  readonly grid: BlockGrid
  readonly layout: SeedLayout
  /** Whether a block is asked for and is no other lane's. */
  mayTake(lane: Lane, key: number): boolean
  /** Asks for the bytes from where the lane stands, in `part`. @returns where the request ends, in the torrent */
  openBody(
    lane: Lane,
    part: SeedPart,
    events: RangeEvents,
  ): { readonly body: RangeBody; readonly end: number }
  blockTarget(lane: Lane, key: number): Uint8Array | null
  /** A block is complete. */
  finished(lane: Lane, key: number, kept: boolean): void
  /** What one socket read held was handled. */
  turn(bytes: number): void
  /** It has run out of work where it stands. */
  rested(lane: Lane): void
  /** The block it was about will not come, for what happened to a request for `part`. */
  failed(lane: Lane, part: SeedPart, failure: RangeFailure): void
  /** Calls {@link Lane.resume} soon, from outside of any event. */
  wakeSoon(): void
}

export class Lane {
  readonly index: number
  /** Offset in the torrent of the byte it needs next; between blocks, where the next one would begin. */
  at = 0
  /** Where what it delivers in a row began. */
  since = 0
  /** What it has taken upon itself, beyond its body, ends here. */
  planEnd = 0
  readonly #owner: LaneOwner
  /** The block that is coming in; -1 between blocks. */
  #key = -1
  #blockBegin = 0
  #blockEnd = 0
  #placed = false
  #target: Uint8Array | null = null
  #body: RangeBody | undefined
  /** The body's bytes that were not read yet are [bodyAt, bodyEnd) of the torrent. */
  #bodyAt = 0
  #bodyEnd = 0
  /** Bytes that came before their block was asked for. */
  #early: Uint8Array | undefined
  #paused = false
  #restTimer: NodeJS.Timeout | undefined
  #restingSince = -Infinity

  constructor(index: number, owner: LaneOwner) {
    this.index = index
    this.#owner = owner
  }

  /** Whether a block is coming in. */
  get active(): boolean {
    return this.#key >= 0
  }

  get key(): number {
    return this.#key
  }

  /** Whether it has a body that could go on, though nobody wants that now. */
  get resting(): boolean {
    return this.#key < 0 && this.#bodyAt < this.#bodyEnd
  }

  /** When it last ran out of work, ms, monotonic. */
  get restingSince(): number {
    return this.#restingSince
  }

  /** First byte of the block it stands at. */
  get from(): number {
    return this.#key >= 0 ? this.#blockBegin : this.at
  }

  /** Where what it has taken upon itself ends. */
  get coverEnd(): number {
    if (this.#key >= 0) return Math.max(this.#bodyEnd, this.planEnd, this.#blockEnd)
    return Math.min(this.#bodyEnd, this.at + MOST_GAP)
  }

  /** Whether it will come to the byte at `offset` by itself, if that is asked for. */
  covers(offset: number): boolean {
    return offset >= this.from && offset < this.coverEnd
  }

  /** Begins with a block; what it was about is given up. Not while a block is coming in. */
  start(key: number, since: number, planEnd: number): void {
    const begin = this.#owner.grid.begin(key)
    const near = begin >= this.#bodyAt && begin < Math.min(this.#bodyEnd, this.#bodyAt + MOST_GAP)
    if (!near) this.#leaveBody()
    this.at = begin
    this.since = since
    this.planEnd = planEnd
    this.#begin(key)
    this.go()
  }

  /** Goes on as far as there are bytes and blocks that are asked for. */
  go(): void {
    let worked = this.#key >= 0
    for (;;) {
      if (this.#key < 0 && !this.#next()) return this.#rest(worked)
      worked = true
      if (this.at >= this.#blockEnd) {
        this.#finish()
        continue
      }
      const part = this.#owner.layout.partAt(this.at)
      if (part.pad) this.#fillPad(Math.min(part.end, this.#blockEnd))
      else if (this.at < this.#bodyAt || this.at >= this.#bodyEnd) {
        // The body is read, but its end did not come yet: with it, the connection is free for the next request.
        if (this.#body !== undefined && this.#bodyAt === this.#bodyEnd) return
        return this.#open(part)
      } else if (this.#early === undefined) {
        if (this.#paused) this.#owner.wakeSoon()
        return
      } else this.#consume()
    }
  }

  /** Reads on, if it has to. Must not be called from within an event. */
  resume(): void {
    if (!this.#paused || this.#key < 0 || this.#early !== undefined) return
    this.#paused = false
    clearTimeout(this.#restTimer)
    this.#body?.resume()
  }

  /** The payload of a block goes nowhere from now on. */
  dropTarget(key: number): void {
    if (key === this.#key) this.#target = null
  }

  /** Gives up what it is about: its block will not come. */
  stop(): void {
    this.#leaveBody()
    this.#abandon()
    this.planEnd = 0
  }

  #next(): boolean {
    const { grid } = this.#owner
    if (this.at >= grid.geometry.length) return false
    let key = grid.keyAt(this.at)
    let begin = this.at
    const stop = Math.min(this.at + MOST_GAP, this.#bodyEnd)
    while (!this.#owner.mayTake(this, key)) {
      begin = grid.end(key++)
      if (begin >= stop) return false
    }
    this.at = begin
    this.#begin(key)
    return true
  }

  #begin(key: number): void {
    const { grid } = this.#owner
    clearTimeout(this.#restTimer)
    this.#key = key
    this.#blockBegin = grid.begin(key)
    this.#blockEnd = this.#blockBegin + grid.wanted(key)
    this.#placed = false
    this.#target = null
  }

  #place(): void {
    if (this.#placed) return
    this.#placed = true
    this.#target = this.#owner.blockTarget(this, this.#key)
  }

  #finish(): void {
    const key = this.#key
    const kept = this.#target !== null
    this.#key = -1
    this.#target = null
    this.at = this.#owner.grid.end(key)
    this.#owner.finished(this, key, kept)
  }

  #fillPad(end: number): void {
    this.#place()
    this.#target?.fill(0, this.at - this.#blockBegin, end - this.#blockBegin)
    this.at = end
  }

  #consume(): void {
    const early = this.#early!
    const skip = Math.min(this.at - this.#bodyAt, early.length)
    this.#place()
    const count = Math.min(early.length - skip, this.#blockEnd - this.at)
    if (count > 0) {
      this.#target?.set(early.subarray(skip, skip + count), this.at - this.#blockBegin)
      this.at += count
    }
    this.#bodyAt += skip + count
    this.#early = skip + count === early.length ? undefined : early.subarray(skip + count)
  }

  #open(part: SeedPart): void {
    this.#leaveBody()
    // Events of a body that was left are no more this lane's.
    const mine = (): boolean => this.#body === opened.body
    const begin = this.at
    const opened = this.#owner.openBody(this, part, {
      begun: length => {
        if (mine()) this.#bodyEnd = begin + length
      },
      data: chunk => {
        if (mine()) this.#data(chunk)
      },
      done: () => {
        if (mine()) this.#done()
      },
      failed: failure => {
        if (mine()) this.#failed(part, failure)
      },
    })
    this.#body = opened.body
    this.#bodyAt = begin
    this.#bodyEnd = opened.end
  }

  #data(chunk: Uint8Array): void {
    this.#early = this.#early === undefined ? chunk : Buffer.concat([this.#early, chunk])
    this.go()
    this.#owner.turn(chunk.length)
    // What the turn has asked for may lie here already.
    if (this.#key < 0 || this.#early !== undefined) this.go()
  }

  #done(): void {
    this.#body = undefined
    this.#paused = false
    this.go()
  }

  #failed(part: SeedPart, failure: RangeFailure): void {
    this.#body = undefined
    this.#forgetBody()
    this.#abandon()
    this.#owner.failed(this, part, failure)
  }

  #abandon(): void {
    if (this.#key < 0) return
    this.at = this.#blockBegin
    this.#key = -1
    this.#target = null
  }

  #rest(worked: boolean): void {
    if (this.#body !== undefined && !this.#paused && this.#bodyAt < this.#bodyEnd) {
      this.#paused = true
      this.#body.pause()
      this.#restTimer = setTimeout(() => this.#leaveBody(), REST_MS)
      this.#restTimer.unref()
    }
    if (!worked) return
    this.#restingSince = performance.now()
    this.#owner.rested(this)
  }

  #leaveBody(): void {
    this.#body?.leave()
    this.#body = undefined
    this.#forgetBody()
  }

  #forgetBody(): void {
    clearTimeout(this.#restTimer)
    this.#paused = false
    this.#early = undefined
    this.#bodyAt = this.#bodyEnd = 0
  }
}
