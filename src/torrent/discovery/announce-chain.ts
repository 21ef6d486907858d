/**
 * Trackers that stand in for each other: tried in order until one answers, and when to do so again (BEP 12, 31).
 *
 * Owns when the next pass over them is due and how early it may be. Must not announce or read a clock: times are given,
 * ms of the announcer's clock. Pure.
 */
import type { AnnounceAnswer } from './announce.js'
import type { AnnounceLane } from './announce-limiter.js'
import { intervalsOf, retryDelay, type AnnounceSchedule } from './announce-schedule.js'
import type { TrackerRecord } from './tracker-record.js'

/** The trackers of one tier, or of all tiers one after the other. */
export class AnnounceChain {
  readonly #tiers: (readonly TrackerRecord[])[]
  readonly #schedule: AnnounceSchedule
  #busy = false
  #failures = 0
  #current: TrackerRecord | undefined
  #nextAt: number
  /** No pass before this, whoever waits: what the tracker asks for, or the backoff's first step. */
  #earliestAt = -Infinity
  #lane: AnnounceLane = 'usual'

  /** @param tier live: its order may change between passes */
  constructor(tier: readonly TrackerRecord[], schedule: AnnounceSchedule, now: number) {
    this.#tiers = [tier]
    this.#schedule = schedule
    this.#nextAt = now
  }

  /** When the next pass is due; `Infinity` while one is under way, or when there is to be none. */
  get dueAt(): number {
    return this.#busy ? Infinity : this.#nextAt
  }

  /** The tracker that answered last. */
  get current(): TrackerRecord | undefined {
    return this.#current
  }

  /** Adds a tier to be tried after the others. */
  addTier(tier: readonly TrackerRecord[], now: number): void {
    this.#tiers.push(tier)
    if (this.#failures > 0) this.#nextAt = Math.min(this.#nextAt, now)
  }

  /** Somebody waits for peers: the next pass is due as soon as the trackers allow, in the urgent lane. */
  hurry(now: number): void {
    this.#lane = 'urgent'
    this.#nextAt = Math.min(this.#nextAt, Math.max(this.#earliestAt, now))
  }

  /** The download is complete: the trackers that know us are owed that, the one in use at once. */
  completed(now: number): void {
    for (const tier of this.#tiers) {
      // Who never heard of us will hear of a seeder.
      for (const tracker of tier) tracker.owesCompleted = tracker.introduced
    }
    if (this.#current?.owesCompleted === true) this.#nextAt = Math.min(this.#nextAt, now)
  }

  /** Begins a pass: the trackers in the order to try them, and the lane to do it in. Ends with one of the next two. */
  begin(now: number): { readonly trackers: readonly TrackerRecord[]; readonly lane: AnnounceLane } {
    const lane = this.#lane
    this.#busy = true
    // What is asked for during the pass counts for the next one.
    this.#lane = 'usual'
    this.#nextAt = Infinity
    return { trackers: this.#tiers.flat().filter(tracker => tracker.notBefore <= now), lane }
  }

  /** Ends a pass: a tracker answered. */
  answered(
    tracker: TrackerRecord,
    answer: Pick<AnnounceAnswer, 'interval' | 'minInterval'>,
    now: number,
  ): void {
    const { regular, earliest } = intervalsOf(answer, this.#schedule)
    this.#busy = false
    this.#failures = 0
    this.#current = tracker
    this.#earliestAt = now + earliest
    // An interval is until the next announce, but `completed` is one more.
    if (tracker.owesCompleted) this.#nextAt = now
    else this.#nextAt = Math.min(Math.max(this.#nextAt, this.#earliestAt), now + regular)
  }

  /** Ends a pass: no tracker answered. */
  failed(now: number, random: number): void {
    const open = Math.min(...this.#tiers.flat().map(({ notBefore }) => notBefore))
    this.#busy = false
    this.#failures++
    this.#earliestAt = Math.max(now + this.#schedule.firstRetryMs, open)
    const retryAt = Math.max(now + retryDelay(this.#failures, random, this.#schedule), open)
    this.#nextAt = Math.min(Math.max(this.#nextAt, this.#earliestAt), retryAt)
  }
}
