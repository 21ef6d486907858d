/**
 * What can be seen of a client from outside: plain data, a snapshot.
 */
import type { CacheStatus, PieceCache } from './capacity/piece-cache.js'
import type { ConnectionLimits } from './connection-limits.js'
import type { MemoryBudget } from './data/memory-budget.js'
import type { DhtStatus } from './discovery/dht/dht.js'
import type { LocalDiscoveryCounts } from './discovery/local-discovery.js'
import type { Network } from './network.js'
import type { EdgeStatus } from './network-edge.js'
import type { RatesStatus } from './rates.js'
import type { Torrent } from './torrent.js'
import type { Traffic } from './traffic.js'

/**
 * A client, as shown to users: plain data, fit for `structuredClone` and JSON. The traffic is that of all torrents since the
 * client was made, also of those that were removed since. Each torrent has a status of its own.
 */
export interface ClientStatus extends Traffic {
  /** Torrents, and of those the ones whose metadata is known and whose storage is open. */
  readonly torrents: number
  readonly ready: number
  /** The port peers connect to, and the one they come to from outside; 0 before `listen`, and where nobody can. */
  readonly port: number
  readonly publicPort: number
  readonly connections: {
    /** Connected peers, and attempts under way. */
    readonly used: number
    readonly max: number
  }
  /** Bytes of pieces that are being fetched, and how many there may be. */
  readonly memory: { readonly used: number; readonly max: number }
  /** What is kept of what may be kept; undefined without `cacheBytes`. */
  readonly cache: CacheStatus | undefined
  readonly rates: RatesStatus
  /** By which ways it reaches others. */
  readonly edge: EdgeStatus
  /** Undefined when it runs no DHT node. */
  readonly dht: DhtStatus | undefined
  /** Datagrams of local discovery; undefined when the local network is left alone. */
  readonly lsd: Readonly<LocalDiscoveryCounts> | undefined
}

/** Where a status is taken from. */
export interface ClientStatusSource {
  readonly torrents: ReadonlyMap<string, Torrent>
  readonly network: Network
  readonly limits: ConnectionLimits
  readonly budget: MemoryBudget
  readonly cache: PieceCache | undefined
  readonly traffic: Traffic
}

export function clientStatus({
  torrents,
  network,
  limits,
  budget,
  cache,
  traffic,
}: ClientStatusSource): ClientStatus {
  let ready = 0
  for (const torrent of torrents.values()) if (torrent.ready) ready++
  return {
    torrents: torrents.size,
    ready,
    port: network.port,
    publicPort: network.publicPort,
    connections: { used: limits.used, max: limits.max },
    memory: { used: budget.used, max: budget.bytes },
    cache: cache?.status(),
    rates: network.rates.status(),
    edge: network.status(),
    dht: network.dht?.status(),
    lsd: network.local === undefined ? undefined : { ...network.local.counts },
    ...traffic,
  }
}
