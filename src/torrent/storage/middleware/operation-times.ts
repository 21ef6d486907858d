/**
 * The durations of one sort of operation, in a histogram that costs the same however many there are.
 */

/** What was measured of one sort of operation: plain data. */
export interface OperationFigures {
  /** Operations that ended. */
  readonly count: number
  /** Of those, how many failed. */
  readonly failed: number
  /** Bytes asked for by those that succeeded. */
  readonly bytes: number
  readonly totalMs: number
  readonly maxMs: number
  /** `buckets[i]`: how many took less than 2^i us, and not less than half of that; the last one has all that took longer. */
  readonly buckets: readonly number[]
}

/** 2^26 us: a minute. */
const BUCKETS = 27

/** Measures one sort of operation. */
export class OperationTimes {
  readonly #now: () => number
  readonly #buckets = new Array<number>(BUCKETS).fill(0)
  #count = 0
  #failed = 0
  #bytes = 0
  #totalMs = 0
  #maxMs = 0

  /** @param now in ms */
  constructor(now: () => number) {
    this.#now = now
  }

  /** Begins to measure; call what it returns at the end, once. */
  begin(bytes = 0): (failed: boolean) => void {
    const start = this.#now()
    return failed => {
      const took = Math.max(0, this.#now() - start)
      this.#count++
      if (failed) this.#failed++
      else this.#bytes += bytes
      this.#totalMs += took
      this.#maxMs = Math.max(this.#maxMs, took)
      const us = took * 1000
      this.#buckets[us < 1 ? 0 : Math.min(BUCKETS - 1, Math.floor(Math.log2(us)) + 1)]!++
    }
  }

  /** Measures what `action` does until its promise settles. */
  async of<T>(action: () => Promise<T>, bytes?: number): Promise<T> {
    const end = this.begin(bytes)
    let failed = true
    try {
      const result = await action()
      failed = false
      return result
    } finally {
      end(failed)
    }
  }

  /** Measures what `action` does at once; one that declines (undefined) does not count. */
  ofNow<T>(action: () => T | undefined): T | undefined {
    const end = this.begin()
    try {
      const result = action()
      if (result !== undefined) end(false)
      return result
    } catch (thrown) {
      end(true)
      throw thrown
    }
  }

  figures(): OperationFigures {
    return {
      count: this.#count,
      failed: this.#failed,
      bytes: this.#bytes,
      totalMs: this.#totalMs,
      maxMs: this.#maxMs,
      buckets: [...this.#buckets],
    }
  }
}
