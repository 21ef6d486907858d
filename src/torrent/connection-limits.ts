/**
 * How many connections a client may have, over all torrents.
 *
 * Owns two counters. Which torrent gets the next one is up to who asks first; torrents that nobody reads ask for less.
 */

/** Attempts under way at a time: more only makes home routers drop them. */
const MAX_DIALING = 64
/** The share of all connections that torrents nobody wants anything of may take. */
const IDLE_SHARE = 0.5

export class ConnectionLimits {
  readonly max: number
  #open = 0
  #dialing = 0

  constructor(max: number) {
    this.max = max
  }

  /** Connections and attempts. */
  get used(): number {
    return this.#open + this.#dialing
  }

  /** Whether a torrent may begin an attempt; `wanting`: something is wanted of it now. */
  mayDial(wanting: boolean): boolean {
    if (this.#dialing >= MAX_DIALING) return false
    return this.used < (wanting ? this.max : this.max * IDLE_SHARE)
  }

  mayAccept(): boolean {
    return this.used < this.max
  }

  dialing(): void {
    this.#dialing++
  }

  dialed(): void {
    this.#dialing--
  }

  opened(): void {
    this.#open++
  }

  closed(): void {
    this.#open--
  }
}
