/**
 * The UDP tracker protocol over one shared socket per address family (BEP 15).
 *
 * Owns the sockets, the transactions under way, retransmission, and the cache of connection ids. Must not interpret what
 * an answer says. A datagram counts only when it comes from where the request went and names a transaction under way.
 */
import { randomInt } from 'node:crypto'
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { messageOf, TorrentError } from '../errors.js'
import { canonicalIp } from '../net/ip-address.js'
import { Outlet } from '../net/outlet.js'
import { addressOf } from './compact-addresses.js'
import { withDeadline } from './deadline.js'
import { ExpiringMap } from '../net/expiring-map.js'
import type { HostResolver } from '../net/host-resolver.js'
import { hostOf, trackerLabel } from './tracker-url.js'
import {
  CONNECTION_ID_LIFETIME,
  encodeConnect,
  parseConnection,
  parseUdpAnswer,
  type UdpAnswer,
} from './udp-messages.js'

/** How a {@link UdpExchange} behaves. */
export interface UdpExchangeOptions {
  readonly resolver: HostResolver
  /** By whose rules; by none unless given. It must allow datagrams. */
  readonly outlet?: Outlet
  /**
   * Wait for the first datagram's answer, ms, doubled for each further one. BEP 15 begins with 15 s and goes on for two
   * hours; a reader waits for this answer, so 5 s and few attempts here, and the announcer's backoff after that.
   */
  readonly firstTimeoutMs?: number
  /** Datagrams sent before a tracker is given up. */
  readonly attempts?: number
}

/** A request that needs a connection id. */
export interface UdpRequest {
  readonly kind: 'announce' | 'scrape'
  /** The datagram for a connection id and a transaction id. */
  encode(connection: Uint8Array, transaction: number): Uint8Array
}

interface Endpoint {
  readonly address: string
  readonly port: number
  readonly family: 4 | 6
}

interface Transaction {
  readonly endpoint: Endpoint
  readonly kind: UdpAnswer['kind']
  /** Called once: the answer, undefined when none came in time, or what went wrong. */
  settle(outcome: UdpAnswer | TorrentError | undefined): void
}

type Connected = { readonly id: Uint8Array; readonly cached: boolean }

const FIRST_TIMEOUT_MS = 5_000
const ATTEMPTS = 4
const MAX_CONNECTIONS = 2000
const LONGEST_TOTAL_MS = 60_000

/** UDP for the trackers of one client. */
export class UdpExchange {
  readonly #resolver: HostResolver
  readonly #outlet: Outlet
  readonly #firstTimeoutMs: number
  readonly #attempts: number
  readonly #sockets = new Map<4 | 6, Socket>()
  readonly #transactions = new Map<number, Transaction>()
  readonly #connections = new ExpiringMap<string, Uint8Array>(MAX_CONNECTIONS)
  readonly #connecting = new Map<string, Promise<UdpAnswer | TorrentError | undefined>>()
  readonly #stopListening: (() => void) | undefined
  #closed = false

  constructor(o: UdpExchangeOptions) {
    this.#resolver = o.resolver
    this.#outlet = o.outlet ?? new Outlet()
    this.#stopListening = this.#outlet.bound?.onChange(() => this.#dropSockets())
    this.#firstTimeoutMs = o.firstTimeoutMs ?? FIRST_TIMEOUT_MS
    this.#attempts = o.attempts ?? ATTEMPTS
  }

  /**
   * Sends a request over one family until it is answered: of the request's kind, or by an error of the tracker.
   *
   * @throws ERR_TORRENTFS_TRACKER, ERR_TORRENTFS_TIMEOUT, ERR_TORRENTFS_ABORTED, ERR_TORRENTFS_CLOSED
   */
  send(tracker: URL, family: 4 | 6, request: UdpRequest, signal?: AbortSignal): Promise<UdpAnswer> {
    return withDeadline({ timeoutMs: LONGEST_TOTAL_MS, signal, what: trackerLabel(tracker) }, async inner => {
      const endpoints = await this.#endpoints(tracker, family)
      for (let attempt = 0; attempt < this.#attempts; attempt++) {
        const endpoint = endpoints[attempt % endpoints.length]!
        const answer = await this.#attempt(endpoint, request, this.#firstTimeoutMs * 2 ** attempt, inner)
        if (answer instanceof TorrentError) throw answer
        if (answer !== undefined) return answer
        if (inner.aborted) break
      }
      throw new TorrentError('ERR_TORRENTFS_TIMEOUT', `${trackerLabel(tracker)}: no answer`)
    })
  }

  /** Ends every request under way and closes the sockets. */
  close(): void {
    this.#closed = true
    this.#stopListening?.()
    this.#dropSockets()
    this.#fail(() => true, closedError())
  }

  /** Number of requests under way: for tests of what is left behind. */
  get pending(): number {
    return this.#transactions.size
  }

  async #endpoints(tracker: URL, family: 4 | 6): Promise<Endpoint[]> {
    const port = Number(tracker.port)
    const addresses = await this.#resolver.resolve(hostOf(tracker))
    if (addresses.every(({ address }) => this.#outlet.filter.blocks(address, 'tracker')))
      throw new TorrentError('ERR_TORRENTFS_TRACKER', `${trackerLabel(tracker)}: an address of the blocklist`)
    const endpoints = addresses
      .filter(({ address }) => !this.#outlet.filter.has(address))
      .filter(resolved => resolved.family === family && addressOf(resolved.address, port) !== undefined)
      .map(({ address }) => ({ address, port, family }))
    if (endpoints.length > 0) return endpoints
    throw new TorrentError(
      'ERR_TORRENTFS_TRACKER',
      `${trackerLabel(tracker)}: no IPv${family} address to send to`,
    )
  }

  /** Connects unless there is an id, asks, and does both anew when the tracker does not like a kept id. */
  async #attempt(
    endpoint: Endpoint,
    request: UdpRequest,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<UdpAnswer | TorrentError | undefined> {
    const key = keyOf(endpoint)
    for (;;) {
      const connected = await this.#connect(endpoint, timeoutMs)
      if (connected === undefined || connected instanceof TorrentError || signal.aborted) {
        return connected instanceof TorrentError ? connected : undefined
      }
      if (!('id' in connected)) return connected
      const { id, cached } = connected
      const answer = await this.#ask(endpoint, request.kind, tx => request.encode(id, tx), timeoutMs, signal)
      if (answer instanceof TorrentError || signal.aborted) return answer
      if (answer !== undefined && answer.kind !== 'error') return answer
      // No answer, or a complaint: the tracker may have been restarted and not know the id.
      this.#connections.delete(key)
      if (answer === undefined || !cached) return answer
    }
  }

  /** A connection id, one request at a time for each tracker however many torrents want it; else the tracker's error. */
  async #connect(
    endpoint: Endpoint,
    timeoutMs: number,
  ): Promise<Connected | UdpAnswer | TorrentError | undefined> {
    const key = keyOf(endpoint)
    const kept = this.#connections.get(key, performance.now())
    if (kept !== undefined) return { id: kept, cached: true }
    let connecting = this.#connecting.get(key)
    if (connecting === undefined) {
      connecting = this.#ask(endpoint, 'connect', encodeConnect, timeoutMs).finally(() =>
        this.#connecting.delete(key),
      )
      this.#connecting.set(key, connecting)
    }
    const answer = await connecting
    if (answer === undefined || answer instanceof TorrentError || answer.kind === 'error') return answer
    const id = parseConnection(answer.payload)
    if (id === undefined) return new TorrentError('ERR_TORRENTFS_TRACKER', `${key}: an answer cut short`)
    this.#connections.set(key, id, performance.now() + CONNECTION_ID_LIFETIME)
    return { id, cached: false }
  }

  /** One datagram and the wait for its answer. Never rejects. */
  #ask(
    endpoint: Endpoint,
    kind: UdpAnswer['kind'],
    encode: (transaction: number) => Uint8Array,
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<UdpAnswer | TorrentError | undefined> {
    return new Promise(resolve => {
      if (this.#closed) {
        resolve(closedError())
        return
      }
      let transaction: number
      do transaction = randomInt(2 ** 32)
      while (this.#transactions.has(transaction))
      const settle = (outcome: UdpAnswer | TorrentError | undefined): void => {
        if (!this.#transactions.delete(transaction)) return
        clearTimeout(timer)
        signal?.removeEventListener('abort', giveUp)
        resolve(outcome)
      }
      const giveUp = (): void => settle(undefined)
      const timer = setTimeout(giveUp, timeoutMs)
      signal?.addEventListener('abort', giveUp)
      this.#transactions.set(transaction, { endpoint, kind, settle })
      try {
        this.#socket(endpoint.family).send(encode(transaction), endpoint.port, endpoint.address, error => {
          if (error !== null) settle(unsendable(endpoint, error))
        })
      } catch (error) {
        settle(unsendable(endpoint, error))
      }
    })
  }

  #socket(family: 4 | 6): Socket {
    let socket = this.#sockets.get(family)
    if (socket === undefined) {
      const own = this.#outlet.localAddress(family)
      if (own === undefined || !this.#outlet.datagrams)
        throw new Error(`no IPv${family} datagrams may be sent now`)
      const opened = createSocket(family === 4 ? { type: 'udp4' } : { type: 'udp6', ipv6Only: true })
      opened.on('message', (datagram, from) => this.#receive(datagram, from, family))
      opened.on('error', error => {
        if (this.#sockets.get(family) !== opened) return
        // The next request opens another.
        this.#sockets.delete(family)
        opened.close()
        this.#fail(
          ({ endpoint }) => endpoint.family === family,
          new TorrentError('ERR_TORRENTFS_TRACKER', `the UDP socket failed: ${messageOf(error)}`, {
            cause: error,
          }),
        )
      })
      if (own !== '') opened.bind({ address: own, exclusive: true })
      // What waits for an answer has a timer; the socket itself is no reason to keep the process.
      opened.unref()
      this.#sockets.set(family, opened)
      socket = opened
    }
    return socket
  }

  #dropSockets(): void {
    for (const socket of this.#sockets.values()) socket.close()
    this.#sockets.clear()
  }

  #receive(datagram: Uint8Array, from: RemoteInfo, family: 4 | 6): void {
    const answer = parseUdpAnswer(datagram)
    if (answer === undefined) return
    const transaction = this.#transactions.get(answer.transaction)
    if (transaction === undefined || (answer.kind !== transaction.kind && answer.kind !== 'error')) return
    const { endpoint } = transaction
    if (endpoint.family !== family || endpoint.port !== from.port) return
    if (endpoint.address !== from.address && endpoint.address !== canonicalIp(from.address)) return
    transaction.settle(answer)
  }

  #fail(which: (transaction: Transaction) => boolean, error: TorrentError): void {
    for (const transaction of [...this.#transactions.values()])
      if (which(transaction)) transaction.settle(error)
  }
}

function keyOf(endpoint: Endpoint): string {
  return endpoint.family === 4
    ? `${endpoint.address}:${endpoint.port}`
    : `[${endpoint.address}]:${endpoint.port}`
}

function unsendable(endpoint: Endpoint, cause: unknown): TorrentError {
  const message = `cannot send to ${keyOf(endpoint)}: ${messageOf(cause)}`
  return new TorrentError('ERR_TORRENTFS_TRACKER', message, { cause })
}

function closedError(): TorrentError {
  return new TorrentError('ERR_TORRENTFS_CLOSED', 'the tracker client is closed')
}
