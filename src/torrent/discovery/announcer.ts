/**
 * The announces of one torrent: to which trackers, when, and with which event (BEP 3, 12, 31).
 *
 * Owns the torrent's tiers, its one timer, and the tracker records. Must not talk to trackers itself (the shared
 * {@link TrackerClient} does) nor keep addresses: they go to `onPeers`. Nothing here throws into the owner or leaves a
 * promise rejected; failures are in `status()`.
 *
 * In this folder: the announcer plans with `announce-chain`, `announce-schedule`, `tiers` and `tracker-record`; the client
 * that all torrents share, `tracker-client`, queues in `announce-limiter` and speaks through `http-exchange` and
 * `udp-exchange`, whose bytes are written and read by `http-messages`, `udp-messages` and `compact-addresses`.
 *
 * BEP 12 asks the second tier only after all of the first have failed. Like most clients this one announces to every
 * tier at once, each by BEP 12's rules within: a reader waits, and a first tracker that is dead or knows nobody costs it
 * tens of seconds. `everyTier: false` is the BEP to the letter.
 */
import { randomInt } from 'node:crypto'
import { messageOf, TorrentError } from '../errors.js'
import { silentLogger, type Logger } from '../logger.js'
import type { AnnounceAnswer, AnnounceEvent, AnnounceRequest, TrackerRefusal } from './announce.js'
import type { AnnouncerOptions } from './announcer-options.js'
import { AnnounceChain } from './announce-chain.js'
import type { AnnounceLane } from './announce-limiter.js'
import { defaultSchedule, type AnnounceSchedule } from './announce-schedule.js'
import { withDeadline } from './deadline.js'
import { TierList } from './tiers.js'
import { TrackerClient } from './tracker-client.js'
import { TrackerRecord, type TrackerStatus } from './tracker-record.js'
import { parseTrackerUrl, trackerLabel } from './tracker-url.js'

export type { AnnouncerOptions, AnnounceStats } from './announcer-options.js'
export type { TrackerStatus } from './tracker-record.js'

/** Most trackers of one torrent; the lists in circulation have up to a hundred. */
const MAX_TRACKERS = 100
const NUM_WANT = 100
/** How long `stop()` takes at most, ms. */
const FAREWELL_MS = 1_500
/** setTimeout's limit. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** Announces one torrent from `start()` to `stop()`. */
export class Announcer {
  readonly #o: AnnouncerOptions
  readonly #trackers: TrackerClient
  readonly #schedule: AnnounceSchedule
  readonly #random: () => number
  readonly #logger: Logger
  readonly #tiers: TierList<TrackerRecord>
  /** One for each tier, or one for all. */
  readonly #chains: AnnounceChain[] = []
  readonly #key = randomInt(2 ** 32)
  readonly #lifetime = new AbortController()
  readonly #onAbort = (): void => this.#end()
  #timer: NodeJS.Timeout | undefined
  #started = false
  #stopping: Promise<void> | undefined

  constructor(o: AnnouncerOptions) {
    this.#o = o
    this.#trackers = o.trackers ?? new TrackerClient()
    this.#schedule = { ...defaultSchedule, ...o.schedule }
    this.#random = o.random ?? Math.random
    this.#logger = o.logger ?? silentLogger
    this.#tiers = new TierList(this.#random)
    this.addTrackers(o.tiers)
  }

  /** Begins to announce; once. */
  start(): void {
    if (this.#started || this.#stopping !== undefined) return
    if (this.#o.signal?.aborted) {
      this.#end()
      return
    }
    this.#o.signal?.addEventListener('abort', this.#onAbort)
    this.#started = true
    this.#arm()
  }

  /** The download is complete: says so to the trackers in use, ahead of time, once. */
  completed(): void {
    for (const chain of this.#chains) chain.completed(now())
    this.#arm()
  }

  /** Somebody waits for peers: announces as soon as the trackers allow, ahead of other torrents. */
  requestPeers(): void {
    for (const chain of this.#chains) chain.hurry(now())
    this.#arm()
  }

  /** Adds the trackers not known yet, behind those known. */
  addTrackers(tiers: readonly (readonly string[])[]): void {
    if (this.#stopping !== undefined) return
    for (const urls of tiers) {
      const added = this.#tiers.addTier(this.#recordsOf(urls))
      if (added.length === 0) continue
      const single = this.#o.everyTier === false ? this.#chains[0] : undefined
      if (single !== undefined) single.addTier(added, now())
      else this.#chains.push(new AnnounceChain(added, this.#schedule, now()))
    }
    this.#arm()
  }

  /** How each tracker does, in order. */
  status(): TrackerStatus[] {
    const live = this.#started && this.#stopping === undefined
    return this.#tiers.tiers.flatMap((tier, index) => {
      const chain = this.#chains[this.#o.everyTier === false ? 0 : index]
      return tier.map(tracker => {
        const due = live && chain?.current === tracker && Number.isFinite(chain.dueAt)
        return tracker.status(index, due ? Math.round(chain.dueAt) : undefined)
      })
    })
  }

  /** Says `stopped` to the trackers that know us, and ends; at most 1.5 s. Never rejects; the same promise each time. */
  stop(): Promise<void> {
    this.#stopping ??= this.#sayFarewell()
    return this.#stopping
  }

  #recordsOf(urls: readonly string[]): TrackerRecord[] {
    const records: TrackerRecord[] = []
    for (const text of urls) {
      const url = parseTrackerUrl(text)
      if (url === undefined) {
        this.#logger.debug({ url: text.slice(0, 200) }, 'not the URL of a tracker')
      } else if (!this.#tiers.has(url.href) && this.#tiers.size + records.length < MAX_TRACKERS) {
        records.push(new TrackerRecord(url.href))
      }
    }
    return records
  }

  /** Sets the timer to the chain that is due first. */
  #arm(): void {
    clearTimeout(this.#timer)
    if (!this.#started || this.#stopping !== undefined) return
    let next = Infinity
    for (const chain of this.#chains) next = Math.min(next, chain.dueAt)
    if (next === Infinity) return
    // Rounded up: a timer that fires before its time would only set another.
    const delay = Math.min(Math.max(Math.ceil(next - now()), 0), LONGEST_TIMER_MS)
    this.#timer = setTimeout(() => this.#tick(), delay)
    // An announce in half an hour is no reason to keep the process.
    this.#timer.unref()
  }

  #tick(): void {
    const time = now()
    for (const chain of this.#chains) if (chain.dueAt <= time) void this.#pass(chain)
    this.#arm()
  }

  /** Tries a chain's trackers in order until one answers, and decides when to do so again. Never rejects. */
  async #pass(chain: AnnounceChain): Promise<void> {
    const { trackers, lane } = chain.begin(now())
    let answered: TrackerRecord | undefined
    for (const tracker of trackers) {
      if (await this.#announce(tracker, tracker.event, lane)) answered = tracker
      if (this.#stopping !== undefined) return
      if (answered !== undefined) break
    }
    if (answered?.answer === undefined) {
      chain.failed(now(), this.#random())
    } else {
      this.#tiers.promote(answered)
      chain.answered(answered, answered.answer, now())
    }
    this.#arm()
  }

  /** One announce to one tracker, with all it leads to. Never rejects. */
  async #announce(
    tracker: TrackerRecord,
    event: AnnounceEvent | undefined,
    lane: AnnounceLane,
  ): Promise<boolean> {
    const url = new URL(tracker.url)
    tracker.phase = 'queued'
    try {
      const { signal } = this.#lifetime
      const onSent = (): void => void (tracker.phase = 'sent')
      const outcome = await this.#trackers.announce(url, this.#requestTo(tracker, event), {
        signal,
        lane,
        onSent,
      })
      if (this.#stopping !== undefined) return false
      if (outcome.kind === 'answer') this.#take(tracker, url, event, outcome)
      else this.#refused(tracker, url, outcome)
      this.#tell(tracker, event)
      return outcome.kind === 'answer'
    } catch (error) {
      if (this.#stopping !== undefined) return false
      tracker.failed(messageOf(error))
      this.#tell(tracker, event)
      this.#logger.debug({ tracker: trackerLabel(url), error: messageOf(error) }, 'announce failed')
      return false
    } finally {
      tracker.phase = 'idle'
    }
  }

  #take(tracker: TrackerRecord, url: URL, event: AnnounceEvent | undefined, answer: AnnounceAnswer): void {
    tracker.answered(event, answer, now())
    const { warning, externalIp } = answer
    if (warning !== undefined) this.#warn(tracker, url, warning)
    if (externalIp !== undefined) this.#call(() => this.#o.onExternalIp?.(externalIp, tracker.url))
    if (answer.addresses.length > 0) this.#call(() => this.#o.onPeers(answer.addresses, tracker.url))
  }

  #refused(tracker: TrackerRecord, url: URL, { reason, retryAfter }: TrackerRefusal): void {
    tracker.failed(reason, retryAfter === undefined ? undefined : now() + retryAfter)
    this.#warn(tracker, url, reason)
  }

  #tell({ url, error, answer, addresses = 0 }: TrackerRecord, event: AnnounceEvent | undefined): void {
    const said = error === undefined ? answer : undefined
    const announced = {
      url,
      event,
      addresses: said === undefined ? 0 : addresses,
      seeders: said?.seeders,
      leechers: said?.leechers,
      error,
    }
    this.#call(() => this.#o.onAnnounced?.(announced))
  }

  #warn(tracker: TrackerRecord, url: URL, text: string): void {
    if (!tracker.isNews(text)) return
    const warning = new TorrentError('ERR_TORRENTFS_TRACKER', `${trackerLabel(url)} says: ${text}`)
    this.#call(() => this.#o.onWarning?.(warning, tracker.url))
  }

  /** The owner's mistakes are told to the log: thrown here they would count as the tracker's. */
  #call(callback: () => void): void {
    try {
      callback()
    } catch (error) {
      this.#logger.error({ error: messageOf(error) }, 'an announcer callback threw')
    }
  }

  #requestTo(tracker: TrackerRecord, event: AnnounceEvent | undefined): AnnounceRequest {
    const { uploaded, downloaded, left, paused } = this.#o.stats()
    const said = event ?? (paused === true ? 'paused' : undefined)
    return {
      infohash: this.#o.infohash,
      peerId: this.#o.peerId,
      port: this.#o.port(),
      uploaded: count(uploaded),
      downloaded: count(downloaded),
      left: left === undefined ? undefined : count(left),
      numWant: event === 'stopped' ? 0 : (this.#o.numWant?.() ?? NUM_WANT),
      key: this.#key,
      ...(said === undefined ? {} : { event: said }),
      ...(tracker.trackerId === undefined ? {} : { trackerId: tracker.trackerId }),
    }
  }

  async #sayFarewell(): Promise<void> {
    clearTimeout(this.#timer)
    // Also those whose `started` is on its way; not those that fail, for the wait would be in vain.
    const known = this.#tiers.tiers.flat().filter(({ introduced, phase, failures }) => {
      return failures === 0 && (introduced || phase === 'sent')
    })
    this.#lifetime.abort('stopped')
    const options = { timeoutMs: FAREWELL_MS, signal: this.#o.signal, what: 'stopped announces' }
    const farewells = withDeadline(options, signal =>
      Promise.all(
        known.map(async tracker => {
          const request = this.#requestTo(tracker, 'stopped')
          await this.#trackers
            .announce(new URL(tracker.url), request, { signal, lane: 'farewell' })
            .catch((error: unknown) => {
              this.#logger.debug({ error: messageOf(error) }, 'stopped announce failed')
            })
        }),
      ),
    )
    await farewells.catch(() => undefined)
    this.#end()
  }

  #end(): void {
    clearTimeout(this.#timer)
    this.#stopping ??= Promise.resolve()
    this.#o.signal?.removeEventListener('abort', this.#onAbort)
    this.#lifetime.abort('stopped')
    for (const tracker of this.#tiers.tiers.flat()) tracker.stopped = true
    if (this.#o.trackers === undefined) this.#trackers.close()
  }
}

/** ms since 1970 by a clock that nobody sets: announces must not stop for a day because it was moved back. */
function now(): number {
  return performance.timeOrigin + performance.now()
}

function count(value: number): number {
  return Number.isFinite(value) ? Math.min(Math.max(Math.trunc(value), 0), Number.MAX_SAFE_INTEGER) : 0
}
