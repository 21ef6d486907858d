/**
 * The UDP tracker protocol's datagrams (BEP 15), with the URL's path and query for trackers that look at it (BEP 41).
 *
 * Owns how they are written and read; big-endian throughout. Must not touch a socket. A datagram that is not a whole
 * answer is undefined, not an error: anyone can send one. Pure.
 */
import {
  MAX_ADDRESSES,
  printable,
  type AnnounceAnswer,
  type AnnounceEvent,
  type AnnounceRequest,
  type ScrapeEntry,
} from './announce.js'
import { decodeCompact4, decodeCompact6 } from './compact-addresses.js'
import { announcedPort, UNKNOWN_LEFT } from './http-messages.js'

/** Bytes of a connection id. */
export const CONNECTION_ID_LENGTH = 8
/** How long a connection id may be used after it came, ms. */
export const CONNECTION_ID_LIFETIME = 60_000
/** Most infohashes of one scrape. */
export const MAX_UDP_SCRAPE = 74

const PROTOCOL_ID = 0x41727101980n
const ACTION_CONNECT = 0
const ACTION_ANNOUNCE = 1
const ACTION_SCRAPE = 2
/** Kinds of answers by their action number. */
const ANSWERS = ['connect', 'announce', 'scrape', 'error'] as const
/** BEP 15 knows no `paused`: a regular announce. */
const EVENTS: Readonly<Record<AnnounceEvent, number>> = { completed: 1, started: 2, stopped: 3, paused: 0 }
const ANNOUNCE_LENGTH = 98
const OPTION_END = 0
const OPTION_URL_DATA = 2
/** Keeps the request within any path's datagram size, with room for a long passkey. */
const MAX_URL_DATA = 1024

/** A datagram from a tracker, its payload a view of the datagram. */
export interface UdpAnswer {
  readonly kind: 'connect' | 'announce' | 'scrape' | 'error'
  readonly transaction: number
  readonly payload: Uint8Array
}

/** The request for a connection id: 16 bytes. */
export function encodeConnect(transaction: number): Uint8Array {
  const bytes = Buffer.alloc(16)
  bytes.writeBigUInt64BE(PROTOCOL_ID, 0)
  bytes.writeUInt32BE(ACTION_CONNECT, 8)
  bytes.writeUInt32BE(transaction, 12)
  return bytes
}

/**
 * An announce: 98 bytes, and the options of BEP 41 when the URL has more than a host.
 *
 * @param connection the 8 bytes of the connection id
 * @param tracker the tracker's URL
 */
export function encodeAnnounce(
  connection: Uint8Array,
  transaction: number,
  request: AnnounceRequest,
  tracker: URL,
): Uint8Array {
  const urlData = Buffer.from(
    tracker.pathname === '/' && tracker.search === '' ? '' : tracker.pathname + tracker.search,
  )
  const sent = urlData.length <= MAX_URL_DATA ? urlData : Buffer.alloc(0)
  const options = sent.length === 0 ? 0 : sent.length + 2 * Math.ceil(sent.length / 255) + 1
  const bytes = Buffer.alloc(ANNOUNCE_LENGTH + options)
  bytes.set(connection, 0)
  bytes.writeUInt32BE(ACTION_ANNOUNCE, 8)
  bytes.writeUInt32BE(transaction, 12)
  bytes.set(request.infohash, 16)
  bytes.set(request.peerId, 36)
  bytes.writeBigUInt64BE(BigInt(request.downloaded), 56)
  bytes.writeBigUInt64BE(BigInt(request.left ?? UNKNOWN_LEFT), 64)
  bytes.writeBigUInt64BE(BigInt(request.uploaded), 72)
  bytes.writeUInt32BE(request.event === undefined ? 0 : EVENTS[request.event], 80)
  // 84: the address to announce, 0 for the one this datagram comes from.
  bytes.writeUInt32BE(request.key >>> 0, 88)
  bytes.writeInt32BE(request.numWant, 92)
  bytes.writeUInt16BE(announcedPort(request), 96)
  let at = ANNOUNCE_LENGTH
  for (let from = 0; from < sent.length; from += 255) {
    const part = sent.subarray(from, from + 255)
    bytes[at] = OPTION_URL_DATA
    bytes[at + 1] = part.length
    bytes.set(part, at + 2)
    at += 2 + part.length
  }
  if (options > 0) bytes[at] = OPTION_END
  return bytes
}

/** A scrape of at most {@link MAX_UDP_SCRAPE} infohashes of 20 bytes. */
export function encodeScrape(
  connection: Uint8Array,
  transaction: number,
  infohashes: readonly Uint8Array[],
): Uint8Array {
  const bytes = Buffer.alloc(16 + 20 * infohashes.length)
  bytes.set(connection, 0)
  bytes.writeUInt32BE(ACTION_SCRAPE, 8)
  bytes.writeUInt32BE(transaction, 12)
  infohashes.forEach((infohash, index) => bytes.set(infohash, 16 + 20 * index))
  return bytes
}

/** Reads the head that all answers share; undefined for anything that has none. */
export function parseUdpAnswer(datagram: Uint8Array): UdpAnswer | undefined {
  if (datagram.length < 8) return undefined
  const view = viewOf(datagram)
  const kind = ANSWERS[view.getUint32(0)]
  if (kind === undefined) return undefined
  return { kind, transaction: view.getUint32(4), payload: datagram.subarray(8) }
}

/** The connection id in the payload of a `connect` answer: a copy. */
export function parseConnection(payload: Uint8Array): Uint8Array | undefined {
  return payload.length < CONNECTION_ID_LENGTH ? undefined : payload.slice(0, CONNECTION_ID_LENGTH)
}

/** Reads the payload of an `announce` answer; the addresses are of the family the datagram came over. */
export function parseUdpAnnounce(payload: Uint8Array, family: 4 | 6): AnnounceAnswer | undefined {
  if (payload.length < 12) return undefined
  const view = viewOf(payload)
  const decode = family === 4 ? decodeCompact4 : decodeCompact6
  return {
    kind: 'answer',
    interval: view.getUint32(0) * 1000,
    leechers: view.getUint32(4),
    seeders: view.getUint32(8),
    addresses: decode(payload.subarray(12), MAX_ADDRESSES),
  }
}

/** Reads the payload of a `scrape` answer to the given infohashes, in their order. */
export function parseUdpScrape(payload: Uint8Array, infohashes: readonly Uint8Array[]): ScrapeEntry[] {
  const view = viewOf(payload)
  const entries: ScrapeEntry[] = []
  for (let index = 0; index < infohashes.length && (index + 1) * 12 <= payload.length; index++) {
    entries.push({
      infohash: Buffer.from(infohashes[index]!).toString('hex'),
      seeders: view.getUint32(index * 12),
      downloads: view.getUint32(index * 12 + 4),
      leechers: view.getUint32(index * 12 + 8),
    })
  }
  return entries
}

/** The text of an `error` answer. */
export function parseUdpError(payload: Uint8Array): string {
  return printable(payload) || 'no reason given'
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}
