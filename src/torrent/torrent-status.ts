/**
 * What can be seen of a torrent from outside: plain data, a snapshot.
 */
import type { TrackerStatus } from './discovery/tracker-record.js'

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
