/**
 * What went to and fro: how much of it was of use, and where it came from. Of a torrent, or of a client.
 *
 * Pure. Owns the names and the sums. All counts are since the torrent was added, or the client made; none is kept on disk.
 */
import type { HolepunchCounts } from './extensions/holepunch.js'
import type { PexCounts } from './extensions/pex.js'
import type { AddressSource } from './peer/address-book.js'

/** Payload that was of no use, in bytes. */
export interface WastedBytes {
  /** It came twice, or when it was not wanted any more. */
  readonly duplicate: number
  /** Of pieces that did not match their hash. */
  readonly hashFailed: number
  /** Nobody had asked for it. */
  readonly unrequested: number
}

/** What came of one way to find peers. */
export interface SourceTraffic {
  /** Addresses that were not known before; of those who connected to us, none. */
  readonly addresses: number
  /** Connected now. */
  readonly connected: number
  /** Connections so far. */
  readonly connections: number
  /** Payload, in bytes, useful or not. */
  readonly downloaded: number
  readonly uploaded: number
}

/** What went by one kind of transport. */
export type TransportTraffic = Omit<SourceTraffic, 'addresses'>

/**
 * Who told of a peer: a tracker, the DHT, another peer (`pex`, also holepunching), the local network (`lsd`), the magnet link
 * or a caller of the library (`magnet`), an option (`pinned`); `incoming`: it came by itself; `webseed`: an HTTP server.
 */
export type TrafficSource = AddressSource | 'webseed'
/** By what bytes came and went; `http` and `https` are web seeds. */
export type TrafficTransport = 'tcp' | 'utp' | 'http' | 'https'

/** Plain data. Payload is the content of pieces alone. */
export interface Traffic {
  /** Payload bytes that went into pieces. */
  readonly usefulBytes: number
  /** Payload bytes that did not: the sum of `wasted`. */
  readonly wastedBytes: number
  readonly wasted: WastedBytes
  /** Pieces that did not match their hash. */
  readonly failedPieces: number
  /** Payload bytes sent to peers. */
  readonly uploadedBytes: number
  readonly sources: Readonly<Record<TrafficSource, SourceTraffic>>
  readonly transports: Readonly<Record<TrafficTransport, TransportTraffic>>
  readonly pex: Readonly<PexCounts>
  readonly holepunch: Readonly<HolepunchCounts>
}

/** Anew each time: clones of one object that is there twice have it twice as well. */
const none = (): TransportTraffic => ({ connected: 0, connections: 0, downloaded: 0, uploaded: 0 })
const noneOfSource = (): SourceTraffic => ({ addresses: 0, ...none() })

/** Nothing yet. */
export const NO_TRAFFIC: Traffic = {
  usefulBytes: 0,
  wastedBytes: 0,
  wasted: { duplicate: 0, hashFailed: 0, unrequested: 0 },
  failedPieces: 0,
  uploadedBytes: 0,
  sources: {
    pinned: noneOfSource(),
    magnet: noneOfSource(),
    tracker: noneOfSource(),
    dht: noneOfSource(),
    pex: noneOfSource(),
    lsd: noneOfSource(),
    incoming: noneOfSource(),
    webseed: noneOfSource(),
  },
  transports: { tcp: none(), utp: none(), http: none(), https: none() },
  pex: { sent: 0, received: 0, ignored: 0, addresses: 0 },
  holepunch: { asked: 0, relayed: 0, followed: 0 },
}

/** The sums of all counts. Shares nothing with what it is given. */
export function sumOfTraffic(parts: Iterable<Traffic>): Traffic {
  let sum = NO_TRAFFIC
  for (const part of parts) sum = sumOf(sum, part)
  return structuredClone(sum)
}

/** The same when all connections are gone. */
export function pastTraffic(traffic: Traffic): Traffic {
  const past = structuredClone(traffic) as { -readonly [K in keyof Traffic]: Traffic[K] }
  past.sources = mapValues(past.sources, sums => ({ ...sums, connected: 0 }))
  past.transports = mapValues(past.transports, sums => ({ ...sums, connected: 0 }))
  return past
}

function mapValues<K extends string, V>(
  record: Readonly<Record<K, V>>,
  change: (value: V) => V,
): Record<K, V> {
  const changed = Object.entries<V>(record).map(([key, value]) => [key, change(value)] as const)
  return Object.fromEntries(changed) as Record<K, V>
}

/** Of two objects of the same keys, whose values are numbers or such objects. */
function sumOf<T extends object>(a: T, b: T): T {
  return Object.fromEntries(
    Object.entries(a).map(([key, value]: [string, unknown]) => {
      const other: unknown = b[key as keyof T]
      return [
        key,
        typeof value === 'number' ? value + (other as number) : sumOf(value as object, other as object),
      ]
    }),
  ) as T
}
