/**
 * Announces and scrapes of one client, over whatever its trackers speak.
 *
 * Owns the transports and their limits, shared by every torrent, and asks a tracker that has IPv4 and IPv6 addresses
 * over both, since each knows the peers of its own family (BEP 7). Must not decide when to announce.
 */
import { messageOf, TorrentError } from '../errors.js'
import { Outlet } from '../net/outlet.js'
import type {
  AnnounceAnswer,
  AnnounceRequest,
  ScrapeAnswer,
  ScrapeEntry,
  TrackerRefusal,
} from './announce.js'
import { AnnounceLimiter, type AnnounceLane } from './announce-limiter.js'
import { withDeadline } from './deadline.js'
import { HostResolver, type LookupHost } from '../net/host-resolver.js'
import { HttpExchange } from './http-exchange.js'
import { announceUrl, parseAnnounceAnswer, parseScrapeAnswer, scrapeRequestUrl } from './http-messages.js'
import { hostOf, scrapeUrlOf, trackerLabel } from './tracker-url.js'
import { UdpExchange, type UdpRequest } from './udp-exchange.js'
import {
  encodeAnnounce,
  encodeScrape,
  MAX_UDP_SCRAPE,
  parseUdpAnnounce,
  parseUdpError,
  parseUdpScrape,
  type UdpAnswer,
} from './udp-messages.js'

/** How a {@link TrackerClient} behaves. */
export interface TrackerClientOptions {
  /** By whose rules; by none unless given. @internal */
  readonly outlet?: Outlet
  /** `User-Agent` of HTTP requests; empty for none. */
  readonly userAgent?: string
  /** Certificates to trust for https instead of the system's, PEM. */
  readonly ca?: string
  /** Resolves host names; the system's resolver by default. */
  readonly lookup?: LookupHost
  readonly limiter?: AnnounceLimiter
  /** For one GET with its redirects, ms; 30 s by default. */
  readonly httpTimeoutMs?: number
  /** Cap of an HTTP answer, bytes; 1 MiB by default. */
  readonly maxBodyBytes?: number
  /** Wait for the first UDP datagram's answer, ms, doubled for each further one; 5 s by default. */
  readonly udpFirstTimeoutMs?: number
  /** UDP datagrams sent before a tracker is given up; 4 by default. */
  readonly udpAttempts?: number
}

/** Options of one request. */
export interface TrackerRequestOptions {
  readonly signal?: AbortSignal | undefined
  /** Its place in the limiter's queue; `usual` by default. */
  readonly lane?: AnnounceLane
  /** Called when its turn has come. */
  readonly onSent?: () => void
}

type Family = 4 | 6

/** Infohashes of one HTTP scrape; more would make a URL that servers refuse. */
const MAX_HTTP_SCRAPE = 50
/** Once one family has answered the other gets this long, ms: broken IPv6 is common and must not delay peers. */
const OTHER_FAMILY_GRACE_MS = 1_000
/** More than any transport's own limit: only to give the families a common signal. */
const LONGEST_REQUEST_MS = 90_000

/** Talks to trackers. Close it when no request is under way or wanted any more. */
export class TrackerClient {
  /** Decides when a request goes out. */
  readonly limiter: AnnounceLimiter
  readonly #outlet: Outlet
  readonly #resolver: HostResolver
  readonly #http: HttpExchange
  readonly #udp: UdpExchange
  #closed = false

  constructor(o: TrackerClientOptions = {}) {
    this.limiter = o.limiter ?? new AnnounceLimiter()
    const outlet = o.outlet ?? new Outlet()
    this.#outlet = outlet
    this.#resolver = new HostResolver(o.lookup ?? (host => outlet.lookup(host)))
    this.#http = new HttpExchange({
      resolver: this.#resolver,
      outlet,
      userAgent: o.userAgent ?? 'torrentfs/0.1',
      ...(o.ca === undefined ? {} : { ca: o.ca }),
      ...(o.httpTimeoutMs === undefined ? {} : { timeoutMs: o.httpTimeoutMs }),
      ...(o.maxBodyBytes === undefined ? {} : { maxBodyBytes: o.maxBodyBytes }),
    })
    this.#udp = new UdpExchange({
      resolver: this.#resolver,
      outlet,
      ...(o.udpFirstTimeoutMs === undefined ? {} : { firstTimeoutMs: o.udpFirstTimeoutMs }),
      ...(o.udpAttempts === undefined ? {} : { attempts: o.udpAttempts }),
    })
  }

  /**
   * Announces to one tracker (a URL that `parseTrackerUrl` gave).
   *
   * @returns its answer or its refusal; an answer that makes no sense is a refusal by a tracker that was reached
   * @throws ERR_TORRENTFS_TRACKER or ERR_TORRENTFS_TIMEOUT when it cannot be reached; ERR_TORRENTFS_ABORTED;
   * ERR_TORRENTFS_CLOSED
   */
  async announce(
    tracker: URL,
    request: AnnounceRequest,
    o: TrackerRequestOptions = {},
  ): Promise<AnnounceAnswer | TrackerRefusal> {
    this.#checkUdp(tracker)
    return await this.#limited(tracker, o, async () => {
      const outcomes = await this.#overFamilies(tracker, o.signal, (family, signal) =>
        tracker.protocol === 'udp:'
          ? this.#announceByUdp(tracker, family, request, signal)
          : this.#fetch(announceUrl(tracker, request), family, signal, parseAnnounceAnswer),
      )
      return merge(outcomes)
    })
  }

  /**
   * Asks one tracker for the numbers of torrents (infohashes of 20 bytes), as many requests as that takes.
   *
   * @returns what it knows, or the first refusal; a refusal also when its URL has no scrape
   * @throws as {@link TrackerClient.announce}
   */
  async scrape(
    tracker: URL,
    infohashes: readonly Uint8Array[],
    o: TrackerRequestOptions = {},
  ): Promise<ScrapeAnswer | TrackerRefusal> {
    this.#checkUdp(tracker)
    const udp = tracker.protocol === 'udp:'
    const url = udp ? tracker : scrapeUrlOf(tracker)
    if (url === undefined) return { kind: 'refusal', reason: 'a tracker without scrape' }
    const step = udp ? MAX_UDP_SCRAPE : MAX_HTTP_SCRAPE
    const entries: ScrapeEntry[] = []
    for (let from = 0; from < infohashes.length; from += step) {
      const part = infohashes.slice(from, from + step)
      const outcome = await this.#limited(tracker, o, async () => {
        // Numbers are of all peers whatever the family: one answer will do.
        const [family] = await this.#families(tracker)
        return udp
          ? this.#scrapeByUdp(url, family!, part, o.signal)
          : this.#fetch(scrapeRequestUrl(url, part), family!, o.signal, parseScrapeAnswer)
      })
      if (outcome.kind === 'refusal') return outcome
      // A hostile answer to a question about one torrent is not about others.
      const asked = new Set(part.map(infohash => Buffer.from(infohash).toString('hex')))
      entries.push(...outcome.entries.filter(entry => asked.has(entry.infohash)))
    }
    return { kind: 'answer', entries }
  }

  /** Ends the connections and every request under way; idempotent. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#http.close()
    this.#udp.close()
  }

  async #limited<T>(tracker: URL, o: TrackerRequestOptions, request: () => Promise<T>): Promise<T> {
    return this.limiter.run(trackerLabel(tracker), o, async () => {
      if (this.#closed) throw new TorrentError('ERR_TORRENTFS_CLOSED', 'the tracker client is closed')
      o.onSent?.()
      return request()
    })
  }

  /** Nothing is sent, nor waited for, nor looked up. */
  #checkUdp(tracker: URL): void {
    if (tracker.protocol !== 'udp:' || this.#outlet.datagrams) return
    const why = 'not asked, since the proxy carries no UDP'
    throw new TorrentError('ERR_TORRENTFS_TRACKER', `${trackerLabel(tracker)}: ${why}`)
  }

  async #families(tracker: URL): Promise<Family[]> {
    // Which ones it has only the proxy knows.
    if (this.#outlet.proxied) return [4]
    const addresses = await this.#resolver.resolve(hostOf(tracker))
    return [...new Set(addresses.map(({ family }) => family))]
  }

  /** Runs a request over each family; resolves with every outcome that came, at least one. */
  #overFamilies<T extends { readonly kind: string }>(
    tracker: URL,
    outer: AbortSignal | undefined,
    request: (family: Family, signal: AbortSignal) => Promise<T>,
  ): Promise<T[]> {
    const what = trackerLabel(tracker)
    return withDeadline({ timeoutMs: LONGEST_REQUEST_MS, signal: outer, what }, async signal => {
      const families = await this.#families(tracker)
      const outcomes: T[] = []
      const errors: unknown[] = []
      let grace: NodeJS.Timeout | undefined
      await new Promise<void>(resolve => {
        const count = (): void => {
          if (outcomes.length + errors.length === families.length) resolve()
          else if (outcomes.some(({ kind }) => kind === 'answer'))
            grace ??= setTimeout(resolve, OTHER_FAMILY_GRACE_MS)
        }
        for (const family of families) {
          request(family, signal)
            .then(
              outcome => outcomes.push(outcome),
              (error: unknown) => errors.push(error),
            )
            .finally(count)
        }
      })
      clearTimeout(grace)
      if (outcomes.length === 0) throw errors[0]
      return outcomes
    })
  }

  async #fetch<T extends { readonly kind: string }>(
    url: URL,
    family: Family,
    signal: AbortSignal | undefined,
    parse: (body: Uint8Array) => T | TrackerRefusal,
  ): Promise<T | TrackerRefusal> {
    const { status, body } = await this.#http.get(url, family, signal)
    let outcome: T | TrackerRefusal | undefined
    let nonsense = ''
    try {
      outcome = parse(body)
    } catch (error) {
      nonsense = messageOf(error)
    }
    if (status === 200) return outcome ?? { kind: 'refusal', reason: nonsense }
    // Some trackers give their reason along with an error status.
    if (outcome?.kind === 'refusal') return outcome
    return { kind: 'refusal', reason: `HTTP status ${status}` }
  }

  async #announceByUdp(
    tracker: URL,
    family: Family,
    request: AnnounceRequest,
    signal: AbortSignal,
  ): Promise<AnnounceAnswer | TrackerRefusal> {
    const encode: UdpRequest['encode'] = (connection, tx) => encodeAnnounce(connection, tx, request, tracker)
    const answer = await this.#udp.send(tracker, family, { kind: 'announce', encode }, signal)
    return answer.kind === 'error'
      ? refusalBy(answer)
      : (parseUdpAnnounce(answer.payload, family) ?? cutShort)
  }

  async #scrapeByUdp(
    tracker: URL,
    family: Family,
    infohashes: readonly Uint8Array[],
    signal: AbortSignal | undefined,
  ): Promise<ScrapeAnswer | TrackerRefusal> {
    const encode: UdpRequest['encode'] = (connection, tx) => encodeScrape(connection, tx, infohashes)
    const answer = await this.#udp.send(tracker, family, { kind: 'scrape', encode }, signal)
    if (answer.kind === 'error') return refusalBy(answer)
    return { kind: 'answer', entries: parseUdpScrape(answer.payload, infohashes) }
  }
}

/** What opentracker says about a torrent that it does not serve: the head of an answer and nothing after it. */
const cutShort: TrackerRefusal = {
  kind: 'refusal',
  reason: 'an answer cut short: perhaps a torrent it does not serve',
}

function refusalBy(answer: UdpAnswer): TrackerRefusal {
  return { kind: 'refusal', reason: parseUdpError(answer.payload) }
}

/** The answers of both families as one; a refusal only when nothing else came. */
function merge(outcomes: readonly (AnnounceAnswer | TrackerRefusal)[]): AnnounceAnswer | TrackerRefusal {
  const answers = outcomes.filter(outcome => outcome.kind === 'answer')
  if (answers.length < 2) return answers[0] ?? outcomes[0]!
  // The later fields win where only one can be kept; numbers about the swarm are mostly the same.
  return { ...answers[0]!, ...answers[1]!, addresses: answers.flatMap(({ addresses }) => addresses) }
}
