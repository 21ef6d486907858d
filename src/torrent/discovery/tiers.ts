/**
 * The tiers of a torrent's trackers and their order (BEP 12).
 *
 * Owns shuffling, promotion, and that no tracker is in twice. Must not announce. Pure: randomness is given.
 */

/** Trackers in tiers; a tracker is found by its `url`. */
export class TierList<T extends { readonly url: string }> {
  readonly #tiers: T[][] = []
  readonly #urls = new Set<string>()
  readonly #random: () => number

  /** @param random gives numbers in [0, 1) */
  constructor(random: () => number) {
    this.#random = random
  }

  /** The tiers in order, each in the order its trackers are to be tried. Live, for reading. */
  get tiers(): readonly (readonly T[])[] {
    return this.#tiers
  }

  /** Number of trackers in all tiers. */
  get size(): number {
    return this.#urls.size
  }

  has(url: string): boolean {
    return this.#urls.has(url)
  }

  /** Appends a tier of the trackers not yet in any, shuffled; none is made of nothing. Says what was added. */
  addTier(trackers: readonly T[]): readonly T[] {
    const tier: T[] = []
    for (const tracker of trackers) {
      if (this.#urls.has(tracker.url)) continue
      this.#urls.add(tracker.url)
      tier.push(tracker)
    }
    for (let last = tier.length - 1; last > 0; last--) {
      const other = Math.floor(this.#random() * (last + 1))
      ;[tier[last], tier[other]] = [tier[other]!, tier[last]!]
    }
    if (tier.length > 0) this.#tiers.push(tier)
    return tier
  }

  /** Moves a tracker that answered to the front of its tier. */
  promote(tracker: T): void {
    const tier = this.#tiers.find(candidates => candidates.includes(tracker))
    if (tier === undefined) return
    tier.splice(tier.indexOf(tracker), 1)
    tier.unshift(tracker)
  }
}
