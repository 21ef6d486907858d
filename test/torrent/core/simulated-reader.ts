/**
 * Someone who reads a file of a simulated swarm from one place to another: as `cat` does, as fast as it comes, or as a player
 * does, at the pace of the film.
 *
 * Owns one reader of the core, and how long it waited. One read at a time.
 */
import type { SimulatedSwarm } from './simulated-swarm.js'

export interface ReadingOptions {
  /** Bytes a read. */
  readonly size: number
  /** Bytes/s at most; as fast as they come by default. */
  readonly pace?: number
  /** The most bytes to fetch ahead. */
  readonly readahead?: number
}

/** Who waits longer for one read notices. */
export const STALL_MS = 1000
const READAHEAD = 32 * 1024 * 1024

export class SimulatedReader {
  /** The longest wait for one read, in ms. */
  longest = 0
  /** How many reads waited longer than {@link STALL_MS}. */
  stalls = 0
  readonly #swarm: SimulatedSwarm
  readonly #number: number
  readonly #o: ReadingOptions
  /** How long the film stood still, in ms. */
  #behind = 0

  constructor(swarm: SimulatedSwarm, number: number, options: ReadingOptions) {
    this.#swarm = swarm
    this.#number = number
    this.#o = options
    const { length } = swarm.geometry
    const readahead = options.readahead ?? READAHEAD
    swarm.post({ type: 'readerOpened', reader: number, begin: 0, end: length, readahead })
  }

  /** Reads [begin, end) and calls `done` when all of it has come. */
  read(begin: number, end: number, done: () => void): void {
    const started = this.#swarm.now
    this.#behind = 0
    const next = (at: number): void => {
      if (at >= end) return done()
      const to = Math.min(end, at + this.#o.size)
      this.#one(at, to, () => {
        const { pace } = this.#o
        if (pace === undefined) return next(to)
        // A player that fell behind does not hurry afterwards: the film stood still.
        this.#swarm.clock.at(started + (1000 * (to - begin)) / pace + this.#behind, () => next(to))
      })
    }
    next(begin)
  }

  /** What was waited for until now does not count. */
  forgetWaits(): void {
    this.longest = 0
    this.stalls = 0
  }

  close(): void {
    this.#swarm.post({ type: 'readerClosed', reader: this.#number })
  }

  #one(begin: number, end: number, done: () => void): void {
    const swarm = this.#swarm
    const pieces = swarm.geometry.piecesIn(begin, end)
    if (swarm.core.stored.nextClear(pieces.begin, pieces.end) < 0) {
      swarm.post({ type: 'readStored', reader: this.#number, begin, end })
      // A chain of calls would overflow the stack.
      return swarm.at(0, done)
    }
    const asked = swarm.now
    swarm.whenDone(swarm.wait(this.#number, begin, end), () => {
      const took = swarm.now - asked
      this.longest = Math.max(this.longest, took)
      if (took > STALL_MS) this.stalls++
      if (this.#o.pace !== undefined) this.#behind += Math.max(0, took - (1000 * this.#o.size) / this.#o.pace)
      done()
    })
  }
}
