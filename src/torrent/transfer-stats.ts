/**
 * What trackers are told of a torrent, and asked for it. BEP 3, 21.
 */
import type { Info } from './metainfo/info.js'
import type { TorrentEngine } from './torrent-engine.js'

/** What trackers are told of a torrent, in bytes. */
export interface TransferStats {
  readonly uploaded: number
  readonly downloaded: number
  /** Undefined before the metadata is known. */
  readonly left: number | undefined
  /** Something is missing, and nobody wants it now. */
  readonly paused: boolean
}

/**
 * @param stored - bytes that are stored
 * @param paused - the user paused it
 */
export function transferStats(
  info: Info | undefined,
  engine: TorrentEngine | undefined,
  stored: number,
  paused = false,
): TransferStats {
  const left = info === undefined ? undefined : info.length - stored
  return {
    uploaded: engine?.uploaded ?? 0,
    downloaded: engine?.core.payload.useful ?? 0,
    left,
    paused: paused || (engine !== undefined && !engine.core.wantsPeers && left !== 0),
  }
}

/** Addresses asked for when peers are wanted, at most: what trackers give at a time. */
const MOST_WANTED = 200
/** Addresses asked for when nothing is wanted: enough for a first read to find somebody. */
const WANTED_IDLE = 30

/**
 * How many addresses to ask a tracker for.
 *
 * @param room - how many more peers may be connected
 */
export function addressesWanted(wanting: boolean, room: number): number {
  if (room <= 0) return 0
  // Of the addresses trackers give, three in four lead nowhere.
  return wanting ? Math.min(MOST_WANTED, 4 * room) : Math.min(WANTED_IDLE, room)
}
