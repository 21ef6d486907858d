/**
 * HTTP GETs to web seeds: connections kept and shared by all torrents of a client. Certificates are verified.
 *
 * Owns the sockets, their time limits, and where names may lead. Must not interpret an answer. Its package is loaded by
 * the first request: most clients never make one.
 */
import { isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Agent, buildConnector, Dispatcher } from 'undici'
import { messageOf, TorrentError } from '../errors.js'
import { HostResolver } from '../net/host-resolver.js'
import { mayLead, realmOf, realmOfHost, realmOfName, type Realm } from '../net/ip-address.js'
import type { LookedUp } from '../net/host-lookup.js'
import type { Outlet } from '../net/outlet.js'
import type { AnswerHeaders } from './answer.js'
import { SocketGate } from './socket-gate.js'

export interface HttpPoolOptions {
  /** By whose rules connections are made. */
  readonly outlet: Outlet
  /** Undefined for none. */
  readonly userAgent: string | undefined
  /** Certificates to trust instead of the system's, PEM. */
  readonly ca?: string
  /** How long connecting may take, ms. Default: 10 s. */
  readonly connectTimeoutMs?: number
  /** How long a server may take to begin its answer, ms. Default: 30 s. */
  readonly answerTimeoutMs?: number
  /** How long a body may make no progress while we read it, ms. Default: 20 s. */
  readonly stallTimeoutMs?: number
}

/** What becomes of a GET. Called synchronously while what the socket received is read, never from within `get`. */
export interface ExchangeEvents {
  /** The answer's head. */
  head(status: number, headers: AnswerHeaders): void
  /** Bytes of the body, the listener's to keep and not to change. */
  data(chunk: Uint8Array): void
  /** The body is complete. */
  end(): void
  /** It failed; nothing follows. Never after {@link Exchange.abort}. */
  failed(error: TorrentError): void
}

/** One GET under way. */
export interface Exchange {
  /** No more of the body is read from the socket. What is read already, at most 64 KiB, may still come. */
  pause(): void
  /** Must not be called from within an event of any exchange. */
  resume(): void
  /** Ends it: nothing is told any more. Its connection is closed. */
  abort(): void
  /** Nobody wants the rest: up to `most` bytes of it are read and thrown away, so that the connection can be kept. */
  discard(most: number): void
}

/** Connections to one server, over all torrents: each web seed uses few. */
const CONNECTIONS = 32
const CONNECT_TIMEOUT_MS = 10_000
/** How long a connection without a request is kept, ms: the next read of a film comes sooner, an idle torrent holds none. */
const KEEP_ALIVE_MS = 10_000

export class HttpPool {
  readonly #o: HttpPoolOptions
  readonly #resolver: HostResolver
  /** One per realm, for each lets its names lead so far and no farther. */
  readonly #agents = new Map<Realm, Agent>()
  #package: Promise<typeof import('undici')> | undefined
  /** Whose bytes are being taken in, if any are. */
  #reading: SocketGate | undefined
  #closed = false

  constructor(options: HttpPoolOptions) {
    this.#o = options
    this.#resolver = new HostResolver(host => options.outlet.lookup(host), 'ERR_TORRENTFS_CONNECTION')
  }

  /**
   * The realm a URL's host is in: from there, redirects may lead no nearer.
   *
   * @throws ERR_TORRENTFS_CONNECTION when its name cannot be resolved
   */
  async realmOf(url: URL): Promise<Realm> {
    const host = hostOf(url)
    const told = realmOfName(host)
    if (told !== undefined) return told
    // Behind a proxy a name is the proxy's to resolve.
    return this.#o.outlet.proxied ? 'public' : realmOfHost(await this.#resolver.resolve(host))
  }

  /**
   * Fetches a URL (without credentials) that may be in `realm` or farther out. Redirects are not followed.
   */
  get(url: URL, headers: Readonly<Record<string, string>>, realm: Realm, events: ExchangeEvents): Exchange {
    const get = new Get(url, events, () => this.#reading)
    this.#dispatch(url, headers, realm, get).catch((error: unknown) => get.fail(error))
    return get
  }

  /** Ends every exchange and connection. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true
    const agents = [...this.#agents.values()]
    this.#agents.clear()
    await Promise.all(agents.map(agent => agent.destroy()))
  }

  async #dispatch(
    url: URL,
    headers: Readonly<Record<string, string>>,
    realm: Realm,
    get: Get,
  ): Promise<void> {
    const undici = await (this.#package ??= import('undici'))
    // Literals are not looked up when connecting.
    const told = realmOfName(hostOf(url))
    if (told !== undefined && !mayLead(realm, told)) throw tooNear(url)
    // The connection of a request that has just ended is free for this one a moment later.
    await new Promise<void>(resolve => setImmediate(resolve))
    if (this.#closed) throw new TorrentError('ERR_TORRENTFS_CLOSED', 'the client is closed')
    if (get.over) return
    this.#agent(undici, realm).dispatch(
      {
        origin: url.origin,
        path: url.pathname + url.search,
        method: 'GET',
        headers: {
          ...(this.#o.userAgent === undefined ? {} : { 'user-agent': this.#o.userAgent }),
          accept: '*/*',
          // A range of a compressed body is a range of other bytes.
          'accept-encoding': 'identity',
          ...headers,
        },
        headersTimeout: this.#o.answerTimeoutMs ?? 30_000,
        bodyTimeout: this.#o.stallTimeoutMs ?? 20_000,
      },
      get,
    )
  }

  #agent(undici: typeof import('undici'), realm: Realm): Agent {
    const known = this.#agents.get(realm)
    if (known !== undefined) return known
    const agent = new undici.Agent({
      connections: CONNECTIONS,
      pipelining: 1,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MS,
      maxHeaderSize: 16384,
      connect: (to, callback) => {
        this.#connect(to, realm).then(
          socket => callback(null, socket),
          (error: Error) => callback(error, null),
        )
      },
    })
    this.#agents.set(realm, agent)
    return agent
  }

  async #connect(to: buildConnector.Options, realm: Realm): Promise<Socket> {
    const secure = to.protocol === 'https:'
    const host = to.hostname.startsWith('[') ? to.hostname.slice(1, -1) : to.hostname
    const signal = AbortSignal.timeout(this.#o.connectTimeoutMs ?? CONNECT_TIMEOUT_MS)
    const port = Number(to.port) || (secure ? 443 : 80)
    const lookup = (name: string): Promise<readonly LookedUp[]> => this.#resolve(name, realm)
    try {
      const socket = await this.#o.outlet.connect({ host, port }, { signal, occasion: 'webseed', lookup })
      const ready = secure ? await this.#secured(socket, host, signal) : socket
      new SocketGate(ready, gate => (this.#reading = gate))
      return ready
    } catch (error) {
      if (!signal.aborted) throw error
      throw new TorrentError('ERR_TORRENTFS_TIMEOUT', `${to.hostname}: no connection in time`, {
        cause: error,
      })
    }
  }

  async #resolve(name: string, realm: Realm): Promise<readonly LookedUp[]> {
    const all = await this.#resolver.resolve(name)
    const allowed = all.filter(({ address }) => mayLead(realm, realmOf(address)))
    if (allowed.length === 0) throw new Error('it leads to a nearer network')
    return allowed
  }

  /** TLS over a socket, the certificate checked against the host. */
  #secured(socket: Socket, host: string, signal: AbortSignal): Promise<Socket> {
    const { ca } = this.#o
    return new Promise((resolve, reject) => {
      const secured = connectTls({
        socket,
        host,
        // An address is no name that a server is asked for (RFC 6066).
        ...(isIP(host) === 0 ? { servername: host } : {}),
        ALPNProtocols: ['http/1.1'],
        ...(ca === undefined ? {} : { ca }),
      })
      const abort = (): void => void secured.destroy(new Error('no handshake in time'))
      signal.addEventListener('abort', abort, { once: true })
      // Stays: whom the socket is given to has its own, and an error after a failure has nobody to tell.
      secured.on('error', reject)
      secured.once('close', () => reject(new Error('closed during the handshake')))
      secured.once('secureConnect', () => {
        signal.removeEventListener('abort', abort)
        resolve(secured)
      })
    })
  }
}

/** A GET as the package hears of it. */
class Get implements Exchange, Dispatcher.DispatchHandler {
  readonly #url: URL
  readonly #events: ExchangeEvents
  readonly #reading: () => SocketGate | undefined
  #controller: Dispatcher.DispatchController | undefined
  /** Of the connection its answer comes by. */
  #gate: SocketGate | undefined
  #paused = false
  #over = false
  /** Bytes of the body that may still be thrown away; undefined while they are wanted. */
  #discarding: number | undefined

  constructor(url: URL, events: ExchangeEvents, reading: () => SocketGate | undefined) {
    this.#url = url
    this.#events = events
    this.#reading = reading
  }

  get over(): boolean {
    return this.#over
  }

  pause(): void {
    this.#paused = true
    if (!this.#over) this.#gate?.hold()
  }

  resume(): void {
    this.#paused = false
    if (!this.#over) this.#gate?.release()
  }

  abort(): void {
    if (this.#over) return
    this.#over = true
    this.#controller?.abort(new Error('no longer wanted'))
  }

  discard(most: number): void {
    if (this.#over) return
    this.#discarding = most
    if (this.#paused) setImmediate(() => this.resume())
  }

  fail(error: unknown): void {
    if (this.#over) return
    this.#over = true
    if (this.#discarding !== undefined) return
    const code = (error as { code?: unknown } | null)?.code
    const late = typeof code === 'string' && code.endsWith('_TIMEOUT')
    const reason = messageOf(error) || (typeof code === 'string' ? code : 'it failed')
    this.#events.failed(
      new TorrentError(
        late ? 'ERR_TORRENTFS_TIMEOUT' : 'ERR_TORRENTFS_CONNECTION',
        `${this.#url.host}: ${reason}`,
        { cause: error },
      ),
    )
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#over) controller.abort(new Error('no longer wanted'))
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: AnswerHeaders): void {
    this.#gate = this.#reading()
    if (this.#paused) this.#gate?.hold()
    // 1xx come before the answer.
    if (!this.#over && status >= 200 && this.#discarding === undefined) this.#events.head(status, headers)
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#over) return
    if (this.#discarding === undefined) return this.#events.data(chunk)
    this.#discarding -= chunk.length
    if (this.#discarding < 0) this.abort()
  }

  onResponseEnd(): void {
    if (this.#over) return
    this.#over = true
    // The connection goes to another request, which must not be held.
    if (this.#paused) setImmediate(() => this.#gate?.release())
    if (this.#discarding === undefined) this.#events.end()
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.fail(error)
  }
}

/** The host as a resolver wants it: IPv6 literals without brackets. */
function hostOf(url: URL): string {
  return url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname
}

function tooNear(url: URL): TorrentError {
  return new TorrentError('ERR_TORRENTFS_CONNECTION', `${url.host}: it leads to a nearer network`)
}
