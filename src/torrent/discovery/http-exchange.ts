/**
 * One HTTP GET to a tracker: bounded in time, bytes and redirects.
 *
 * Owns the connection pools and what a tracker may make us do. Must not read the body's content beyond undoing gzip.
 */
import { request as httpRequest, type Agent, type IncomingMessage, type RequestOptions } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { LookupFunction } from 'node:net'
import { promisify } from 'node:util'
import { gunzip, inflate } from 'node:zlib'
import { messageOf, TorrentError } from '../errors.js'
import type { HostResolver } from '../net/host-resolver.js'
import { mayLead, realmOf, realmOfHost, realmOfName, type Realm } from '../net/ip-address.js'
import { Outlet } from '../net/outlet.js'
import { httpAgent, httpsAgent } from '../net/outlet-agents.js'
import { withDeadline } from './deadline.js'
import { hostOf, parseTrackerUrl, trackerLabel } from './tracker-url.js'

/** How an {@link HttpExchange} behaves. */
export interface HttpExchangeOptions {
  readonly resolver: HostResolver
  /** By whose rules; by none unless given. */
  readonly outlet?: Outlet
  /** Empty for none. */
  readonly userAgent: string
  /** For one GET with its redirects, ms. */
  readonly timeoutMs?: number
  /** Cap of a body, before and after decompression, bytes. */
  readonly maxBodyBytes?: number
  /** Certificates to trust instead of the system's, PEM. */
  readonly ca?: string
  /** Of URLs on this machine, the paths that may be fetched; by default those of trackers. */
  readonly localPath?: RegExp
}

/** An HTTP answer, whatever its status. */
export interface HttpAnswer {
  readonly status: number
  readonly body: Uint8Array
}

const TIMEOUT_MS = 30_000
/** Room for {@link MAX_ADDRESSES} dictionaries and for a scrape of some thousands. */
const MAX_BODY_BYTES = 1 << 20
const MAX_REDIRECTS = 5
/** Connections to one tracker; the limiter admits fewer requests than this. */
const SOCKETS_PER_HOST = 24
const REDIRECTS = new Set([301, 302, 303, 307, 308])

const gunzipAsync = promisify(gunzip)
const inflateAsync = promisify(inflate)

/** HTTP and HTTPS for the trackers of one client. */
export class HttpExchange {
  readonly #o: HttpExchangeOptions
  readonly #outlet: Outlet
  readonly #http: Agent
  readonly #https: Agent
  /** Without kept connections. */
  readonly #freshHttp: Agent
  readonly #freshHttps: Agent

  constructor(o: HttpExchangeOptions) {
    this.#o = o
    const outlet = o.outlet ?? new Outlet()
    this.#outlet = outlet
    // Trackers of thousands of torrents are few: a kept connection saves each a handshake.
    const pool = { keepAlive: true, keepAliveMsecs: 10_000, maxSockets: SOCKETS_PER_HOST, maxFreeSockets: 2 }
    const trust = o.ca === undefined ? {} : { ca: o.ca }
    const occasion = 'tracker'
    this.#http = httpAgent(outlet, { occasion, ...pool })
    this.#https = httpsAgent(outlet, { occasion, ...pool, ...trust })
    this.#freshHttp = httpAgent(outlet, { occasion })
    this.#freshHttps = httpsAgent(outlet, { occasion, ...trust })
  }

  /**
   * Fetches a URL over one address family and follows at most 5 redirects.
   *
   * @throws ERR_TORRENTFS_TRACKER naming the tracker when it cannot be reached, breaks off, sends too much or redirects
   * badly; ERR_TORRENTFS_TIMEOUT; ERR_TORRENTFS_ABORTED
   */
  get(url: URL, family: 4 | 6, signal?: AbortSignal): Promise<HttpAnswer> {
    const { timeoutMs = TIMEOUT_MS } = this.#o
    return withDeadline({ timeoutMs, signal, what: trackerLabel(url) }, inner =>
      this.#follow(url, family, inner),
    )
  }

  /** Ends the kept connections. */
  close(): void {
    for (const agent of [this.#http, this.#https, this.#freshHttp, this.#freshHttps]) agent.destroy()
  }

  async #follow(start: URL, family: 4 | 6, signal: AbortSignal): Promise<HttpAnswer> {
    let url = start
    // Decided once, so that neither a redirect nor a name server that changes its mind leads to a nearer network.
    const realm = await this.#realmOf(hostOf(start))
    for (let redirects = 0; ; redirects++) {
      const message = await this.#request(url, family, signal, realm)
      const status = message.statusCode ?? 0
      const location = message.headers.location
      if (!REDIRECTS.has(status) || location === undefined) {
        return { status, body: await this.#body(url, message) }
      }
      // The body of a redirect is of no use and may be endless.
      message.destroy()
      if (redirects === MAX_REDIRECTS) throw failed(start, `more than ${MAX_REDIRECTS} redirects`)
      const next = URL.canParse(location, url.href) ? parseTrackerUrl(new URL(location, url).href) : undefined
      if (next === undefined || next.protocol === 'udp:') throw failed(start, 'a redirect to nowhere')
      if (url.protocol === 'https:' && next.protocol === 'http:')
        throw failed(start, 'a redirect from https to http')
      url = next
    }
  }

  /** Behind a proxy a name is the proxy's to resolve; that it means the proxy's own machine can only be seen of some. */
  async #realmOf(host: string): Promise<Realm> {
    if (!this.#outlet.proxied) return realmOfHost(await this.#o.resolver.resolve(host))
    return realmOfName(host) ?? 'public'
  }

  /** Sends one GET; a kept connection that the tracker closed meanwhile is no failure of the tracker. */
  async #request(url: URL, family: 4 | 6, signal: AbortSignal, realm: Realm): Promise<IncomingMessage> {
    const agent = url.protocol === 'https:' ? this.#https : this.#http
    const options: RequestOptions = {
      agent,
      family,
      signal,
      lookup: this.#lookupFor(url, family, realm),
      headers: {
        ...(this.#o.userAgent === '' ? {} : { 'User-Agent': this.#o.userAgent }),
        'Accept-Encoding': 'gzip',
        Accept: '*/*',
      },
    }
    // Literals are not looked up.
    check(url, hostOf(url), realm, this.#o.localPath)
    const kept = await send(url, options)
    if (!('error' in kept)) return kept.message
    if (!kept.reused || signal.aborted) throw failed(url, messageOf(kept.error), kept.error)
    // Some trackers close every connection and do not say so; another kept one may well be as dead as this.
    const fresh = await send(url, {
      ...options,
      agent: url.protocol === 'https:' ? this.#freshHttps : this.#freshHttp,
    })
    if (!('error' in fresh)) return fresh.message
    throw failed(url, messageOf(fresh.error), fresh.error)
  }

  async #body(url: URL, message: IncomingMessage): Promise<Uint8Array> {
    const { maxBodyBytes = MAX_BODY_BYTES } = this.#o
    const parts: Buffer[] = []
    let length = 0
    try {
      for await (const part of message as AsyncIterable<Buffer>) {
        length += part.length
        if (length > maxBodyBytes) throw new Error(`an answer of more than ${maxBodyBytes} bytes`)
        parts.push(part)
      }
      const body = Buffer.concat(parts, length)
      const limit = { maxOutputLength: maxBodyBytes }
      // Some trackers compress without saying so, others say so and do not: bencode never begins like gzip or zlib.
      if (body[0] === 0x1f && body[1] === 0x8b) return await gunzipAsync(body, limit)
      if (body[0] === 0x78 && message.headers['content-encoding'] === 'deflate')
        return await inflateAsync(body, limit)
      return body
    } catch (cause) {
      throw failed(url, messageOf(cause), cause)
    }
  }

  #lookupFor(url: URL, family: 4 | 6, realm: Realm): LookupFunction {
    return (host, options, callback) => {
      this.#o.resolver.resolve(host).then(
        all => {
          const own = all.filter(address => address.family === family)
          // Some hosts name their local address beside the public one; nobody of good will names loopback there.
          const far = own.filter(({ address }) => realmOf(address) !== 'private' || realm !== 'public')
          const addresses = far.length > 0 ? far : own
          try {
            if (addresses.length === 0) throw failed(url, `no IPv${family} address`)
            for (const { address } of addresses) check(url, address, realm, this.#o.localPath)
          } catch (error) {
            callback(error as Error, '')
            return
          }
          if (options.all === true) callback(null, [...addresses])
          else callback(null, addresses[0]!.address, family)
        },
        (error: Error) => callback(error, ''),
      )
    }
  }
}

/**
 * A torrent's author chooses the URL, so it must not be a way to make this machine talk to its own services: on loopback
 * only what looks like the path of what is expected is fetched, and nothing that a host farther out leads to.
 */
function check(url: URL, host: string, realm: Realm, localPath = TRACKER_PATH): void {
  const to = realmOfName(host)
  if (to === undefined) return
  if (!mayLead(realm, to)) throw failed(url, `a remote tracker that leads to ${NEARER[to]}`)
  if (to === 'loopback' && !localPath.test(url.pathname))
    throw failed(
      url,
      localPath === TRACKER_PATH ? 'a local tracker that is not at /announce' : 'a path of this machine',
    )
}

const TRACKER_PATH = /\/(?:announce|scrape)[^/]*$/
const NEARER = { loopback: 'this machine', private: 'the local network', public: 'the internet' } as const

type Sent = { readonly message: IncomingMessage } | { readonly error: Error; readonly reused: boolean }

function send(url: URL, options: RequestOptions): Promise<Sent> {
  return new Promise(resolve => {
    const request = url.protocol === 'https:' ? httpsRequest(url, options) : httpRequest(url, options)
    request.on('response', message => resolve({ message }))
    // Stays for the request's life: an error after the answer has nobody to tell.
    request.on('error', error => resolve({ error, reused: request.reusedSocket }))
    request.end()
  })
}

function failed(url: URL, why: string, cause?: unknown): TorrentError {
  if (cause instanceof TorrentError && cause.code !== 'ERR_TORRENTFS_CONNECTION') return cause
  return new TorrentError('ERR_TORRENTFS_TRACKER', `${trackerLabel(url)}: ${why}`, { cause })
}
