/**
 * How a torrent is added to a client, and removed from it.
 *
 * Owns the options' names, defaults and checks.
 */
import { TorrentError } from './errors.js'
import {
  checkOptions,
  hostAndPort,
  listOf,
  onOrOff,
  text,
  withMethods,
  type Checks,
} from './option-checks.js'
import type { HostPort } from './peer/address.js'
import { seedAddress } from './webseed/seed-address.js'

/** How a torrent is to be treated from the start. */
export interface AddOptions {
  /** See {@link Torrent.setSuperSeeding}. Default: false. */
  readonly superSeeding?: boolean
  /** Trackers beside those of the source: tiers of URLs. Default: none. */
  readonly trackers?: readonly (readonly string[])[]
  /** Peers beside those of the source. Default: none. */
  readonly peers?: readonly HostPort[]
  /** Web seeds of files (BEP 19) beside those of the source: URLs. Default: none. */
  readonly webSeeds?: readonly string[]
}

/** How a torrent is added that may have to be read or fetched first. */
export interface AddSourceOptions extends AddOptions {
  /** Ends reading or fetching; of no effect afterwards. */
  readonly signal?: AbortSignal
}

/** How a torrent is removed. */
export interface RemoveOptions {
  /**
   * Delete what was downloaded as well: its files or whatever the storage keeps of it, and its resume state. What other
   * torrents share and what others put beside it stays. Default: false.
   */
  readonly deleteData?: boolean
}

const ADD_CHECKS: Checks<AddSourceOptions> = {
  superSeeding: onOrOff,
  trackers: listOf(listOf(text('a URL'))),
  peers: listOf(hostAndPort(1)),
  webSeeds: listOf(text('an http or https URL', checkWebSeed)),
  signal: withMethods('addEventListener', 'throwIfAborted'),
}
const REMOVE_CHECKS: Checks<RemoveOptions> = { deleteData: onOrOff }

/** @throws ERR_TORRENTFS_ARGUMENT naming the option */
export function checkAddOptions(options: AddSourceOptions): void {
  checkOptions(options, ADD_CHECKS, 'add')
}

/** @throws ERR_TORRENTFS_ARGUMENT naming the option */
export function checkRemoveOptions(options: RemoveOptions): void {
  checkOptions(options, REMOVE_CHECKS, 'remove')
}

function checkWebSeed(url: string): void {
  if (seedAddress(url, true) === undefined)
    throw new TorrentError('ERR_TORRENTFS_ARGUMENT', 'webSeeds: a web seed needs an http or https URL')
}
