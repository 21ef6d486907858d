/**
 * How many peers of one torrent come from the same place: a host, or a network that one party may own.
 *
 * Owns the counts. Pure. What is near is not counted: behind a router or a container's proxy many peers have one address.
 */
import { realmOf } from '../net/ip-address.js'
import type { HostPort } from './address.js'

/** Peers of one host; several people may share an address, or one may run several programs. */
const LEAST_PER_HOST = 5
/** Peers of one /24, or of one /48 of IPv6. */
const LEAST_PER_NETWORK = 20

export class AddressCrowd {
  readonly #perHost: number
  readonly #perNetwork: number
  readonly #counts = new Map<string, number>()

  /** @param maxPeers - of the torrent: a tenth may be of one host, two fifths of one network, and a few in any case */
  constructor(maxPeers: number) {
    this.#perHost = Math.max(LEAST_PER_HOST, Math.floor(maxPeers / 10))
    this.#perNetwork = Math.max(LEAST_PER_NETWORK, Math.floor((2 * maxPeers) / 5))
  }

  /** Whether one more from there is welcome. */
  hasRoomFor({ host }: HostPort): boolean {
    const places = placesOf(host)
    if (places === undefined) return true
    return this.#count(places.host) < this.#perHost && this.#count(places.network) < this.#perNetwork
  }

  add({ host }: HostPort): void {
    this.#change(host, 1)
  }

  remove({ host }: HostPort): void {
    this.#change(host, -1)
  }

  #count(place: string): number {
    return this.#counts.get(place) ?? 0
  }

  #change(host: string, by: number): void {
    const places = placesOf(host)
    if (places === undefined) return
    for (const place of [places.host, places.network]) {
      const count = this.#count(place) + by
      if (count > 0) this.#counts.set(place, count)
      else this.#counts.delete(place)
    }
  }
}

/** The places of an IP literal in its normal spelling; undefined for a name and for what is near. */
function placesOf(host: string): { readonly host: string; readonly network: string } | undefined {
  if (realmOf(host) !== 'public') return undefined
  if (host.includes('.') && !host.includes(':')) {
    const octets = host.split('.')
    if (octets.length !== 4 || octets.some(octet => !/^\d+$/.test(octet))) return undefined
    return { host, network: `${octets.slice(0, 3).join('.')}.` }
  }
  if (!host.includes(':')) return undefined
  // One subscriber has a /64, whose addresses cost nothing.
  const groups = groupsOf(host)
  return { host: `${groups.slice(0, 4).join(':')}/64`, network: `${groups.slice(0, 3).join(':')}/48` }
}

/** The eight groups of an IPv6 literal. */
function groupsOf(host: string): string[] {
  const [head = '', tail] = host.split('::')
  const front = head === '' ? [] : head.split(':')
  const back = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - front.length - back.length)
  return [...front, ...Array.from({ length: zeros }, () => '0'), ...back]
}
