/**
 * The DHT as the rest of the engine sees it: nodes for IPv4 and IPv6 on the client's UDP ports, begun when first needed, kept
 * over restarts. BEP 5, 32.
 *
 * Owns the clock, the timer, the names of routers and the saved table. The ports are their owner's to close. Speaks to nobody
 * before a torrent that may be looked for in public is searched, or a caller asks something.
 */
import { randomBytes } from 'node:crypto'

import { messageOf } from '../../errors.js'
import type { Logger } from '../../logger.js'
import { formatHostPort, type HostPort } from '../../metainfo/addresses.js'
import type { DatagramPort } from '../../net/datagram-port.js'
import { HostResolver, type LookupHost } from '../../net/host-resolver.js'
import { familyOf, type Family } from './contact.js'
import { DhtNode } from './dht-node.js'
import { Questions, type GetPeersOptions, type Pong } from './questions.js'
import { SavedNodes, type SavedTables } from './saved-nodes.js'
import { Searches, type Search, type SearchOptions } from './searches.js'

/** Where a node without a table begins, unless told otherwise. */
export const DEFAULT_ROUTERS: readonly HostPort[] = [
  { host: 'router.bittorrent.com', port: 6881 },
  { host: 'dht.transmissionbt.com', port: 6881 },
  { host: 'router.utorrent.com', port: 6881 },
  { host: 'dht.libtorrent.org', port: 25401 },
  { host: 'dht.aelitis.com', port: 6881 },
]

export interface DhtOptions {
  /** Nodes to begin with; names are resolved. Default: {@link DEFAULT_ROUTERS}; none: whom torrents and peers name. */
  readonly bootstrap?: readonly HostPort[]
  /** Where the table is kept between runs; undefined: nowhere. */
  readonly path?: string
  /** Whether an address may be spoken to at all. Default: every one. */
  readonly allows?: (host: string) => boolean
  /** Resolves routers' names. Default: the system. */
  readonly lookup?: LookupHost
  readonly logger: Logger
}

/** What is to be seen of the DHT. */
export interface DhtStatus {
  /** Nothing has needed it yet; or it is under way. */
  readonly state: 'idle' | 'running'
  /** Nodes in the tables. */
  readonly nodes4: number
  readonly nodes6: number
  /** Our addresses as other nodes see them. */
  readonly seenAs: readonly string[]
  /** Torrents looked up and announced, and lookups under way. */
  readonly torrents: number
  readonly lookups: number
  /** Queries of ours that wait for an answer. */
  readonly asking: number
  /** Peers that others have announced to us. */
  readonly announcedToUs: number
}

/** How long routers' names may take before nodes are asked without them, in ms. */
const RESOLVE_RETRY_MS = 30_000
/** The table is kept soon after the start, for who is killed, and every so often. */
const FIRST_SAVE_MS = 15_000
const SAVE_MS = 5 * 60_000
/** Nodes that a torrent or a peer names are of use to beginners only. */
const ENOUGH_NODES = 64
const MAX_NAMED = 16

/** The client's part in the DHT. */
export class Dht {
  readonly #o: DhtOptions
  readonly #saved: SavedNodes | undefined
  readonly #resolver: HostResolver
  readonly #nodes = new Map<Family, DhtNode>()
  readonly #searches: Searches
  readonly #questions: Questions
  readonly #ending = new AbortController()
  readonly #stopListening: (() => void)[] = []
  #ports: readonly DatagramPort[] = []
  #starting: Promise<void> | undefined
  #running = false
  #timer: NodeJS.Timeout | undefined
  #timerAt = Infinity
  #saveAt = Infinity
  #resolveAt = Infinity
  #usable = false
  #closing: Promise<void> | undefined

  constructor(options: DhtOptions) {
    this.#o = options
    this.#resolver = new HostResolver(options.lookup)
    this.#saved = options.path === undefined ? undefined : new SavedNodes(options.path, options.logger)
    this.#searches = new Searches(
      { nodes: () => [...this.#nodes.values()], chance: Math.random, changed: () => this.#arm() },
      now(),
    )
    this.#questions = new Questions({
      nodes: async () => {
        await this.#start()
        return [...this.#nodes.values()]
      },
      sent: () => this.#arm(),
      ended: this.#ending.signal,
    })
  }

  /** The UDP port of our node, for peers (BEP 5's PORT message); 0 while there is none. */
  get port(): number {
    return this.#ports[0]?.port ?? 0
  }

  /** Gives the ports to speak through, one of each family at most. Call once; before it, nothing is sent. @internal */
  attach(ports: readonly DatagramPort[]): void {
    this.#ports = ports
    if (this.#searches.size > 0) void this.#start()
  }

  /**
   * Looks for a torrent's peers and announces it, until the search is stopped. The torrent must not be private.
   *
   * @internal
   */
  search(options: SearchOptions): Search {
    const search = this.#searches.add(options, now())
    void this.#start()
    return search
  }

  /** Hears of addresses where nodes may be, of a torrent's metainfo or of peers; they are asked while we know few. */
  addNodes(addresses: readonly HostPort[]): void {
    if (!this.#running) {
      void this.#start().then(() => this.#running && this.addNodes(addresses))
      return
    }
    for (const address of addresses.slice(0, MAX_NAMED)) void this.#addNode(address)
  }

  /** A peer says that it runs a node: asked if ours is running. Costs nothing otherwise. */
  addPeersNode(address: HostPort): void {
    if (this.#running) void this.#addNode(address)
  }

  /**
   * Looks a torrent up once. The caller answers for its not being private.
   *
   * @param infohash 40 hexadecimal digits
   * @returns every peer that was told of; none when there was nobody to ask
   * @throws ERR_TORRENTFS_ARGUMENT, ERR_TORRENTFS_ABORTED, ERR_TORRENTFS_CLOSED
   */
  getPeers(infohash: string, options?: GetPeersOptions): Promise<HostPort[]> {
    return this.#questions.getPeers(infohash, options)
  }

  /**
   * Asks a node whether it is there.
   *
   * @param address an IP literal and a port
   * @returns undefined when it does not answer within some seconds
   * @throws ERR_TORRENTFS_ARGUMENT for a host that is no IP address, ERR_TORRENTFS_CLOSED
   */
  ping(address: HostPort): Promise<Pong | undefined> {
    return this.#questions.ping(address)
  }

  /** A snapshot: plain data. */
  status(): DhtStatus {
    const nodes = [...this.#nodes.values()]
    const sum = (of: (node: DhtNode) => number): number => nodes.reduce((total, node) => total + of(node), 0)
    return {
      state: this.#running ? 'running' : 'idle',
      nodes4: this.#nodes.get(4)?.table.size ?? 0,
      nodes6: this.#nodes.get(6)?.table.size ?? 0,
      seenAs: nodes.map(node => node.seenAs).filter(host => host !== undefined),
      torrents: this.#searches.size,
      lookups: this.#searches.running,
      asking: sum(node => node.asking),
      announcedToUs: sum(node => node.peers.peers),
    }
  }

  /** Ends it and keeps the table. Idempotent. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async #close(): Promise<void> {
    this.#ending.abort()
    clearTimeout(this.#timer)
    for (const stop of this.#stopListening) stop()
    await this.#starting
    clearTimeout(this.#timer)
    if (this.#running) await this.#saved?.save(this.#tables())
    this.#running = false
  }

  #start(): Promise<void> {
    if (this.#ports.length === 0 || this.#closing !== undefined) return Promise.resolve()
    return (this.#starting ??= this.#begin())
  }

  async #begin(): Promise<void> {
    const tables = (await this.#saved?.load()) ?? {}
    if (this.#closing !== undefined) return
    const at = now()
    for (const port of this.#ports) {
      const { family } = port
      const saved = tables[family]
      const node = new DhtNode(
        {
          family,
          ...(saved === undefined ? {} : { id: saved.id }),
          send: (bytes, to) => port.send(bytes, to),
          random: randomBytes,
          ...(this.#o.allows === undefined ? {} : { allows: this.#o.allows }),
          sibling: () => this.#nodes.get(family === 4 ? 6 : 4),
        },
        at,
      )
      this.#nodes.set(family, node)
      if (saved !== undefined) node.restore(saved.contacts, at)
      this.#stopListening.push(port.listen((bytes, from) => this.#receive(node, bytes, from)))
    }
    this.#running = true
    this.#saveAt = at + FIRST_SAVE_MS
    for (const node of this.#nodes.values()) node.bootstrap([], at)
    void this.#resolve()
    this.#look()
  }

  #receive(node: DhtNode, bytes: Uint8Array, from: HostPort): void {
    if (this.#closing !== undefined) return
    node.receive(bytes, from, now())
    this.#look()
  }

  /** Finds the routers' addresses, and begins with them. */
  async #resolve(): Promise<void> {
    const routers = this.#o.bootstrap ?? DEFAULT_ROUTERS
    this.#resolveAt = Infinity
    if (routers.length === 0) return
    const found = await Promise.all(routers.map(router => this.#addressesOf(router)))
    if (this.#closing !== undefined) return
    const addresses = found.flat()
    if (addresses.length === 0) {
      this.#resolveAt = now() + RESOLVE_RETRY_MS
      this.#o.logger.info(
        { routers: routers.map(formatHostPort) },
        'no DHT router has an address; trying again',
      )
    }
    const at = now()
    for (const node of this.#nodes.values()) node.bootstrap(addresses, at)
    this.#look()
  }

  async #addressesOf({ host, port }: HostPort): Promise<HostPort[]> {
    try {
      const resolved = await this.#resolver.resolve(host)
      return resolved.map(({ address }) => ({ host: address, port }))
    } catch (error) {
      this.#o.logger.debug({ host }, messageOf(error))
      return []
    }
  }

  async #addNode(address: HostPort): Promise<void> {
    const wanted = (family: Family): boolean =>
      (this.#nodes.get(family)?.table.size ?? ENOUGH_NODES) < ENOUGH_NODES
    if (!wanted(4) && !wanted(6)) return
    for (const where of await this.#addressesOf(address)) {
      const family = familyOf(where.host)
      if (this.#closing === undefined && wanted(family)) this.#nodes.get(family)?.heardOf(where, now())
    }
    this.#arm()
  }

  /** After anything that may have changed what is to be done next. */
  #look(): void {
    const usable = [...this.#nodes.values()].some(node => node.usable)
    if (usable && !this.#usable) this.#searches.hurryAll(now())
    this.#usable = usable
    this.#arm()
  }

  #tick(): void {
    this.#timer = undefined
    this.#timerAt = Infinity
    if (this.#closing !== undefined) return
    const at = now()
    for (const node of this.#nodes.values()) node.tick(at)
    this.#searches.tick(at)
    if (at >= this.#resolveAt) void this.#resolve()
    if (at >= this.#saveAt) {
      this.#saveAt = at + SAVE_MS
      void this.#saved?.save(this.#tables())
    }
    this.#look()
  }

  #arm(): void {
    if (!this.#running || this.#closing !== undefined) return
    const at = now()
    let wakeAt = Math.min(this.#searches.nextAt, this.#saveAt, this.#resolveAt)
    for (const node of this.#nodes.values()) wakeAt = Math.min(wakeAt, node.wakeAt(at))
    if (wakeAt >= this.#timerAt) return
    clearTimeout(this.#timer)
    this.#timerAt = wakeAt
    this.#timer = setTimeout(() => this.#tick(), Math.max(0, Math.ceil(wakeAt - at)))
    this.#timer.unref()
  }

  #tables(): SavedTables {
    const tables: SavedTables = {}
    for (const [family, { id, table }] of this.#nodes) {
      // Those that answer first: the file's length is capped.
      const contacts = [...table.nodes()].sort((a, b) => a.failures - b.failures)
      tables[family] = { id, contacts }
    }
    return tables
  }
}

/** ms by a clock that nobody sets. */
function now(): number {
  return performance.now()
}
