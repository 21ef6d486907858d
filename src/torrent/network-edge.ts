/**
 * The edge of a client's network: by which ways anything leaves or enters, as the user rules.
 *
 * Owns the outlet, the bound interface, the blocklists and the port mapping, from `open` to `close`. Knows no torrent.
 */
import { join } from 'node:path'

import type { ClientOptions } from './config.js'
import { type TorrentError } from './errors.js'
import { exposureOf, type Exposure } from './exposure.js'
import type { Logger } from './logger.js'
import { STATE_FOLDER } from './metainfo/info.js'
import { Blocklist } from './net/blocklist.js'
import { BoundInterface } from './net/bound-interface.js'
import { downloadHttp } from './net/http-download.js'
import { IpFilter, type BlockedCounts } from './net/ip-filter.js'
import { Outlet } from './net/outlet.js'
import { findPortGateway } from './net/find-port-gateway.js'
import { PortMapping, type PortMappingStatus, type TransportProtocol } from './net/port-mapping.js'
import { parseProxyUrl } from './net/proxy-url.js'

/** The edge, as shown to users: plain data. */
export interface EdgeStatus {
  /** `socks5://host:port`, without the password; undefined for none. */
  readonly proxy: string | undefined
  /** Why the proxy does not work now. */
  readonly proxyError: string | undefined
  /** The bound interface and its addresses; empty while it is down. */
  readonly bound: { readonly name: string; readonly addresses: readonly string[] } | undefined
  /** Ranges of the blocklists, the bytes they take, and how often they mattered. */
  readonly blocklist:
    { readonly ranges: number; readonly bytes: number; readonly blocked: BlockedCounts } | undefined
  readonly anonymous: boolean
  /** What the router lets in; undefined while it lets in nothing. */
  readonly portMapping: PortMappingStatus | undefined
}

export interface NetworkEdgeOptions {
  readonly client: ClientOptions
  readonly logger: Logger
  /** The blocklists changed: who is connected may be blocked now. */
  readonly onFilterChange: () => void
}

export class NetworkEdge {
  readonly exposure: Exposure
  readonly filter = new IpFilter()
  readonly outlet: Outlet
  readonly bound: BoundInterface | undefined
  readonly #o: NetworkEdgeOptions
  readonly #blocklist: Blocklist | undefined
  #proxyError: TorrentError | undefined
  #mapping: PortMapping | undefined

  constructor(o: NetworkEdgeOptions) {
    const { client } = o
    this.#o = o
    this.exposure = exposureOf(client)
    if (client.bindInterface !== undefined) this.bound = new BoundInterface({ name: client.bindInterface })
    this.outlet = new Outlet({
      filter: this.filter,
      ...(client.proxy === undefined ? {} : { proxy: parseProxyUrl(client.proxy) }),
      ...(this.bound === undefined ? {} : { bound: this.bound }),
      onProxyState: error => this.#proxyState(error),
    })
    this.#blocklist = this.#makeBlocklist()
    this.bound?.onChange(() => this.#sayBound())
  }

  /** Puts the rules in force that need time. @throws ERR_TORRENTFS_BLOCKLIST */
  async open(): Promise<void> {
    await this.#blocklist?.start()
    const { proxy } = this.outlet
    if (proxy !== undefined) {
      this.#o.logger.info(
        {},
        `all connections go through ${proxy.label}; what needs UDP or a port of ours is off: ` +
          'UDP trackers, DHT, uTP, local discovery, incoming peers, port mapping',
      )
    }
    if (this.bound !== undefined) this.#sayBound()
  }

  /**
   * Where to listen.
   *
   * @param host - What the user named; undefined or empty for every address.
   * @returns addresses, an empty one for all; none when there is to be no listening, now or at all
   */
  listenHosts(host: string | undefined): readonly string[] {
    if (!this.exposure.incoming) return []
    const { bound } = this
    if (bound === undefined) return [host ?? '']
    return [bound.address(4), bound.address(6)].filter(address => address !== undefined)
  }

  /** Whether peers can connect to this address of this machine. @param host - as of {@link listenHosts} */
  listensAt(address: string, host: string | undefined): boolean {
    return this.listenHosts(host).some(own => {
      if (own === '' || own === '::') return true
      return own === address || (own === '0.0.0.0' && !address.includes(':'))
    })
  }

  /**
   * Has the router let peers in at this port, in the background. Not where nobody could come from there: on loopback, or
   * at an address that is public.
   *
   * @param host - Where we listen; empty for every address.
   */
  mapPort(host: string, port: number, protocols: readonly TransportProtocol[]): void {
    if (!this.exposure.portMapping || this.#mapping !== undefined || port === 0 || protocols.length === 0)
      return
    const { bound } = this
    this.#mapping = new PortMapping({
      port,
      protocols,
      find: signal => findPortGateway({ host, bound, signal }),
      logger: this.#o.logger,
    })
    this.#mapping.start()
  }

  /** Takes that back; in a second at most. Never rejects. */
  async unmapPort(): Promise<void> {
    await this.#mapping?.stop()
  }

  status(): EdgeStatus {
    const { bound, filter } = this
    const addresses = [bound?.address(4), bound?.address(6)].filter(address => address !== undefined)
    return {
      proxy: this.outlet.proxy?.label,
      proxyError: this.#proxyError?.message,
      bound: bound === undefined ? undefined : { name: bound.name, addresses },
      blocklist:
        this.#blocklist === undefined
          ? undefined
          : { ranges: filter.size, bytes: filter.byteLength, blocked: filter.counts },
      anonymous: this.#o.client.anonymous === true,
      portMapping: this.#mapping?.status,
    }
  }

  /** Idempotent. */
  close(): void {
    this.#blocklist?.close()
    this.bound?.close()
  }

  #makeBlocklist(): Blocklist | undefined {
    const { client, logger, onFilterChange } = this.#o
    if (client.blocklist === undefined || client.blocklist.length === 0) return undefined
    const { userAgent } = this.exposure
    return new Blocklist({
      sources: client.blocklist,
      filter: this.filter,
      // Lists from URLs are not had without such a folder.
      cacheDir: join(client.downloadDir ?? '', STATE_FOLDER),
      download: (url, path, signal) =>
        downloadHttp(url, path, signal, {
          outlet: this.outlet,
          ...(userAgent === undefined ? {} : { userAgent }),
        }),
      logger,
      onChange: onFilterChange,
    })
  }

  #proxyState(error: TorrentError | undefined): void {
    this.#proxyError = error
    if (error === undefined) this.#o.logger.info({}, `the proxy ${this.outlet.proxy?.label} works again`)
    else this.#o.logger.warn({ code: error.code }, `${error.message}; nothing goes out without it`)
  }

  #sayBound(): void {
    const { bound } = this
    if (bound === undefined) return
    const addresses = [bound.address(4), bound.address(6)].filter(address => address !== undefined)
    if (addresses.length > 0) {
      this.#o.logger.info({}, `everything goes out from ${addresses.join(' and ')} (${bound.name})`)
    } else {
      this.#o.logger.warn({}, `the interface ${bound.name} has no address: nothing goes out until it has one`)
    }
  }
}
