/**
 * Which file stands for which torrents: a torrent stays as long as one file claims it.
 *
 * Pure: the clock is passed in. Owns no torrent and removes none; it only says which ones nobody claims any more.
 */

/** Files and the infohashes they claim. */
export class Claims {
  readonly #graceMs: number
  readonly #byFile = new Map<string, readonly string[]>()
  /** Infohash to the number of files that claim it. */
  readonly #holders = new Map<string, number>()
  /** Infohash to the time its last claim ended. */
  readonly #orphans = new Map<string, number>()

  /**
   * @param graceMs how long (ms) a torrent outlives its last claim. A file saved by delete-and-write, or renamed between
   * two looks at the folder, would otherwise cost its readers their open handles.
   */
  constructor(graceMs: number) {
    this.#graceMs = graceMs
  }

  /** The infohashes `file` claims. */
  of(file: string): readonly string[] {
    return this.#byFile.get(file) ?? []
  }

  /** True when some file claims the torrent. */
  isHeld(infohash: string): boolean {
    return this.#holders.has(infohash)
  }

  /** Torrents that are claimed by a file. */
  get size(): number {
    return this.#holders.size
  }

  /** Replaces what `file` claims. */
  set(file: string, infohashes: readonly string[], now: number): void {
    const next = [...new Set(infohashes)]
    const previous = this.of(file)
    for (const infohash of next) {
      this.#holders.set(infohash, (this.#holders.get(infohash) ?? 0) + 1)
      this.#orphans.delete(infohash)
    }
    for (const infohash of previous) {
      const left = (this.#holders.get(infohash) ?? 1) - 1
      if (left > 0) {
        this.#holders.set(infohash, left)
      } else {
        this.#holders.delete(infohash)
        this.#orphans.set(infohash, now)
      }
    }
    if (next.length === 0) this.#byFile.delete(file)
    else this.#byFile.set(file, next)
  }

  /** Ends every claim of `file`. */
  drop(file: string, now: number): void {
    this.set(file, [], now)
  }

  /** Takes the torrents whose grace is over; the caller removes them. */
  takeDue(now: number): string[] {
    const due: string[] = []
    for (const [infohash, since] of this.#orphans) {
      if (now - since >= this.#graceMs) due.push(infohash)
    }
    for (const infohash of due) this.#orphans.delete(infohash)
    return due
  }

  /** When the next grace is over (ms), or `undefined`. */
  get nextDue(): number | undefined {
    let next: number | undefined
    for (const since of this.#orphans.values()) {
      const due = since + this.#graceMs
      if (next === undefined || due < next) next = due
    }
    return next
  }

  /**
   * Starts every running grace anew. For a folder that has just come back: the files may follow it one by one.
   */
  renew(now: number): void {
    for (const infohash of this.#orphans.keys()) this.#orphans.set(infohash, now)
  }
}
