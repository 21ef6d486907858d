/**
 * What is known of one tracker of one torrent: what it was told, what it said, how it does.
 *
 * Owns which event the tracker is owed next, since each tracker must hear `started` before anything else from us, and
 * the status shown to users. Must not announce or read a clock. Pure.
 */
import type { AnnounceAnswer, AnnounceEvent } from './announce.js'

/** One tracker of a torrent, as shown to users; plain data. */
export interface TrackerStatus {
  readonly url: string
  /** Index of its tier. */
  readonly tier: number
  /** `unused`: not needed so far; `queued`: other torrents announce first; `working`: the last announce was answered. */
  readonly state: 'unused' | 'queued' | 'announcing' | 'working' | 'failed' | 'stopped'
  /** When it last answered, ms since 1970. */
  readonly answeredAt: number | undefined
  /** When it is announced to next, ms since 1970; undefined when another of its tier is used, or never. */
  readonly nextAnnounceAt: number | undefined
  readonly seeders: number | undefined
  readonly leechers: number | undefined
  readonly downloads: number | undefined
  /** Addresses in its last answer. */
  readonly addresses: number | undefined
  /** Failures in a row. */
  readonly failures: number
  /** What went wrong last, while it fails. */
  readonly error: string | undefined
  /** What it last warned of. */
  readonly warning: string | undefined
}

/** Texts of one tracker that the owner is told of. */
const MAX_TOLD = 10

/** A tracker of a torrent. Times are ms of the announcer's clock. */
export class TrackerRecord {
  readonly url: string
  readonly #told = new Set<string>()
  /** Of its announce: none, waiting for its turn among those of all torrents, or sent and not answered. */
  phase: 'idle' | 'queued' | 'sent' = 'idle'
  stopped = false
  /** `started` was answered. */
  introduced = false
  /** `completed` is to be sent. */
  owesCompleted = false
  failures = 0
  error: string | undefined
  answer: Omit<AnnounceAnswer, 'addresses'> | undefined
  addresses: number | undefined
  trackerId: Uint8Array | undefined
  answeredAt: number | undefined
  /** Not before this (BEP 31). */
  notBefore = -Infinity

  constructor(url: string) {
    this.url = url
  }

  /** The event of the next announce. */
  get event(): AnnounceEvent | undefined {
    if (!this.introduced) return 'started'
    return this.owesCompleted ? 'completed' : undefined
  }

  /** Notes an answer to an announce with the given event. */
  answered(event: AnnounceEvent | undefined, answer: AnnounceAnswer, now: number): void {
    if (event === 'started') this.introduced = true
    if (event === 'completed') this.owesCompleted = false
    const { addresses, ...rest } = answer
    this.answer = rest
    this.addresses = addresses.length
    // A later answer without an id does not take it back (BEP 3 as everybody reads it).
    this.trackerId = answer.trackerId ?? this.trackerId
    this.answeredAt = now
    this.failures = 0
    this.error = undefined
    this.notBefore = -Infinity
  }

  /** Notes a refusal or that it could not be reached. */
  failed(error: string, notBefore = -Infinity): void {
    this.failures++
    this.error = error
    this.notBefore = notBefore
  }

  /** Whether the owner is to hear this text: each once, and no more than some, for a tracker may vary them for ever. */
  isNews(text: string): boolean {
    if (this.#told.has(text) || this.#told.size === MAX_TOLD) return false
    this.#told.add(text)
    return true
  }

  /** As shown to users, `nextAnnounceAt` by the announcer's plan. */
  status(tier: number, nextAnnounceAt: number | undefined): TrackerStatus {
    return {
      url: this.url,
      tier,
      state: this.#state(),
      answeredAt: this.answeredAt === undefined ? undefined : Math.round(this.answeredAt),
      nextAnnounceAt,
      seeders: this.answer?.seeders,
      leechers: this.answer?.leechers,
      downloads: this.answer?.downloads,
      addresses: this.addresses,
      failures: this.failures,
      error: this.error,
      warning: this.answer?.warning,
    }
  }

  #state(): TrackerStatus['state'] {
    if (this.stopped) return 'stopped'
    if (this.phase !== 'idle') return this.phase === 'sent' ? 'announcing' : 'queued'
    if (this.failures > 0) return 'failed'
    return this.answeredAt === undefined ? 'unused' : 'working'
  }
}
