/**
 * What the torrents of one client share to reach peers: the port, the ways out, the limits, the trackers, the DHT, the web seeds'
 * connections.
 *
 * Owns them from `listen` to `close`. Knows torrents by infohash alone, and nothing of their pieces.
 */
import { randomBytes } from 'node:crypto'
import { isIP } from 'node:net'
import { join } from 'node:path'

import { DEFAULT_ENCRYPTION, DEFAULT_MAX_PEERS, type ClientOptions } from './config.js'
import { ConnectionLimits } from './connection-limits.js'
import { Dht } from './discovery/dht/dht.js'
import { LocalDiscovery, LSD_GROUP4, LSD_GROUP6, LSD_PORT } from './discovery/local-discovery.js'
import { MetainfoFetcher } from './discovery/metainfo-fetcher.js'
import { TrackerClient } from './discovery/tracker-client.js'
import { messageOf, TorrentError } from './errors.js'
import type { Exposure } from './exposure.js'
import type { Logger } from './logger.js'
import { STATE_FOLDER } from './metainfo/info.js'
import type { DatagramPort } from './net/datagram-port.js'
import { MulticastGroup } from './net/multicast-group.js'
import type { TransportProtocol } from './net/port-mapping.js'
import { NetworkEdge, type EdgeStatus } from './network-edge.js'
import { formatAddress, type HostPort } from './peer/address.js'
import type { PeerConnection } from './peer/connection.js'
import type { EncryptionPolicy } from './peer/encryption.js'
import { GreetingMemory } from './peer/greeting-memory.js'
import type { Identity } from './peer/handshaking.js'
import { PeerListener } from './peer/listener.js'
import { TcpTransport } from './peer/tcp-transport.js'
import { TorrentKeys } from './peer/torrent-keys.js'
import { UtpPorts } from './peer/utp/utp-ports.js'
import { Ways, type Way } from './peer/ways.js'
import { openPorts, type Ports } from './ports.js'
import { RateLimits } from './rates.js'
import { HttpPool } from './webseed/http-pool.js'

export interface NetworkOptions {
  readonly client: ClientOptions
  readonly logger: Logger
  /** Who we are in the torrent with this infohash (40 hex digits), or undefined when we do not take part in it. */
  readonly identity: (infohash: string) => Identity | undefined
  /** Takes over an incoming connection; false when its torrent is gone. */
  readonly accept: (connection: PeerConnection, infohash: string) => boolean
  /** All connections are taken: has some torrent drop a useless one. False when there is none. */
  readonly makeRoom: () => boolean
  /** The blocklists changed: peers that are blocked now are to be dropped. */
  readonly onFilterChange: () => void
}

/** Between two attempts to listen where the bound interface is now, ms. */
const MOVE_RETRY_MS = 2000

export class Network {
  readonly limits: ConnectionLimits
  readonly rates: RateLimits
  /** Undefined: announce to nobody. */
  readonly trackers: TrackerClient | undefined
  /** Whether peers may be told of peers (BEP 11). */
  readonly pex: boolean
  /** The local network (BEP 14); undefined when it is left alone. */
  readonly local: LocalDiscovery | undefined
  /** By which ways anything goes out and in: its outlet and its filter are for whoever opens a socket. */
  readonly edge: NetworkEdge
  /** Connections to web seeds; undefined: none are used. */
  readonly webSeeds: HttpPool | undefined
  /** Undefined: not wanted, or not possible without datagrams. */
  readonly dht: Dht | undefined
  /** Of torrent files that magnet links name. */
  readonly metainfos: MetainfoFetcher
  /** See {@link NetworkOptions.makeRoom}. */
  readonly makeRoom: () => boolean
  readonly #options: ClientOptions
  readonly #logger: Logger
  readonly #listener: PeerListener
  readonly #encryption: {
    readonly policy: EncryptionPolicy
    readonly torrents: TorrentKeys
    readonly memory: GreetingMemory
  }
  readonly #close = new AbortController()
  readonly #group: MulticastGroup | undefined
  #ports: Ports | undefined
  /** The port to keep when the listener moves; 0 before there is one. */
  #listenPort = 0
  #moving: Promise<void> = Promise.resolve()
  #moveAgain: NodeJS.Timeout | undefined
  #stopped = false
  #unmapping: Promise<void> | undefined
  #utp: UtpPorts | undefined
  #ways: Ways

  constructor({ client, logger, identity, accept, makeRoom, onFilterChange }: NetworkOptions) {
    this.#options = client
    this.makeRoom = makeRoom
    this.#logger = logger
    this.edge = new NetworkEdge({ client, logger, onFilterChange })
    const { exposure, filter, outlet } = this.edge
    this.limits = new ConnectionLimits(client.maxPeers ?? DEFAULT_MAX_PEERS)
    this.trackers =
      client.disableTrackers === true
        ? undefined
        : new TrackerClient({ outlet, userAgent: exposure.userAgent ?? '' })
    this.metainfos = new MetainfoFetcher({ outlet, userAgent: exposure.userAgent ?? '' })
    this.rates = new RateLimits(client)
    this.pex = client.disablePex !== true
    if (exposure.localDiscovery && client.disableLsd !== true) {
      this.#group = new MulticastGroup({
        port: LSD_PORT,
        group4: LSD_GROUP4,
        group6: LSD_GROUP6,
        usable: address => this.edge.listensAt(address, client.listenAddr?.host),
        heard: (bytes, from) => this.local?.heard(bytes, from, performance.now()),
        failed: reason => logger.debug({}, `local discovery: ${reason}`),
      })
      const cookie = randomBytes(8).toString('hex')
      this.local = new LocalDiscovery({ group: this.#group, port: () => this.port, cookie })
    }
    this.#encryption = {
      policy: client.encryption ?? DEFAULT_ENCRYPTION,
      torrents: new TorrentKeys(),
      memory: new GreetingMemory(),
    }
    this.webSeeds =
      client.disableWebSeeds === true ? undefined : new HttpPool({ outlet, userAgent: exposure.userAgent })
    this.dht = makeDht(client, this.edge, logger)
    this.#listener = new PeerListener({
      resolve: identity,
      accept: (connection, infohash) => {
        if (!accept(connection, infohash)) connection.close()
      },
      refuse: address => filter.blocks(address.host, 'incoming') || !this.limits.mayGreet(performance.now()),
      onSocket: socket => outlet.adopt(socket),
      onDropped: error => logger.debug({}, error.message),
      encryption: this.#encryption,
    })
    this.#ways = this.#makeWays()
  }

  /** A torrent has come: peers may name it. @param infohash - 20 bytes */
  enter(infohash: Uint8Array): void {
    this.#encryption.torrents.add(infohash)
  }

  /** A torrent has gone. */
  leave(infohash: Uint8Array): void {
    this.#encryption.torrents.remove(infohash)
  }

  /** The port peers may connect to, the same for TCP and UDP; 0 before {@link listen}. */
  get port(): number {
    return this.#ports?.port ?? 0
  }

  /** The port that peers from outside come to: the router's, where it lets them in by another number. */
  get publicPort(): number {
    const { port } = this
    return port === 0 ? 0 : (this.edge.status().portMapping?.tcp ?? port)
  }

  /** The UDP port that uTP and the DHT share, by address family; undefined before {@link listen}, or when there is none. */
  get udp4(): DatagramPort | undefined {
    return this.#ports?.udp4
  }

  get udp6(): DatagramPort | undefined {
    return this.#ports?.udp6
  }

  /** What we show of ourselves and which ways may be used at all. */
  get exposure(): Exposure {
    return this.edge.exposure
  }

  /** @throws ERR_TORRENTFS_LISTEN, ERR_TORRENTFS_BLOCKLIST */
  async listen(): Promise<void> {
    if (this.#ports !== undefined) throw new TorrentError('ERR_TORRENTFS_LISTEN', 'listening already')
    await this.edge.open()
    const { port } = this.#options.listenAddr ?? { port: 0 }
    this.#listenPort = port
    await this.#openPorts()
    this.#group?.open()
    this.local?.start()
    this.edge.bound?.onChange(() => this.#movePorts())
    // It was ended meanwhile.
    if (this.#close.signal.aborted) await Promise.all([this.stopListening(), this.#closePorts()])
  }

  async #openPorts(): Promise<void> {
    const hosts = this.edge.listenHosts(this.#options.listenAddr?.host)
    if (hosts.length === 0) return
    const ports = await openPorts({
      hosts,
      port: this.#listenPort,
      listener: this.#options.disableTcp === true ? undefined : this.#listener,
      filter: this.edge.filter,
      logger: this.#logger,
    })
    this.#ports = ports
    this.#listenPort = ports.port
    const udp = [ports.udp4, ports.udp6].filter(port => port !== undefined)
    this.dht?.attach(udp)
    if (this.#options.disableUtp !== true && udp.length > 0) {
      this.#utp = new UtpPorts({
        ports: udp,
        resolve: host => this.edge.outlet.resolve(host),
        accept: transport => this.#listener.take(transport),
      })
      this.#ways = this.#makeWays()
    }
    const protocols: TransportProtocol[] = this.#options.disableTcp === true ? [] : ['TCP']
    if (ports.udp4 !== undefined) protocols.push('UDP')
    this.edge.mapPort(hosts[0] ?? '', ports.port, protocols)
  }

  /** Whether we have nothing to do with an address that was told of. */
  isBlocked(address: HostPort): boolean {
    return this.edge.filter.blocks(address.host, 'known')
  }

  status(): EdgeStatus {
    return this.edge.status()
  }

  /** Connects to a peer by what ways there are. @throws as {@link dial} does */
  dial(address: HostPort, identity: Identity, signal: AbortSignal): Promise<PeerConnection> {
    return this.#ways.dial(address, identity, { signal, encryption: this.#encryption })
  }

  /** Lets no new peer in. Connections that are there go on. */
  async stopListening(): Promise<void> {
    this.#stopped = true
    this.#utp?.stopAccepting()
    clearTimeout(this.#moveAgain)
    await this.#moving
    this.#unmapping = this.edge.unmapPort()
    await this.#listener.close()
  }

  /** Ends what the torrents shared, after them. */
  async close(): Promise<void> {
    this.#close.abort()
    await this.dht?.close()
    this.trackers?.close()
    this.local?.close()
    this.#group?.close()
    this.metainfos.close()
    this.rates.close()
    this.edge.close()
    await Promise.all([this.webSeeds?.close(), this.#closePorts(), this.#unmapping])
  }

  /** TCP goes first: where both lead, it is the faster one. */
  #makeWays(): Ways {
    const ways: Way[] = []
    const utp = this.#utp
    if (this.#options.disableTcp !== true) {
      ways.push({ kind: 'tcp', connect: (to, until) => TcpTransport.connect(to, until, this.edge.outlet) })
    }
    if (utp !== undefined) ways.push({ kind: 'utp', connect: (to, until) => utp.connect(to, until) })
    return new Ways(ways)
  }

  async #closePorts(): Promise<void> {
    this.#utp?.close()
    await Promise.all([this.udp4?.close(), this.udp6?.close()])
  }

  /** The bound interface has other addresses: the ports are to be found there. */
  #movePorts(): void {
    clearTimeout(this.#moveAgain)
    this.#moving = this.#moving.then(async () => {
      if (this.#stopped) return
      const hosts = this.edge.listenHosts(undefined)
      try {
        if (this.#ports === undefined) return await this.#openPorts()
        await this.#listener.close()
        await Promise.all([moveUdp(this.udp4, hosts), moveUdp(this.udp6, hosts)])
        if (hosts.length > 0 && this.#options.disableTcp !== true) {
          await this.#listener.listen(hosts, this.#listenPort)
        }
      } catch (error) {
        const where = hosts.map(host => formatAddress({ host, port: this.#listenPort })).join(', ')
        this.#logger.warn({}, `nobody can connect to us at ${where}: ${messageOf(error)}`)
        // An IPv6 address that is new may not be bound for a second or two.
        this.#moveAgain = setTimeout(() => this.#movePorts(), MOVE_RETRY_MS)
        this.#moveAgain.unref()
      }
    })
  }
}

async function moveUdp(port: DatagramPort | undefined, hosts: readonly string[]): Promise<void> {
  const family = port?.family
  await port?.moveTo?.(hosts.find(host => isIP(host) === family))
}

function makeDht(client: ClientOptions, edge: NetworkEdge, logger: Logger): Dht | undefined {
  if (client.disableDht === true || !edge.exposure.datagrams) return undefined
  return new Dht({
    ...(client.dhtBootstrap === undefined ? {} : { bootstrap: client.dhtBootstrap }),
    ...(client.downloadDir === undefined ? {} : { path: join(client.downloadDir, STATE_FOLDER, 'dht') }),
    lookup: host => edge.outlet.lookup(host),
    allows: host => !edge.filter.has(host),
    logger,
  })
}
