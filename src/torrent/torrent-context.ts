/**
 * What a torrent is given: by its client, for all its life, and by who adds it.
 */
import type { CustomExtension } from './custom-extensions.js'
import type { PieceCache } from './capacity/piece-cache.js'
import type { MemoryBudget } from './data/memory-budget.js'
import type { PieceStore } from './data/piece-store.js'
import type { Logger } from './logger.js'
import type { HostPort } from './metainfo/addresses.js'
import type { Info } from './metainfo/info.js'
import type { FileRange } from './metainfo/select-only.js'
import type { Network } from './network.js'
import type { Storage } from './storage/storage.js'
import type { NamedWebSeed } from './web-seeds.js'

/** What a torrent shares with the others of its client. */
export interface TorrentContext {
  /** Who we are in a torrent that is added now: 20 bytes. */
  readonly peerId: () => Uint8Array
  readonly storage: Storage
  readonly store: PieceStore
  readonly budget: MemoryBudget
  /** Undefined where the storage may hold everything. */
  readonly cache: PieceCache | undefined
  readonly network: Network
  readonly maxPeersPerTorrent: number
  readonly readaheadBytes: number
  /** Of the user of the library. */
  readonly extensions: readonly CustomExtension[]
  readonly logger: Logger
  /** Runs `task`, which opens a torrent's storage, when its turn has come. */
  opening(infohash: string, task: () => Promise<void>): Promise<void>
  /** Keeps the info dictionary of a magnet for the next start. */
  keepMetadata(infohash: string, raw: Uint8Array): void
  /** The torrent file that a magnet link led to: it is merged into its torrent, and kept for the next start. */
  learn(infohash: string, metainfo: Uint8Array): void
}

/** What is known of a torrent when it is added. */
export interface TorrentSeed {
  readonly infohash: string
  readonly info?: Info
  readonly name?: string
  readonly creationDate?: number
  readonly trackers: readonly (readonly string[])[]
  readonly peers: readonly HostPort[]
  readonly webSeeds: readonly NamedWebSeed[]
  /** DHT nodes. */
  readonly nodes?: readonly HostPort[]
  /** URLs of the torrent file. */
  readonly sources?: readonly string[]
  /** The files that are meant; undefined for all. */
  readonly selectOnly?: readonly FileRange[]
}
