/**
 * What a client can be told, and what it does when it is not.
 *
 * Owns the options' names, units, defaults and checks.
 */
import { TorrentError } from './errors.js'
import type { Logger } from './logger.js'
import type { HostPort } from './peer/address.js'
import type { Storage } from './storage/storage.js'

/** Our name and version for other clients: BEP 20 peer ids begin with `-TF0100-`. */
export const CLIENT_NAME = 'torrentfs 0.1.0'
export const PEER_ID_PREFIX = '-TF0100-'

/** Options of a {@link Client}. */
export interface ClientOptions {
  /** Folder of downloaded data and resume state; created by the first write. */
  readonly downloadDir: string
  /** Where peers may connect to. Default: every address, a port the system chooses. */
  readonly listenAddr?: { readonly host?: string; readonly port: number }
  /** Peers added to every torrent and tried again every 10 s. Default: none. */
  readonly testPeers?: readonly HostPort[]
  /** Announce to no tracker. Default: false. */
  readonly disableTrackers?: boolean
  /** The most one reader fetches ahead, in bytes. Default: {@link DEFAULT_READAHEAD_BYTES}. */
  readonly readaheadBytes?: number
  /** Memory for pieces that are being fetched, in bytes, over all torrents. Default: 64 MiB. */
  readonly memoryBytes?: number
  /** Peers connected at a time, over all torrents. Default: 500. */
  readonly maxPeers?: number
  /** Peers connected at a time, of one torrent. Default: 50. */
  readonly maxPeersPerTorrent?: number
  /** Where the data goes. Default: files below `downloadDir`. Owned by the client from then on. */
  readonly storage?: Storage
  /** Default: silent. */
  readonly logger?: Logger
}

/** 32 MiB: see "Readahead" in ARCHITECTURE.md for the measurement. */
export const DEFAULT_READAHEAD_BYTES = 32 * 1024 * 1024
export const DEFAULT_MAX_PEERS = 500
export const DEFAULT_MAX_PEERS_PER_TORRENT = 50

/** @throws ERR_TORRENTFS_ARGUMENT naming the option */
export function checkClientOptions(options: ClientOptions): void {
  if (typeof options.downloadDir !== 'string' || options.downloadDir === '') {
    throw new TorrentError('ERR_TORRENTFS_ARGUMENT', 'downloadDir: a folder is needed')
  }
  checkPort('listenAddr.port', options.listenAddr?.port ?? 0, 0)
  for (const peer of options.testPeers ?? []) checkPort(`testPeers: ${peer.host}`, peer.port, 1)
  checkWhole('readaheadBytes', options.readaheadBytes, 0)
  checkWhole('memoryBytes', options.memoryBytes, 1)
  checkWhole('maxPeers', options.maxPeers, 1)
  checkWhole('maxPeersPerTorrent', options.maxPeersPerTorrent, 1)
}

function checkWhole(name: string, value: number | undefined, least: number): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= least)) return
  throw new TorrentError(
    'ERR_TORRENTFS_ARGUMENT',
    `${name}: ${value} is no whole number of at least ${least}`,
  )
}

function checkPort(name: string, port: number, least: number): void {
  if (Number.isInteger(port) && port >= least && port <= 65535) return
  throw new TorrentError('ERR_TORRENTFS_ARGUMENT', `${name}: ${port} is no port`)
}
