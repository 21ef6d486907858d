/**
 * What an announcer is given by the torrent that owns it.
 */
import type { TorrentError } from '../errors.js'
import type { Logger } from '../logger.js'
import type { AnnounceEvent, KnownAddress } from './announce.js'
import type { AnnounceSchedule } from './announce-schedule.js'
import type { TrackerClient } from './tracker-client.js'

/** Payload bytes since the start, and bytes still missing: undefined while the length is unknown. */
export interface AnnounceStats {
  readonly uploaded: number
  readonly downloaded: number
  readonly left: number | undefined
  /** Something is missing and nothing is wanted now: a partial seed (BEP 21). Default: false. */
  readonly paused?: boolean
}

/** How an announce ended. */
export interface Announced {
  /** The tracker's URL, with what it has of passkeys. */
  readonly url: string
  /** Undefined for a regular announce. */
  readonly event: AnnounceEvent | undefined
  /** Addresses it gave. */
  readonly addresses: number
  readonly seeders: number | undefined
  readonly leechers: number | undefined
  /** What went wrong; undefined when it answered. */
  readonly error: string | undefined
}

/** What an announcer needs. The callbacks are called from timers and I/O, never from within its own methods. */
export interface AnnouncerOptions {
  /** URLs in tiers (BEP 12). Those that are no tracker's are left out with a warning. */
  readonly tiers: readonly (readonly string[])[]
  /** 20 bytes. */
  readonly infohash: Uint8Array
  /** 20 bytes. */
  readonly peerId: Uint8Array
  /** The listener's TCP port, 0 for none. */
  readonly port: () => number
  readonly stats: () => AnnounceStats
  /** Addresses from a tracker, our own perhaps among them. */
  readonly onPeers: (addresses: readonly KnownAddress[], trackerUrl: string) => void
  /** A tracker answered, or did not. */
  readonly onAnnounced?: (announced: Announced) => void
  /** A tracker's warning or refusal, each text once. The message names the tracker without the user's passkey. */
  readonly onWarning?: (warning: TorrentError, trackerUrl: string) => void
  /** The address a tracker saw us come from (BEP 24); an answer's word, to be doubted. */
  readonly onExternalIp?: (ip: string, trackerUrl: string) => void
  /** Shared by the torrents of a client, and closed by it; without one the announcer makes and closes its own. */
  readonly trackers?: TrackerClient
  /** Ends everything at once and without `stopped` announces. */
  readonly signal?: AbortSignal
  /** Announce to every tier at once; on by default. */
  readonly everyTier?: boolean
  /** How many addresses would help now. Default: 100. */
  readonly numWant?: () => number
  readonly schedule?: Partial<AnnounceSchedule>
  /** Gives numbers in [0, 1). */
  readonly random?: () => number
  readonly logger?: Logger
}
