/**
 * Places that several claimants may want, each claimant with an endless list of choices. PURE.
 *
 * Who holds what depends only on who is there, never on the order in which they came or went: it is what results when
 * all are lined up by rank and each takes its first free choice. Used for names in the root and for inode numbers, both
 * of which must be the same after a restart. A newcomer may therefore move a lower-ranked claimant, and a leaver let one
 * move back; `moved` tells.
 */

/** How claimants choose and rank. */
export interface RankedSlotsOptions<K, T> {
  /** The `attempt`th choice of `claimant`, from 0; must always come to a free one in the end. */
  choice(claimant: T, attempt: number): K
  /** A strict total order: whether `a` goes before `b`. */
  before(a: T, b: T): boolean
  /** `claimant` now holds `slot`. Called while slots are being shuffled: the slot it held before is no longer its own. */
  moved(claimant: T, slot: K): void
  /** No one holds `slot` any more. */
  vacated?(slot: K): void
}

/** See the file's head. Costs O(1) unless choices collide. */
export class RankedSlots<K, T> {
  readonly #holders = new Map<K, T>()
  /** Which of its choices a claimant holds; absent means the first. */
  readonly #attempts = new Map<T, number>()
  readonly #turnedAway = new Map<K, Set<T>>()
  readonly #options: RankedSlotsOptions<K, T>

  constructor(options: RankedSlotsOptions<K, T>) {
    this.#options = options
  }

  get size(): number {
    return this.#holders.size
  }

  get(slot: K): T | undefined {
    return this.#holders.get(slot)
  }

  /** Gives `claimant`, which must not hold a slot yet, the best one its rank allows. */
  claim(claimant: T): void {
    this.#settle(claimant, 0)
  }

  /** Takes away the slot of `claimant`, which must hold one. */
  release(claimant: T): void {
    const attempt = this.#attempts.get(claimant) ?? 0
    this.#forgetTurnedAway(claimant, 0, attempt)
    this.#attempts.delete(claimant)
    this.#vacate(this.#options.choice(claimant, attempt))
  }

  #settle(first: T, from: number): void {
    let claimant = first
    let attempt = from
    for (;;) {
      const slot = this.#options.choice(claimant, attempt)
      const holder = this.#holders.get(slot)
      if (holder === undefined || this.#options.before(claimant, holder)) {
        this.#holders.set(slot, claimant)
        if (attempt > 0) this.#attempts.set(claimant, attempt)
        else this.#attempts.delete(claimant)
        this.#options.moved(claimant, slot)
        if (holder === undefined) return
        const held = this.#attempts.get(holder) ?? 0
        claimant = holder
        attempt = held
      }
      this.#turnAway(slot, claimant)
      attempt++
    }
  }

  #turnAway(slot: K, claimant: T): void {
    const waiting = this.#turnedAway.get(slot)
    if (waiting) waiting.add(claimant)
    else this.#turnedAway.set(slot, new Set([claimant]))
  }

  #forgetTurnedAway(claimant: T, begin: number, end: number): void {
    for (let attempt = begin; attempt < end; attempt++) {
      const slot = this.#options.choice(claimant, attempt)
      const waiting = this.#turnedAway.get(slot)
      if (waiting?.delete(claimant) && waiting.size === 0) this.#turnedAway.delete(slot)
    }
  }

  #vacate(emptied: K): void {
    let slot = emptied
    for (;;) {
      this.#holders.delete(slot)
      let best: T | undefined
      for (const waiting of this.#turnedAway.get(slot) ?? []) {
        if (best === undefined || this.#options.before(waiting, best)) best = waiting
      }
      if (best === undefined) {
        this.#options.vacated?.(slot)
        return
      }
      const held = this.#attempts.get(best) ?? 0
      const left = this.#options.choice(best, held)
      let attempt = 0
      while (this.#options.choice(best, attempt) !== slot) attempt++
      this.#forgetTurnedAway(best, attempt, held)
      // A choice that comes twice in a claimant's list was forgotten too far: what lies before stays known.
      for (let i = 0; i < attempt; i++) this.#turnAway(this.#options.choice(best, i), best)
      this.#holders.set(slot, best)
      if (attempt > 0) this.#attempts.set(best, attempt)
      else this.#attempts.delete(best)
      this.#options.moved(best, slot)
      slot = left
    }
  }
}
