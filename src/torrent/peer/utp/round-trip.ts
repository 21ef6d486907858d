/**
 * How long the way there and back takes, and when to give up waiting for an answer. BEP 29, RFC 6298.
 *
 * Pure: times are in ms.
 */

/** Before the first measurement. */
const FIRST_TIMEOUT_MS = 1000
const SHORTEST_TIMEOUT_MS = 500
const LONGEST_TIMEOUT_MS = 15_000

export class RoundTrip {
  #mean: number | undefined
  #deviation = 0
  #backoff = 1

  /** Undefined: not measured yet. */
  get mean(): number | undefined {
    return this.#mean
  }

  /** How long to wait for an acknowledgement before a packet counts as lost. */
  get timeout(): number {
    const base =
      this.#mean === undefined
        ? FIRST_TIMEOUT_MS
        : Math.max(SHORTEST_TIMEOUT_MS, this.#mean + 4 * this.#deviation)
    return Math.min(LONGEST_TIMEOUT_MS, base * this.#backoff)
  }

  /** A packet that was sent once was answered after `ms`. */
  measured(ms: number): void {
    if (this.#mean === undefined) {
      this.#mean = ms
      this.#deviation = ms / 2
    } else {
      this.#deviation += (Math.abs(ms - this.#mean) - this.#deviation) / 4
      this.#mean += (ms - this.#mean) / 8
    }
  }

  /** Something arrived. */
  answered(): void {
    this.#backoff = 1
  }

  /** Nothing arrived in time: wait twice as long. */
  timedOut(): void {
    this.#backoff = Math.min(this.#backoff * 2, 64)
  }
}
