/**
 * The payload of one torrent's connections, by where their addresses came from and by transport.
 *
 * Owns the sums of connections that are gone; those of open ones are theirs, so that a block costs nothing here.
 */
import type { AddressSource } from './peer/address-book.js'
import type { Link } from './swarm.js'
import { NO_TRAFFIC, type Traffic, type TrafficTransport } from './traffic.js'

type Counted = Pick<Traffic, 'sources' | 'transports'>
type Sums = { -readonly [K in 'connections' | 'downloaded' | 'uploaded']: number }

export class SwarmTraffic {
  readonly #addresses = new Map<AddressSource, number>()
  readonly #sources = new Map<AddressSource, Sums>()
  readonly #transports = new Map<TrafficTransport, Sums>()

  /** So many addresses were told of that nobody had told of before. */
  told(source: AddressSource, addresses: number): void {
    this.#addresses.set(source, (this.#addresses.get(source) ?? 0) + addresses)
  }

  /** A connection ended. */
  closed(link: Link): void {
    add(sumsOf(this.#sources, link.source), link)
    add(sumsOf(this.#transports, link.connection.kind), link)
  }

  /** @param links those that are open */
  status(links: Iterable<Link>): Counted {
    const counts = structuredClone({
      sources: NO_TRAFFIC.sources,
      transports: NO_TRAFFIC.transports,
    }) as Writable
    for (const [source, addresses] of this.#addresses) counts.sources[source].addresses = addresses
    for (const [source, sums] of this.#sources) Object.assign(counts.sources[source], sums)
    for (const [transport, sums] of this.#transports) Object.assign(counts.transports[transport], sums)
    for (const link of links) {
      for (const sums of [counts.sources[link.source], counts.transports[link.connection.kind]]) {
        sums.connected++
        add(sums, link)
      }
    }
    return counts
  }
}

type Writable = {
  [K in keyof Counted]: {
    [N in keyof Counted[K]]: { -readonly [F in keyof Counted[K][N]]: number }
  }
}

function sumsOf<K>(map: Map<K, Sums>, key: K): Sums {
  let sums = map.get(key)
  if (sums === undefined) map.set(key, (sums = { connections: 0, downloaded: 0, uploaded: 0 }))
  return sums
}

function add(sums: Sums, { connection }: Link): void {
  sums.connections++
  sums.downloaded += connection.payloadReceived
  sums.uploaded += connection.payloadSent
}
