/**
 * The UDP tracker protocol from the tracker's side: requests in, answers out (BEP 15; the options of BEP 41 are skipped).
 *
 * Owns how they are read and written. A datagram that is no whole request is undefined: anyone can send one. Pure.
 */
import type { AnnounceEvent, ScrapeEntry } from '../discovery/announce.js'
import { CONNECTION_ID_LENGTH, MAX_UDP_SCRAPE } from '../discovery/udp-messages.js'
import type { PeerAnswer } from './swarm-register.js'

/** A request; its bytes are views of the datagram. */
export type UdpRequest =
  | { readonly kind: 'connect'; readonly transaction: number }
  | {
      readonly kind: 'announce'
      readonly transaction: number
      readonly connection: Uint8Array
      readonly infohash: Uint8Array
      readonly left: number
      readonly event: AnnounceEvent | undefined
      /** Undefined when the sender leaves it to the tracker. */
      readonly numWant: number | undefined
      readonly port: number
    }
  | {
      readonly kind: 'scrape'
      readonly transaction: number
      readonly connection: Uint8Array
      readonly infohashes: readonly Uint8Array[]
    }

const PROTOCOL_ID = 0x41727101980n
const ACTION = { connect: 0, announce: 1, scrape: 2, error: 3 } as const
const EVENTS: readonly (AnnounceEvent | undefined)[] = [undefined, 'completed', 'started', 'stopped']
const HEAD_LENGTH = 16
const ANNOUNCE_LENGTH = 98

/** Reads a datagram. */
export function parseUdpRequest(datagram: Uint8Array): UdpRequest | undefined {
  if (datagram.length < HEAD_LENGTH) return undefined
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.length)
  const transaction = view.getUint32(12)
  const connection = datagram.subarray(0, CONNECTION_ID_LENGTH)
  switch (view.getUint32(8)) {
    case ACTION.connect:
      return view.getBigUint64(0) === PROTOCOL_ID ? { kind: 'connect', transaction } : undefined
    case ACTION.announce: {
      if (datagram.length < ANNOUNCE_LENGTH) return undefined
      const numWant = view.getInt32(92)
      return {
        kind: 'announce',
        transaction,
        connection,
        infohash: datagram.subarray(16, 36),
        left: Number(view.getBigUint64(64)),
        event: EVENTS[view.getUint32(80)],
        numWant: numWant < 0 ? undefined : numWant,
        port: view.getUint16(96),
      }
    }
    case ACTION.scrape: {
      const count = Math.min(MAX_UDP_SCRAPE, Math.floor((datagram.length - HEAD_LENGTH) / 20))
      if (count === 0) return undefined
      const infohashes = Array.from({ length: count }, (_, index) =>
        datagram.subarray(HEAD_LENGTH + 20 * index, HEAD_LENGTH + 20 * (index + 1)),
      )
      return { kind: 'scrape', transaction, connection, infohashes }
    }
    default:
      return undefined
  }
}

/** The answer to `connect`: as long as the question. */
export function encodeUdpConnection(transaction: number, connection: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(16)
  head(bytes, ACTION.connect, transaction)
  bytes.set(connection, 8)
  return bytes
}

/** @param intervalMs until the next announce */
export function encodeUdpAnnounce(transaction: number, answer: PeerAnswer, intervalMs: number): Uint8Array {
  const size = answer.addresses[0]?.length ?? 0
  const bytes = new Uint8Array(20 + size * answer.addresses.length)
  const view = head(bytes, ACTION.announce, transaction)
  view.setUint32(8, Math.round(intervalMs / 1000))
  view.setUint32(12, answer.leechers)
  view.setUint32(16, answer.seeders)
  answer.addresses.forEach((address, index) => bytes.set(address, 20 + size * index))
  return bytes
}

/** @param entries in the order they were asked for; undefined for what is not known */
export function encodeUdpScrape(
  transaction: number,
  entries: readonly (ScrapeEntry | undefined)[],
): Uint8Array {
  const bytes = new Uint8Array(8 + 12 * entries.length)
  const view = head(bytes, ACTION.scrape, transaction)
  entries.forEach((entry, index) => {
    view.setUint32(8 + 12 * index, entry?.seeders ?? 0)
    view.setUint32(12 + 12 * index, entry?.downloads ?? 0)
    view.setUint32(16 + 12 * index, entry?.leechers ?? 0)
  })
  return bytes
}

/** @param reason ASCII, at most 28 characters: an answer is never longer than the shortest request it can follow */
export function encodeUdpError(transaction: number, reason: string): Uint8Array {
  const bytes = new Uint8Array(8 + reason.length)
  head(bytes, ACTION.error, transaction)
  bytes.set(Buffer.from(reason, 'latin1'), 8)
  return bytes
}

function head(bytes: Uint8Array, action: number, transaction: number): DataView {
  const view = new DataView(bytes.buffer)
  view.setUint32(0, action)
  view.setUint32(4, transaction)
  return view
}
