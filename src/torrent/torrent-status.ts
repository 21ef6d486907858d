/**
 * What can be seen of a torrent from outside: plain data, a snapshot.
 */
import type { PeerNumber } from './core/events.js'
import type { TrackerStatus } from './discovery/tracker-record.js'
import { formatAddress } from './peer/address.js'
import type { Link } from './swarm.js'
import type { TorrentEngine } from './torrent-engine.js'

export interface PeerStatus {
  /** `host:port`. */
  readonly address: string
  /** What it calls itself, if it said so. */
  readonly client: string | undefined
  readonly incoming: boolean
  /** It does not answer requests now. */
  readonly choking: boolean
  /** We want something of it. */
  readonly interesting: boolean
  /** Bytes/s it delivers when it is busy for us. */
  readonly rate: number
  readonly rttMs: number
  /** Requests it has not answered. */
  readonly outstanding: number
  /** It delivers nothing of what it owes. */
  readonly snubbed: boolean
  /** Payload bytes. */
  readonly downloaded: number
  readonly uploaded: number
}

export interface TorrentStatus {
  /** 40 hexadecimal digits. */
  readonly infohash: string
  readonly name: string
  readonly ready: boolean
  /** Bytes; undefined before the metadata is known. */
  readonly length: number | undefined
  readonly storedBytes: number
  /** Payload bytes that came and were of use, and that were not. */
  readonly usefulBytes: number
  readonly wastedBytes: number
  /** Pieces that did not match their hash. */
  readonly failedPieces: number
  readonly uploadedBytes: number
  readonly openReaders: number
  /** Reads that wait for pieces. */
  readonly waitingReads: number
  /** Pieces that are being fetched. */
  readonly openPieces: number
  readonly knownAddresses: number
  readonly peers: readonly PeerStatus[]
  readonly trackers: readonly TrackerStatus[]
}

/** Where a status is taken from. */
export interface TorrentStatusSource {
  readonly torrent: { readonly infohash: string; readonly name: string; readonly ready: boolean }
  readonly links: Iterable<Link>
  readonly known: number
  readonly clientOf: (peer: PeerNumber) => string | undefined
  readonly engine: TorrentEngine | undefined
  readonly length: number | undefined
  readonly storedBytes: number
  readonly trackers: readonly TrackerStatus[]
}

export function torrentStatus(source: TorrentStatusSource): TorrentStatus {
  const { torrent, engine } = source
  const core = engine?.core
  const payload = core?.payload
  return {
    infohash: torrent.infohash,
    name: torrent.name,
    ready: torrent.ready,
    length: source.length,
    storedBytes: source.storedBytes,
    usefulBytes: payload?.useful ?? 0,
    wastedBytes: payload?.wasted ?? 0,
    failedPieces: payload?.failedPieces ?? 0,
    uploadedBytes: engine?.uploaded ?? 0,
    openReaders: core?.openReaders ?? 0,
    waitingReads: core?.waitingReads ?? 0,
    openPieces: core?.openPieces ?? 0,
    knownAddresses: source.known,
    peers: Array.from(source.links, link => peerStatus(link, source.clientOf(link.number), engine)),
    trackers: source.trackers,
  }
}

function peerStatus(
  { number, connection }: Link,
  client: string | undefined,
  engine: TorrentEngine | undefined,
): PeerStatus {
  const state = engine?.core.peer(number)
  return {
    address: formatAddress(connection.address),
    client,
    incoming: connection.incoming,
    choking: state?.peerChoking ?? true,
    interesting: state?.amInterested ?? false,
    rate: Math.round(state?.rate ?? 0),
    rttMs: Math.round(state?.rttMs ?? 0),
    outstanding: state?.outstanding.size ?? 0,
    snubbed: state?.snubbedSince !== undefined,
    downloaded: connection.payloadReceived,
    uploaded: connection.payloadSent,
  }
}
