/**
 * When the key exchanges that strangers ask for are computed.
 *
 * Owns who waits, and the pace. One exchange costs 0.4 ms of the one thread that everything needs, and
 * whoever sends us 96 bytes has earned it: so they come one by one, with other work between them, and only so many a second.
 */

/** Exchanges a second: 4 % of a core. */
const RATE = 100
/** Exchanges that may come at once after a quiet time. */
const BURST = 50

interface Waiting {
  readonly compute: () => void
  readonly wanted: () => boolean
}

/** A queue with a pace. How many wait in it is for its user to limit. */
export class KeyExchangeQueue {
  readonly #waiting: Waiting[] = []
  #credit = BURST
  #creditAt = performance.now()
  #scheduled = false

  /**
   * Calls `compute` when its turn has come, never from within this call.
   *
   * @param wanted - Asked just before: false when the stranger has left.
   */
  add(compute: () => void, wanted: () => boolean): void {
    this.#waiting.push({ compute, wanted })
    this.#schedule()
  }

  #schedule(): void {
    if (this.#scheduled || this.#waiting.length === 0) return
    this.#scheduled = true
    const now = performance.now()
    this.#credit = Math.min(BURST, this.#credit + ((now - this.#creditAt) * RATE) / 1000)
    this.#creditAt = now
    const next = (): void => {
      this.#scheduled = false
      this.#next()
    }
    // An immediate lets sockets be read between two of them.
    if (this.#credit >= 1) setImmediate(next)
    else setTimeout(next, ((1 - this.#credit) * 1000) / RATE)
  }

  #next(): void {
    let waiting = this.#waiting.shift()
    while (waiting !== undefined && !waiting.wanted()) waiting = this.#waiting.shift()
    if (waiting !== undefined) {
      this.#credit--
      waiting.compute()
    }
    this.#schedule()
  }
}
