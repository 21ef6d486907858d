/**
 * The entry `torrentfs/tracker`: talking to trackers over HTTP and UDP without a client, and being one (BEP 3, 7, 15, 23,
 * 24, 31, 41, 48).
 *
 * @module torrentfs/tracker
 */
/// <reference types="node" preserve="true" />
export type {
  AnnounceAnswer,
  AnnounceEvent,
  AnnounceRequest,
  KnownAddress,
  ScrapeAnswer,
  ScrapeEntry,
  TrackerRefusal,
} from '../discovery/announce.js'
export {
  AnnounceLimiter,
  type AnnounceLane,
  type AnnounceLimiterOptions,
} from '../discovery/announce-limiter.js'
export {
  TrackerClient,
  type TrackerClientOptions,
  type TrackerRequestOptions,
} from '../discovery/tracker-client.js'
export { parseTrackerUrl, scrapeUrlOf, trackerLabel } from '../discovery/tracker-url.js'
export { messageOf, TorrentError, type TorrentErrorCode } from '../errors.js'
export { formatHostPort, type HostPort } from '../metainfo/addresses.js'
export {
  TrackerServer,
  type TakenAnnounce,
  type TrackerServerOptions,
  type TrackerServerStats,
} from '../tracker/tracker-server.js'
export type { LookupHost } from '../net/host-resolver.js'
export type { RegisterCounts } from '../tracker/swarm-register.js'
