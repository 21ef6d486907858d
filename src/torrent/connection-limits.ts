/**
 * How many connections a client may have, over all torrents.
 *
 * Owns two counters. Which torrent gets the next one is up to who asks first; torrents that nobody reads ask for less.
 */

/** Attempts under way at a time: more only makes home routers drop them. */
const MAX_DIALING = 64
/** The share of all connections that torrents nobody wants anything of may take. */
const IDLE_SHARE = 0.5
/** When all connections are taken, a stranger is listened to this often, in ms: somebody useless may make room for it. */
const GREET_WHEN_FULL_MS = 500

export class ConnectionLimits {
  readonly max: number
  #open = 0
  #dialing = 0
  #greetedAt = -Infinity

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

  /** Whether a stranger may say which torrent it comes for: always when there is room, else now and then. `now` in ms. */
  mayGreet(now: number): boolean {
    if (this.mayAccept()) return true
    if (now - this.#greetedAt < GREET_WHEN_FULL_MS) return false
    this.#greetedAt = now
    return true
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
