/**
 * The way out: every connection to a peer, a tracker, a web seed is made here and nowhere else, by the user's rules.
 *
 * Owns those rules where connections are concerned: through the proxy or not at all; from the bound interface or not at
 * all; never to an address of the blocklist. Must not fall back: what cannot be had by the rules is not had. Datagrams
 * go by {@link Outlet.datagrams}: none with a proxy.
 */
import {
  connect as connectSocket,
  isIP,
  type OnReadOpts,
  type Socket,
  type TcpNetConnectOpts,
} from 'node:net'

import { messageOf, TorrentError } from '../errors.js'
import { formatHostPort, type HostPort } from '../metainfo/addresses.js'
import type { BoundInterface } from './bound-interface.js'
import { IpFilter, type BlockedOccasion } from './ip-filter.js'
import { lookupHost, type LookupHost, type LookedUp } from './host-lookup.js'
import { openTunnel } from './proxy-tunnel.js'
import type { ProxyServer } from './proxy-url.js'

export interface OutletOptions {
  readonly proxy?: ProxyServer
  readonly bound?: BoundInterface
  readonly filter?: IpFilter
  /** Resolves names; the system's resolver by default. Never called with a proxy, but for the proxy's own name. */
  readonly lookup?: LookupHost
  /** The proxy began to fail (an error), or works again (undefined). Not called for what lies behind it. */
  readonly onProxyState?: (error: TorrentError | undefined) => void
}

export interface OutgoingOptions {
  /** Aborting it ends the attempt; afterwards it has no effect. */
  readonly signal?: AbortSignal
  /** What the connection is for, when the blocklist counts it. Default: `dial`. */
  readonly occasion?: BlockedOccasion
  /** Only addresses of this family, when names are resolved here. */
  readonly family?: 4 | 6
  /** Where what comes is put, for sockets made here: see `node:net`. Not with a proxy: then there are `data` events. */
  readonly onread?: OnReadOpts
  /** Turns an address of a name down. @throws to refuse it */
  readonly check?: (address: string) => void
  /** Resolves the name; the outlet's own by default. */
  readonly lookup?: LookupHost
}

/** Names are in the hands of strangers. */
const MAX_NAME_LENGTH = 253

export class Outlet {
  readonly filter: IpFilter
  readonly proxy: ProxyServer | undefined
  readonly bound: BoundInterface | undefined
  readonly #lookup: LookupHost
  readonly #onProxyState: ((error: TorrentError | undefined) => void) | undefined
  /** Kept only to end those whose address the bound interface has lost. */
  readonly #sockets = new Set<Socket>()
  #proxyFails = false

  constructor(o: OutletOptions = {}) {
    this.proxy = o.proxy
    this.bound = o.bound
    this.filter = o.filter ?? new IpFilter()
    this.#lookup = o.lookup ?? (host => lookupHost(host, o.bound))
    this.#onProxyState = o.onProxyState
    this.bound?.onChange(() => this.#dropStranded())
  }

  /** Whether names are left to a proxy: nothing may be looked up then. */
  get proxied(): boolean {
    return this.proxy !== undefined
  }

  /** Whether datagrams may be sent at all: UDP trackers, DHT, uTP, local discovery. */
  get datagrams(): boolean {
    return this.proxy === undefined
  }

  /** Looks a name up by the rules. @throws as {@link LookupHost}; always with a proxy, which must do it itself */
  async lookup(host: string): Promise<readonly LookedUp[]> {
    if (this.proxied) throw new Error('names are left to the proxy')
    return await this.#lookup(host)
  }

  /** The address a socket of this family must be bound to: empty for any, undefined when it must not be opened. */
  localAddress(family: 4 | 6): string | undefined {
    return this.bound === undefined ? '' : this.bound.address(family)
  }

  /**
   * Connects.
   *
   * @returns a connected socket, paused; the caller's from then on
   * @throws ERR_TORRENTFS_CONNECTION when there is no connection to be had or it is not allowed, ERR_TORRENTFS_PROXY
   * when the proxy fails, ERR_TORRENTFS_ABORTED
   */
  async connect(to: HostPort, o: OutgoingOptions = {}): Promise<Socket> {
    if (o.signal?.aborted === true) throw aborted(to)
    if (to.host.length > MAX_NAME_LENGTH) throw failed(to, 'a name that is too long')
    this.#admit(to, to.host, o)
    const { proxy } = this
    if (proxy !== undefined) return await this.#throughProxy(proxy, to, o.signal)
    return await this.#direct(to, o)
  }

  /** An incoming socket: it ends with the rest when the bound interface loses its address. */
  adopt(socket: Socket): void {
    if (this.bound === undefined || socket.destroyed) return
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
  }

  /**
   * The addresses of a name (an IP literal is its own) that may be gone to, best first.
   *
   * @throws ERR_TORRENTFS_CONNECTION when there is none, or the name is the proxy's to resolve
   */
  async resolve(host: string, o: OutgoingOptions = {}): Promise<readonly LookedUp[]> {
    const to = { host, port: 0 }
    if (this.proxied) throw failed(to, 'names are left to the proxy')
    const all = await this.#addresses(to, o)
    return all.filter(({ address }) => !this.filter.blocks(address, o.occasion ?? 'dial'))
  }

  #admit(to: HostPort, address: string, o: OutgoingOptions): void {
    if (this.filter.blocks(address, o.occasion ?? 'dial')) throw failed(to, 'an address of the blocklist')
  }

  async #throughProxy(proxy: ProxyServer, to: HostPort, signal?: AbortSignal): Promise<Socket> {
    let socket: Socket | undefined
    try {
      socket = await this.#direct(proxy, signal === undefined ? {} : { signal }, true)
      await openWatched(socket, proxy, to, signal)
      this.#proxyState(undefined)
      return socket
    } catch (error) {
      if (!(error instanceof TorrentError)) throw error
      if (error.code === 'ERR_TORRENTFS_ABORTED') {
        // A SOCKS5 proxy greets before it connects: given up on after silence, it is at fault, not the peer.
        if (proxy.kind === 'socks5' && socket?.bytesRead === 0) this.#proxyState(silent(proxy))
        throw error
      }
      // The proxy answered, if only to say that the other end does not.
      const works = error.code === 'ERR_TORRENTFS_CONNECTION'
      this.#proxyState(works ? undefined : error)
      throw error
    }
  }

  #proxyState(error: TorrentError | undefined): void {
    if (this.#proxyFails === (error !== undefined)) return
    this.#proxyFails = error !== undefined
    this.#onProxyState?.(error)
  }

  async #direct(to: HostPort, o: OutgoingOptions, isProxy = false): Promise<Socket> {
    try {
      return await this.#open(to, o, isProxy)
    } catch (error) {
      if (!isProxy || !(error instanceof TorrentError) || error.code === 'ERR_TORRENTFS_ABORTED') throw error
      const label = this.proxy?.label ?? ''
      throw new TorrentError('ERR_TORRENTFS_PROXY', `proxy ${label}: cannot be reached: ${error.message}`, {
        cause: error,
      })
    }
  }

  async #open(to: HostPort, o: OutgoingOptions, isProxy: boolean): Promise<Socket> {
    const options: TcpNetConnectOpts = { host: to.host, port: to.port, noDelay: true }
    if (o.onread !== undefined) options.onread = o.onread
    let family = isIP(to.host)
    if (family === 0) {
      const looked = await unlessAborted(this.#addresses(to, o), to, o.signal)
      const allowed = isProxy
        ? looked
        : looked.filter(({ address }) => !this.filter.blocks(address, o.occasion ?? 'dial'))
      const [best] = allowed
      if (best === undefined) throw failed(to, 'an address of the blocklist')
      family = best.family
      // From one address only one family can be reached, and Node tries but one then.
      if (this.bound !== undefined) options.host = best.address
      else
        options.lookup = (_host, asked, callback) => {
          if (asked.all === true) callback(null, [...allowed])
          else callback(null, best.address, best.family)
        }
    }
    if (this.bound !== undefined) {
      const own = this.bound.address(family === 6 ? 6 : 4)
      if (own === undefined) throw failed(to, `the interface ${this.bound.name} has no IPv${family} address`)
      options.localAddress = own
    }
    return await this.#connected(to, options, o.signal)
  }

  async #addresses(to: HostPort, o: OutgoingOptions): Promise<readonly LookedUp[]> {
    const family = isIP(to.host)
    let looked: readonly LookedUp[]
    if (family !== 0) looked = [{ address: to.host, family: family === 6 ? 6 : 4 }]
    else {
      try {
        looked = await (o.lookup ?? this.#lookup)(to.host)
      } catch (error) {
        throw failed(to, messageOf(error), error)
      }
    }
    const usable = looked.filter(
      address =>
        (o.family === undefined || address.family === o.family) &&
        this.localAddress(address.family) !== undefined,
    )
    if (usable.length === 0) throw failed(to, 'no address that can be reached from here')
    for (const { address } of usable) o.check?.(address)
    return usable
  }

  #connected(to: HostPort, options: TcpNetConnectOpts, signal?: AbortSignal): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const socket = connectSocket(options)
      socket.pause()
      const release = (): void => {
        signal?.removeEventListener('abort', abort)
        socket.off('connect', connected).off('error', fail)
      }
      const abort = (): void => {
        release()
        socket.on('error', () => {}).destroy()
        reject(aborted(to))
      }
      const fail = (error: Error): void => {
        release()
        // An attempt at several addresses that ends late has nobody to tell.
        socket.on('error', () => {})
        reject(
          failed(to, messageOf(error) || (error as NodeJS.ErrnoException).code || 'no connection', error),
        )
      }
      const connected = (): void => {
        release()
        this.adopt(socket)
        resolve(socket)
      }
      socket.once('connect', connected).once('error', fail)
      signal?.addEventListener('abort', abort, { once: true })
    })
  }

  /** What is bound to an address that is gone would hang until it times out, or come to life elsewhere. */
  #dropStranded(): void {
    const own = [this.bound?.address(4), this.bound?.address(6)]
    for (const socket of this.#sockets) {
      const local = socket.localAddress?.replace(/^::ffff:(?=\d+\.)/, '')
      if (local !== undefined && own.includes(local)) continue
      socket.destroy(
        Object.assign(new Error(`the interface ${this.bound?.name} lost its address`), { code: 'ENETDOWN' }),
      )
    }
  }
}

/** Runs what is said over a socket; aborting destroys the socket, which ends the talk. */
async function openWatched(
  socket: Socket,
  proxy: ProxyServer,
  to: HostPort,
  signal: AbortSignal | undefined,
): Promise<void> {
  // Whoever gets the socket listens for its errors; until then nobody may.
  socket.on('error', () => {})
  const abort = (): void => void socket.destroy()
  signal?.addEventListener('abort', abort, { once: true })
  try {
    await openTunnel(socket, proxy, to)
  } catch (error) {
    if (signal?.aborted === true) throw aborted(to)
    throw error
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}

function unlessAborted<T>(work: Promise<T>, to: HostPort, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work
  return new Promise<T>((resolve, reject) => {
    const abort = (): void => reject(aborted(to))
    if (signal.aborted) return abort()
    signal.addEventListener('abort', abort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

function failed(to: HostPort, why: string, cause?: unknown): TorrentError {
  if (cause instanceof TorrentError) return cause
  const where = to.port === 0 ? to.host : formatHostPort(to)
  return new TorrentError('ERR_TORRENTFS_CONNECTION', `${where}: ${why}`, { cause })
}

function silent({ label }: ProxyServer): TorrentError {
  return new TorrentError('ERR_TORRENTFS_PROXY', `proxy ${label}: it says nothing: is it a SOCKS5 proxy?`)
}

function aborted(to: HostPort): TorrentError {
  return new TorrentError('ERR_TORRENTFS_ABORTED', `connecting to ${formatHostPort(to)} was given up`)
}
