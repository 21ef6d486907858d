/**
 * The peers that others have announced to us, for who asks. BEP 5.
 *
 * Pure; times are of any one clock, ms. Whatever is announced, and by however many: the numbers of torrents, of peers of one
 * and of peers of one host are capped, and all of it is forgotten in time.
 */
import type { HostPort } from '../../metainfo/addresses.js'
import { whereIs } from './contact.js'

interface Announced {
  readonly address: HostPort
  readonly expiresAt: number
}

/** Announces are renewed every 15 to 30 minutes by those who do; then a peer is taken to be gone. */
const LIFETIME_MS = 45 * 60_000
const MAX_TORRENTS = 2000
const MAX_PEERS_OF_TORRENT = 200
const MAX_PEERS = 40_000
/** A host may announce several peers (a NAT's customers share one), but not fill a torrent. */
const MAX_PEERS_OF_HOST = 8

export class PeerStore {
  /** Torrents by infohash, the one announced longest ago first; in each, peers in the same order. */
  readonly #torrents = new Map<string, Map<string, Announced>>()
  #peers = 0

  get torrents(): number {
    return this.#torrents.size
  }

  get peers(): number {
    return this.#peers
  }

  /** Keeps a peer of a torrent, or renews it. */
  add(infohash: Uint8Array, { host, port }: HostPort, now: number): void {
    const key = keyOf(infohash)
    const peers = this.#torrents.get(key) ?? new Map<string, Announced>()
    this.#torrents.delete(key)
    this.#torrents.set(key, peers)
    const where = whereIs({ host, port })
    if (peers.delete(where)) this.#peers--
    else {
      let ofHost = 0
      for (const { address } of peers.values())
        if (address.host === host && ++ofHost >= MAX_PEERS_OF_HOST) return
    }
    peers.set(where, { address: { host, port }, expiresAt: now + LIFETIME_MS })
    this.#peers++
    if (peers.size > MAX_PEERS_OF_TORRENT) this.#dropOldest(peers)
    while (this.#torrents.size > MAX_TORRENTS || this.#peers > MAX_PEERS) this.#dropOldestTorrent()
  }

  /** At most `count` peers of a torrent, from a random place on: `chance` is in [0, 1). */
  get(infohash: Uint8Array, count: number, chance: number, now: number): HostPort[] {
    const peers = this.#torrents.get(keyOf(infohash))
    if (peers === undefined) return []
    const alive = [...peers.values()].filter(({ expiresAt }) => expiresAt > now)
    const from = alive.length > count ? Math.floor(chance * alive.length) : 0
    return [...alive.slice(from), ...alive.slice(0, from)].slice(0, count).map(({ address }) => address)
  }

  /** Forgets what has expired. */
  expire(now: number): void {
    for (const [key, peers] of this.#torrents) {
      for (const [where, { expiresAt }] of peers) {
        if (expiresAt > now) break
        peers.delete(where)
        this.#peers--
      }
      if (peers.size === 0) this.#torrents.delete(key)
    }
  }

  #dropOldest(peers: Map<string, Announced>): void {
    for (const where of peers.keys()) {
      peers.delete(where)
      this.#peers--
      return
    }
  }

  #dropOldestTorrent(): void {
    for (const [key, peers] of this.#torrents) {
      this.#torrents.delete(key)
      this.#peers -= peers.size
      return
    }
  }
}

function keyOf(infohash: Uint8Array): string {
  return Buffer.from(infohash.buffer, infohash.byteOffset, infohash.byteLength).toString('latin1')
}
