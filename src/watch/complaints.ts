/**
 * When to tell the operator about a broken file: once, and not while it is still being written.
 *
 * Pure: the clock is passed in. Logs nothing itself.
 */

/** How long a broken file must have been left alone before it is spoken of, in ms. */
export interface ComplaintTimes {
  /** Before the first complaint about a file: a file that is being written is broken until it is whole. */
  readonly first: number
  /** Before another complaint about the same file with another reason: a slow writer must not fill the log. */
  readonly again: number
}

/** What is wrong with a file. */
export interface Complaint {
  /** In words for the operator. */
  readonly reason: string
  /** Infohashes of the part of the file that is good. */
  readonly usable: readonly string[]
}

interface Trouble {
  complaint: Complaint
  since: number
  /** The reason last spoken of. */
  told: string | undefined
  settled: boolean
}

/** A file that has been broken and left alone long enough. */
export interface Settled extends Complaint {
  readonly file: string
  /** False when the same was said before, or something else too short a time ago. */
  readonly tell: boolean
}

/** The broken files. */
export class Complaints {
  readonly #times: ComplaintTimes
  readonly #troubles = new Map<string, Trouble>()

  constructor(times: ComplaintTimes) {
    this.#times = times
  }

  /** Files that are broken now. */
  get size(): number {
    return this.#troubles.size
  }

  /** The file was read (again) and is broken. */
  failed(file: string, complaint: Complaint, now: number): void {
    const told = this.#troubles.get(file)?.told
    this.#troubles.set(file, { complaint, since: now, told, settled: false })
  }

  /** The file is whole, or gone. */
  clear(file: string): void {
    this.#troubles.delete(file)
  }

  /** Takes the files that have become settled since the last call, and those whose new reason may be told now. */
  takeDue(now: number): Settled[] {
    const due: Settled[] = []
    for (const [file, trouble] of this.#troubles) {
      if (now < dueAt(trouble, this.#times)) continue
      const tell = trouble.told === undefined || trouble.settled
      if (tell) trouble.told = trouble.complaint.reason
      trouble.settled = true
      due.push({ file, ...trouble.complaint, tell })
    }
    return due
  }

  /** When the next file becomes due (ms), or `undefined`. */
  get nextDue(): number | undefined {
    let next = Infinity
    for (const trouble of this.#troubles.values()) next = Math.min(next, dueAt(trouble, this.#times))
    return next === Infinity ? undefined : next
  }
}

function dueAt(trouble: Trouble, times: ComplaintTimes): number {
  if (!trouble.settled) return trouble.since + times.first
  return trouble.told === trouble.complaint.reason ? Infinity : trouble.since + times.again
}
