/**
 * How many requests to trackers are under way at once, for all torrents of a client.
 *
 * Owns the queues: ten thousand torrents that start together must flood neither this machine nor one tracker, and a
 * tracker that is dead must not hold the places that others could use. Must not know what a request says.
 */
import { messageOf, TorrentError } from '../errors.js'
import { aborted } from './deadline.js'

/** Limits of an {@link AnnounceLimiter}. */
export interface AnnounceLimiterOptions {
  /** Requests under way in all. */
  readonly concurrent?: number
  /** Requests under way to one tracker. */
  readonly concurrentPerTracker?: number
  /** Failures in a row after which a tracker is left alone for a while. */
  readonly failuresBeforeHold?: number
  /** How long for, ms; doubled each time the next attempt fails too. */
  readonly firstHoldMs?: number
  readonly longestHoldMs?: number
  /** A clock in ms. */
  readonly now?: () => number
}

/**
 * `urgent`: somebody waits for peers; goes before what is `usual`. `farewell`: a `stopped` announce, which has little
 * time: it has as many places again as the others.
 */
export type AnnounceLane = 'urgent' | 'usual' | 'farewell'

interface Waiting {
  readonly lane: AnnounceLane
  start(): void
  refuse(error: TorrentError): void
}

interface Tracker {
  active: number
  readonly waiting: Readonly<Record<AnnounceLane, Set<Waiting>>>
  failures: number
  holds: number
  heldUntil: number
  lastError: unknown
}

const LANES: readonly AnnounceLane[] = ['farewell', 'urgent', 'usual']

/** Shared by the announcers of a client. */
export class AnnounceLimiter {
  readonly #concurrent: number
  readonly #perTracker: number
  readonly #failuresBeforeHold: number
  readonly #firstHoldMs: number
  readonly #longestHoldMs: number
  readonly #now: () => number
  readonly #trackers = new Map<string, Tracker>()
  /** Labels of trackers with requests waiting, the one served longest ago first. */
  readonly #turns = new Set<string>()
  #active = 0

  constructor(o: AnnounceLimiterOptions = {}) {
    this.#concurrent = o.concurrent ?? 100
    this.#perTracker = o.concurrentPerTracker ?? 10
    this.#failuresBeforeHold = o.failuresBeforeHold ?? 3
    this.#firstHoldMs = o.firstHoldMs ?? 15_000
    this.#longestHoldMs = o.longestHoldMs ?? 120_000
    this.#now = o.now ?? (() => performance.now())
  }

  /** Requests under way and waiting. */
  get load(): { active: number; waiting: number } {
    let waiting = 0
    for (const label of this.#turns) waiting += countOf(this.#trackers.get(label)!)
    return { active: this.#active, waiting }
  }

  /**
   * Runs a request when there is room for it.
   *
   * @param label names the tracker
   * @param request its rejection means the tracker cannot be reached, but for ERR_TORRENTFS_ABORTED and _CLOSED
   * @throws what `request` throws; ERR_TORRENTFS_TRACKER at once while the tracker is left alone after failures;
   * ERR_TORRENTFS_ABORTED while waiting
   */
  async run<T>(
    label: string,
    o: { readonly lane?: AnnounceLane; readonly signal?: AbortSignal | undefined },
    request: () => Promise<T>,
  ): Promise<T> {
    const tracker = this.#trackerOf(label)
    if (this.#isHeld(tracker)) throw heldError(label, tracker)
    await this.#admitted(label, tracker, o.lane ?? 'usual', o.signal)
    try {
      const result = await request()
      tracker.failures = 0
      tracker.holds = 0
      return result
    } catch (error) {
      this.#countFailure(label, tracker, error)
      throw error
    } finally {
      tracker.active--
      this.#active--
      this.#dispatch()
      this.#forget(label, tracker)
    }
  }

  #trackerOf(label: string): Tracker {
    let tracker = this.#trackers.get(label)
    if (tracker === undefined) {
      const waiting = { farewell: new Set<Waiting>(), urgent: new Set<Waiting>(), usual: new Set<Waiting>() }
      tracker = { active: 0, waiting, failures: 0, holds: 0, heldUntil: -Infinity, lastError: undefined }
      this.#trackers.set(label, tracker)
    }
    return tracker
  }

  /** Resolves with the request's place already counted. */
  #admitted(
    label: string,
    tracker: Tracker,
    lane: AnnounceLane,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(aborted(label))
        return
      }
      const leave = (): void => {
        signal?.removeEventListener('abort', onAbort)
        tracker.waiting[lane].delete(waiting)
        if (countOf(tracker) === 0) this.#turns.delete(label)
      }
      const waiting: Waiting = {
        lane,
        start: () => {
          leave()
          tracker.active++
          this.#active++
          resolve()
        },
        refuse: error => {
          leave()
          reject(error)
        },
      }
      const onAbort = (): void => {
        waiting.refuse(aborted(label))
        this.#forget(label, tracker)
      }
      signal?.addEventListener('abort', onAbort)
      tracker.waiting[lane].add(waiting)
      this.#turns.add(label)
      this.#dispatch()
    })
  }

  #dispatch(): void {
    for (;;) {
      const next = this.#next()
      if (next === undefined) return
      // To the end, if it has more waiting: trackers take turns.
      this.#turns.delete(next.label)
      this.#turns.add(next.label)
      next.waiting.start()
    }
  }

  #next(): { label: string; waiting: Waiting } | undefined {
    for (const label of this.#turns) {
      const tracker = this.#trackers.get(label)!
      for (const lane of LANES) {
        const factor = lane === 'farewell' ? 2 : 1
        // After a hold one request finds out whether the tracker is back.
        const room = tracker.holds > 0 ? 1 : this.#perTracker * factor
        if (tracker.active >= room || this.#active >= this.#concurrent * factor) continue
        for (const waiting of tracker.waiting[lane]) return { label, waiting }
      }
    }
    return undefined
  }

  #isHeld(tracker: Tracker): boolean {
    return this.#now() < tracker.heldUntil
  }

  #countFailure(label: string, tracker: Tracker, error: unknown): void {
    const code = error instanceof TorrentError ? error.code : undefined
    if (code === 'ERR_TORRENTFS_ABORTED' || code === 'ERR_TORRENTFS_CLOSED' || this.#isHeld(tracker)) return
    tracker.failures++
    tracker.lastError = error
    if (tracker.failures < this.#failuresBeforeHold) return
    tracker.heldUntil = this.#now() + Math.min(this.#firstHoldMs * 2 ** tracker.holds, this.#longestHoldMs)
    tracker.holds = Math.min(tracker.holds + 1, 30)
    for (const lane of LANES) {
      for (const waiting of [...tracker.waiting[lane]]) waiting.refuse(heldError(label, tracker))
    }
  }

  /** Labels come from torrents: only those in use, or with a failure to remember, are kept. */
  #forget(label: string, tracker: Tracker): void {
    if (tracker.active > 0 || countOf(tracker) > 0) return
    if (tracker.failures === 0) this.#trackers.delete(label)
  }
}

function countOf(tracker: Tracker): number {
  return tracker.waiting.farewell.size + tracker.waiting.urgent.size + tracker.waiting.usual.size
}

function heldError(label: string, tracker: Tracker): TorrentError {
  return new TorrentError(
    'ERR_TORRENTFS_TRACKER',
    `${label}: left alone for a while after ${messageOf(tracker.lastError)}`,
    { cause: tracker.lastError },
  )
}
