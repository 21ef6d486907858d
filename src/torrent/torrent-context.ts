/**
 * What a torrent is given: by its client, for all its life, and by who adds it.
 */
import type { ConnectionLimits } from './connection-limits.js'
import type { MemoryBudget } from './data/memory-budget.js'
import type { PieceStore } from './data/piece-store.js'
import type { TrackerClient } from './discovery/tracker-client.js'
import type { Logger } from './logger.js'
import type { HostPort } from './metainfo/addresses.js'
import type { Info } from './metainfo/info.js'
import type { Storage } from './storage/storage.js'

/** What a torrent shares with the others of its client. */
export interface TorrentContext {
  readonly peerId: Uint8Array
  readonly storage: Storage
  readonly store: PieceStore
  readonly budget: MemoryBudget
  readonly limits: ConnectionLimits
  readonly maxPeersPerTorrent: number
  readonly readaheadBytes: number
  readonly logger: Logger
  /** Undefined: announce to nobody. */
  readonly trackers: TrackerClient | undefined
  /** The port peers may connect to; 0 for none. */
  port(): number
  /** Runs `task`, which opens a torrent's storage, when its turn has come. */
  opening(infohash: string, task: () => Promise<void>): Promise<void>
  /** Keeps the info dictionary of a magnet for the next start. */
  keepMetadata(infohash: string, raw: Uint8Array): Promise<void>
}

/** What is known of a torrent when it is added. */
export interface TorrentSeed {
  readonly infohash: string
  readonly info?: Info
  readonly name?: string
  readonly creationDate?: number
  readonly trackers: readonly (readonly string[])[]
  readonly peers: readonly HostPort[]
}
