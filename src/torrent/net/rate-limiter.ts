/**
 * How many bytes a second may go one way, over all torrents of a client: a bucket that fills at the rate.
 *
 * Owns the bucket and the turns of those who found it empty. Must not know what the bytes are. Reads that wait go before
 * everything else; otherwise all get as much. Without a rate, `take` says yes and nothing else happens.
 */

/** The bucket holds this much of the rate, in s: no burst is larger, and a process that was busy this long loses nothing. */
const CAPACITY_SECONDS = 0.2
/** How often those who wait have their turns, at most, in ms. */
const TURN_MS = 25
/** Bytes that came unasked count for no more than this much of the rate, in s: nobody can stop us by sending. */
const MOST_DEBT_SECONDS = 1
/** The least that one turn grants, in bytes: a block. */
const LEAST_GRANT = 16384

export interface RateLimiterOptions {
  /** Bytes/s; 0 or undefined: no limit. */
  readonly rate?: number | undefined
  /** A clock in ms. */
  readonly now?: () => number
}

/** One who takes from a {@link RateLimiter}: a torrent, a connection, a web seed. */
export interface RateShare {
  /**
   * Takes `bytes` if there is something to be had. When not, takes nothing, returns false, and the share's `resume` is
   * called when its turn has come.
   *
   * @param urgent - A read waits for these bytes: they go before all that is not urgent.
   */
  take(bytes: number, urgent?: boolean): boolean
  /** Bytes that were taken and will not be used. */
  giveBack(bytes: number): void
  /** Bytes that came without having been taken: others wait for them. */
  spend(bytes: number): void
  /** Waits for nothing any more. */
  end(): void
}

/** How a limit does, for whoever wonders why something is slow. */
export interface RateStatus {
  /** Bytes/s; 0: no limit. */
  readonly limit: number
  /** Shares that wait for their turn, those with reads that wait among them. */
  readonly waiting: number
  readonly urgent: number
}

class Share implements RateShare {
  readonly resume: () => void
  readonly #limiter: RateLimiter

  constructor(limiter: RateLimiter, resume: () => void) {
    this.#limiter = limiter
    this.resume = resume
  }

  take(bytes: number, urgent = false): boolean {
    return this.#limiter.limited ? this.#limiter.take(this, bytes, urgent) : true
  }

  giveBack(bytes: number): void {
    if (this.#limiter.limited) this.#limiter.giveBack(bytes)
  }

  spend(bytes: number): void {
    if (this.#limiter.limited) this.#limiter.spend(bytes)
  }

  end(): void {
    this.#limiter.leave(this)
  }
}

export class RateLimiter {
  readonly #now: () => number
  readonly #urgent = new Set<Share>()
  readonly #usual = new Set<Share>()
  #rate: number
  /** Bytes that may be taken; below 0 after the last one took more than there was. */
  #bytes = 0
  #filledAt: number
  #timer: NodeJS.Timeout | undefined
  /** Whose turn it is, what it may still take in it, and whether for reads that wait alone. */
  #granted: Share | undefined
  #grant = 0
  #grantUrgent = false

  constructor(options: RateLimiterOptions = {}) {
    this.#now = options.now ?? (() => performance.now())
    this.#rate = options.rate ?? 0
    this.#filledAt = this.#now()
  }

  /** Bytes/s; 0: no limit. */
  get rate(): number {
    return this.#rate
  }

  get limited(): boolean {
    return this.#rate > 0
  }

  /** Sets the limit in bytes/s; 0 takes it away. Whoever waits goes on by the new one. */
  setRate(rate: number): void {
    this.#fill()
    this.#rate = rate
    this.#bytes = Math.min(this.#bytes, this.#capacity)
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (rate > 0) return this.#arm()
    this.#bytes = 0
    const waiting = new Set([...this.#urgent, ...this.#usual])
    this.#urgent.clear()
    this.#usual.clear()
    for (const share of waiting) share.resume()
  }

  /**
   * Enters somebody who will take.
   *
   * @param resume - Called, from a timer, when something can be had that was refused.
   */
  share(resume: () => void): RateShare {
    return new Share(this, resume)
  }

  status(): RateStatus {
    const waiting = new Set([...this.#urgent, ...this.#usual]).size
    return { limit: this.#rate, waiting, urgent: this.#urgent.size }
  }

  /** Ends every wait without a turn. */
  close(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#urgent.clear()
    this.#usual.clear()
  }

  /** See {@link RateShare}. */
  take(share: Share, bytes: number, urgent: boolean): boolean {
    this.#fill()
    if (this.#bytes > 0 && this.#mayTake(share, urgent)) {
      this.#bytes -= bytes
      if (share === this.#granted) this.#grant -= bytes
      return true
    }
    if (urgent) this.#urgent.add(share)
    else this.#usual.add(share)
    this.#arm()
    return false
  }

  /** See {@link RateShare}. */
  giveBack(bytes: number): void {
    this.#bytes = Math.min(this.#capacity, this.#bytes + bytes)
  }

  /** See {@link RateShare}. */
  spend(bytes: number): void {
    this.#fill()
    const most = Math.min(this.#bytes, -MOST_DEBT_SECONDS * this.#rate)
    this.#bytes = Math.max(most, this.#bytes - bytes)
  }

  /** See {@link RateShare}. */
  leave(share: Share): void {
    this.#urgent.delete(share)
    this.#usual.delete(share)
  }

  get #capacity(): number {
    return this.#rate * CAPACITY_SECONDS
  }

  #fill(): void {
    const now = this.#now()
    this.#bytes = Math.min(this.#capacity, this.#bytes + ((now - this.#filledAt) * this.#rate) / 1000)
    this.#filledAt = now
  }

  #mayTake(share: Share, urgent: boolean): boolean {
    if (share === this.#granted) return this.#grant > 0 && (urgent || !this.#grantUrgent)
    return this.#urgent.size === 0 && (urgent || this.#usual.size === 0)
  }

  #arm(): void {
    if (this.#timer !== undefined || this.#urgent.size + this.#usual.size === 0) return
    // With a debt there is nothing to be had before it is paid.
    const paid = this.#bytes < 0 ? Math.ceil((-this.#bytes * 1000) / this.#rate) + 1 : 0
    this.#timer = setTimeout(() => this.#turns(), Math.max(TURN_MS, paid))
    this.#timer.unref()
  }

  #turns(): void {
    this.#timer = undefined
    this.#fill()
    this.#serve(this.#urgent, true)
    this.#serve(this.#usual, false)
    this.#arm()
  }

  /** Gives turns, each as much as the others, until nobody waits or nothing is left. */
  #serve(waiting: Set<Share>, urgent: boolean): void {
    while (waiting.size > 0 && this.#bytes > 0) {
      const grant = Math.max(LEAST_GRANT, this.#bytes / waiting.size)
      for (const share of [...waiting]) {
        // Who is not served now is the first next time.
        if (this.#bytes <= 0) return
        if (!waiting.delete(share)) continue
        this.#granted = share
        this.#grant = grant
        this.#grantUrgent = urgent
        share.resume()
        this.#granted = undefined
      }
    }
  }
}
