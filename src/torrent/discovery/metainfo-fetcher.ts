/**
 * Fetches `.torrent` files from the URLs that magnet links (`xs`, `as`) and the user name.
 *
 * Owns the connections and how many there are at a time. A stranger may have chosen the URL, so it is bounded as a tracker's
 * is: in time, bytes and redirects, and in where it may lead. Must not judge what comes: the infohash does.
 */
import { causedBy, TorrentError, type TorrentErrorCode } from '../errors.js'
import { HostResolver } from '../net/host-resolver.js'
import { Outlet } from '../net/outlet.js'
import { AnnounceLimiter } from './announce-limiter.js'
import { HttpExchange, type HttpAnswer } from './http-exchange.js'
import { hostOf, parseTrackerUrl, trackerLabel } from './tracker-url.js'

/** Room for the largest info dictionary that peers are asked for, and what stands around it. */
const MAX_BYTES = 16 * 1024 * 1024
/** A file that the user names may hold a hybrid's piece layers as well. */
const MAX_NAMED_BYTES = 64 * 1024 * 1024
const TIMEOUT_MS = 60_000
/** On this machine only what is a torrent file by its name is fetched: no magnet may press the buttons of its services. */
const LOCAL_PATH = /\.torrent$/
/** The user may name any path of this machine. */
const ANY_PATH = /^/

/** Failures that are not the file's, and stay what they are. */
const KEPT_CODES: ReadonlySet<TorrentErrorCode> = new Set([
  'ERR_TORRENTFS_TIMEOUT',
  'ERR_TORRENTFS_PROXY',
  'ERR_TORRENTFS_ABORTED',
])

/** How a {@link MetainfoFetcher} behaves. */
export interface MetainfoFetcherOptions {
  /** `User-Agent` of the requests. */
  readonly userAgent?: string
  /** By whose rules it goes out; by none unless given. */
  readonly outlet?: Outlet
  readonly maxBytes?: number
}

/** Shared by the torrents of a client. */
export class MetainfoFetcher {
  readonly #outlet: Outlet
  readonly #resolver: HostResolver
  readonly #http: HttpExchange
  /** For what the user names. */
  readonly #namedHttp: HttpExchange
  readonly #limiter = new AnnounceLimiter({ concurrent: 16, concurrentPerTracker: 4 })

  constructor(o: MetainfoFetcherOptions = {}) {
    const outlet = o.outlet ?? new Outlet()
    this.#outlet = outlet
    this.#resolver = new HostResolver(host => outlet.lookup(host))
    const common = {
      resolver: this.#resolver,
      outlet,
      userAgent: o.userAgent ?? 'torrentfs/0.1',
      timeoutMs: TIMEOUT_MS,
    }
    this.#http = new HttpExchange({
      ...common,
      maxBodyBytes: o.maxBytes ?? MAX_BYTES,
      localPath: LOCAL_PATH,
    })
    this.#namedHttp = new HttpExchange({
      ...common,
      maxBodyBytes: o.maxBytes ?? MAX_NAMED_BYTES,
      localPath: ANY_PATH,
    })
  }

  /**
   * Fetches a file.
   *
   * @returns its bytes, or undefined when there is none: a URL that is not of HTTP(S), or a status other than 200
   * @throws ERR_TORRENTFS_TRACKER or ERR_TORRENTFS_TIMEOUT when it cannot be had now, ERR_TORRENTFS_ABORTED
   */
  async fetch(text: string, signal: AbortSignal): Promise<Uint8Array | undefined> {
    const url = parseTrackerUrl(text)
    if (url === undefined || url.protocol === 'udp:') return undefined
    return this.#limiter.run(trackerLabel(url), { signal }, async () => {
      const { status, body } = await this.#get(this.#http, url, signal)
      return status === 200 ? body : undefined
    })
  }

  /**
   * Fetches a file that the user named: it may be anywhere, but redirects lead to no nearer network than it is in.
   *
   * @param label what to call it in messages
   * @throws ERR_TORRENTFS_SOURCE when it cannot be had; ERR_TORRENTFS_TIMEOUT, ERR_TORRENTFS_PROXY, ERR_TORRENTFS_ABORTED
   */
  async fetchNamed(named: URL, label: string, signal: AbortSignal): Promise<Uint8Array> {
    const url = parseTrackerUrl(named.href)
    if (url === undefined) throw new TorrentError('ERR_TORRENTFS_SOURCE', `cannot fetch ${label}: too long`)
    try {
      const { status, body } = await this.#get(this.#namedHttp, url, signal)
      if (status === 200) return body
      throw new Error(`HTTP status ${status}`)
    } catch (error) {
      const code =
        error instanceof TorrentError && KEPT_CODES.has(error.code) ? error.code : 'ERR_TORRENTFS_SOURCE'
      throw causedBy(error, code, `cannot fetch ${label}`)
    }
  }

  /** By each address family that it has, until there is an answer. @throws as the exchange does */
  async #get(http: HttpExchange, url: URL, signal: AbortSignal): Promise<HttpAnswer> {
    let failure: unknown
    for (const family of await this.#families(url)) {
      try {
        const answer = await http.get(url, family, signal)
        // A server that has trouble may have none later.
        if (answer.status < 500) return answer
        throw new TorrentError('ERR_TORRENTFS_TRACKER', `${trackerLabel(url)}: HTTP status ${answer.status}`)
      } catch (error) {
        failure ??= error
      }
    }
    throw failure
  }

  async #families(url: URL): Promise<Iterable<4 | 6>> {
    // Which ones it has only the proxy knows.
    if (this.#outlet.proxied) return [4]
    return new Set((await this.#resolver.resolve(hostOf(url))).map(({ family }) => family))
  }

  /** Ends every request under way; idempotent. */
  close(): void {
    this.#http.close()
    this.#namedHttp.close()
  }
}
