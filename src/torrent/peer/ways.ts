/**
 * Connects to an address by several ways, TCP and uTP: whoever finishes the handshakes first wins. BEP 29.
 *
 * Owns the attempts and which way to try first. A way is begun late, and only while the one before has not got through,
 * so that it costs the peers that need it a moment and the others nothing.
 */
import { TorrentError } from '../errors.js'
import { formatAddress, toPeerAddress, type HostPort } from './address.js'
import type { PeerConnection } from './connection.js'
import { dial, type Connect, type DialOptions } from './dialer.js'
import type { Identity } from './handshaking.js'

export interface Way {
  readonly kind: 'tcp' | 'utp'
  readonly connect: Connect
}

export interface WaysOptions extends Omit<DialOptions, 'connect'> {
  /** How much earlier than the next way one is begun, in ms. Default: 300, a round trip to most places. */
  readonly headStartMs?: number
}

const HEAD_START_MS = 300
const TIMEOUT_MS = 10_000
/** Addresses of which is remembered that only uTP led there. */
const MOST_REMEMBERED = 4096

export class Ways {
  readonly #ways: readonly Way[]
  /** Where uTP got through and TCP did not, oldest first. */
  readonly #byUtp = new Set<string>()

  /** @param ways - In the order in which they are begun. */
  constructor(ways: readonly Way[]) {
    this.#ways = ways
  }

  /**
   * Connects to an address and exchanges handshakes. The caller owns the connection, and must close it.
   *
   * @throws as {@link dial} does: of several failures, that of the way that was begun first
   */
  async dial(address: HostPort, identity: Identity, options: WaysOptions = {}): Promise<PeerConnection> {
    const key = formatAddress(toPeerAddress(address))
    const ways = this.#byUtp.has(key) ? [...this.#ways].reverse() : this.#ways
    const { connection, kind, failed } = await race(ways, address, identity, options)
    this.#byUtp.delete(key)
    if (kind === 'utp' && (failed || ways !== this.#ways)) {
      this.#byUtp.add(key)
      if (this.#byUtp.size > MOST_REMEMBERED) {
        for (const oldest of this.#byUtp) {
          this.#byUtp.delete(oldest)
          break
        }
      }
    }
    return connection
  }
}

interface Winner {
  readonly connection: PeerConnection
  readonly kind: Way['kind']
  /** A way that was begun before did not get through. */
  readonly failed: boolean
}

/** One run of {@link Ways.dial}. */
function race(
  ways: readonly Way[],
  address: HostPort,
  identity: Identity,
  options: WaysOptions,
): Promise<Winner> {
  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS
  const deadline = performance.now() + timeoutMs
  return new Promise((resolve, reject) => {
    const stop = new AbortController()
    const abort = (): void => stop.abort()
    let timer: NodeJS.Timeout | undefined
    let running = 0
    let next = 0
    let through = false
    let done = false
    let firstError: unknown

    const finish = (): void => {
      done = true
      clearTimeout(timer)
      options.signal?.removeEventListener('abort', abort)
      stop.abort()
    }
    const begin = (): void => {
      clearTimeout(timer)
      const way = ways[next++]
      if (way === undefined) return
      running++
      void attempt(way, running === 1 && next === 1)
      if (next < ways.length) {
        timer = setTimeout(() => {
          if (!through) begin()
        }, options.headStartMs ?? HEAD_START_MS)
      }
    }
    const attempt = async (way: Way, isFirst: boolean): Promise<void> => {
      let connected = false
      const connect: Connect = async (to, signal) => {
        const transport = await way.connect(to, signal)
        connected = through = true
        return transport
      }
      try {
        const connection = await dial(address, identity, {
          ...options,
          connect,
          signal: stop.signal,
          timeoutMs: Math.max(1, deadline - performance.now()),
        })
        if (done) return connection.close()
        finish()
        resolve({ connection, kind: way.kind, failed: !isFirst })
      } catch (error) {
        running--
        if (done) return
        if (connected) through = false
        if (isFirst || firstError === undefined) firstError = error
        // Who is not the peer that was meant is not so by another way either.
        const hopeless = error instanceof TorrentError && error.code === 'ERR_TORRENTFS_PROTOCOL'
        if (hopeless) firstError = error
        const over = hopeless || stop.signal.aborted || performance.now() >= deadline
        if (!over && next < ways.length) return begin()
        if (!over && running > 0) return
        finish()
        reject(firstError instanceof Error ? firstError : new Error(String(firstError)))
      }
    }

    if (ways.length === 0) {
      const message = `${formatAddress(address)}: there is no way to connect`
      return reject(new TorrentError('ERR_TORRENTFS_CONNECTION', message))
    }
    options.signal?.addEventListener('abort', abort, { once: true })
    if (options.signal?.aborted === true) abort()
    begin()
  })
}
