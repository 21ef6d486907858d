/**
 * Who takes part in which torrent, as a tracker knows it: announces in, addresses and numbers out (BEP 3, 7, 21, 48).
 *
 * Owns the peers, when they are forgotten, and the caps that keep strangers from filling the memory. A peer is an address
 * with its port, since anyone can claim to have any peer id. Must not read a clock or draw chance: both are given. Pure.
 */
import type { AnnounceEvent, ScrapeEntry } from '../discovery/announce.js'

/** One announce, its address already that of the sender. */
export interface PeerAnnounce {
  /** 40 lower-case hexadecimal digits. */
  readonly infohash: string
  /** The sender's address and the port it takes peers at: 6 or 18 bytes. */
  readonly address: Uint8Array
  /** Bytes it lacks; 0 for a seeder. */
  readonly left: number
  readonly event: AnnounceEvent | undefined
  /** How many addresses it wants; more than the register gives is as many as that. */
  readonly numWant: number
}

/** What an announce brings. */
export interface PeerAnswer {
  /** Other peers of the sender's family, 6 or 18 bytes each, in any order. */
  readonly addresses: readonly Uint8Array[]
  readonly seeders: number
  readonly leechers: number
  readonly downloads: number
}

/** The caps of a {@link SwarmRegister}. */
export interface SwarmLimits {
  /** Torrents known at once. When full, one with few peers that was not heard of for long makes room. */
  readonly maxTorrents: number
  /** Peers of one torrent and family. Who comes then is answered, but not given to others. */
  readonly maxPeersPerTorrent: number
  /** Peers of one torrent behind one address (IPv6: one /64). */
  readonly maxPeersPerAddress: number
  /** Addresses in one answer. */
  readonly maxAddresses: number
  /** A peer that was not heard of for this long is gone, ms. */
  readonly expiryMs: number
}

/** How much a register holds. */
export interface RegisterCounts {
  readonly torrents: number
  readonly seeders: number
  readonly leechers: number
}

interface Peer {
  readonly address: Uint8Array
  seeder: boolean
  /** BEP 21: it lacks something, and wants nothing. */
  paused: boolean
  expiresAt: number
  /** Its place among the peers that are drawn from. */
  place: number
}

/** The peers of one torrent and family. */
class Crowd {
  /** The one heard of longest ago first. */
  readonly byKey = new Map<string, Peer>()
  /** In no order, to draw from. */
  readonly seeders: Peer[] = []
  readonly others: Peer[] = []
  readonly perAddress = new Map<string, number>()

  remove(key: string, peer: Peer): void {
    this.byKey.delete(key)
    this.#unlist(peer)
    const host = hostKeyOf(peer.address)
    const count = this.perAddress.get(host)! - 1
    if (count === 0) this.perAddress.delete(host)
    else this.perAddress.set(host, count)
  }

  add(key: string, peer: Peer): void {
    this.byKey.set(key, peer)
    this.#list(peer)
    const host = hostKeyOf(peer.address)
    this.perAddress.set(host, (this.perAddress.get(host) ?? 0) + 1)
  }

  /** Heard of again: it is the last to be forgotten. */
  renew(key: string, peer: Peer, seeder: boolean): void {
    this.byKey.delete(key)
    this.byKey.set(key, peer)
    if (peer.seeder === seeder) return
    this.#unlist(peer)
    peer.seeder = seeder
    this.#list(peer)
  }

  expire(now: number): void {
    for (const [key, peer] of this.byKey) {
      if (peer.expiresAt > now) return
      this.remove(key, peer)
    }
  }

  #list(peer: Peer): void {
    const list = peer.seeder ? this.seeders : this.others
    peer.place = list.length
    list.push(peer)
  }

  #unlist(peer: Peer): void {
    const list = peer.seeder ? this.seeders : this.others
    const last = list.pop()!
    if (last === peer) return
    list[peer.place] = last
    last.place = peer.place
  }
}

interface Swarm {
  readonly crowd4: Crowd
  readonly crowd6: Crowd
  downloads: number
}

/** Torrents looked at for one to give up when the register is full. */
const LOOKED_AT = 32

/** All torrents of one tracker. */
export class SwarmRegister {
  readonly #limits: SwarmLimits
  readonly #random: () => number
  /** The one heard of longest ago first. */
  readonly #swarms = new Map<string, Swarm>()

  /** @param random numbers in [0, 1) */
  constructor(limits: SwarmLimits, random: () => number) {
    this.#limits = limits
    this.#random = random
  }

  /** Takes an announce at `now` (ms). */
  announce(o: PeerAnnounce, now: number): PeerAnswer {
    const swarm = this.#swarmOf(o.infohash)
    const crowd = o.address.length === 6 ? swarm.crowd4 : swarm.crowd6
    crowd.expire(now)
    const key = Buffer.from(o.address).toString('latin1')
    const known = crowd.byKey.get(key)
    if (o.event === 'stopped') {
      if (known !== undefined) crowd.remove(key, known)
    } else {
      const seeder = o.left === 0
      // Who was never a leecher here did not download here.
      if (o.event === 'completed' && seeder && known?.seeder === false) swarm.downloads++
      const expiresAt = now + this.#limits.expiryMs
      const paused = o.event === 'paused'
      if (known !== undefined) {
        crowd.renew(key, known, seeder)
        Object.assign(known, { expiresAt, paused })
      } else if (this.#hasRoom(crowd, o.address)) {
        crowd.add(key, { address: o.address, seeder, paused, expiresAt, place: 0 })
      }
    }
    const wanted = o.event === 'stopped' ? 0 : Math.min(o.numWant, this.#limits.maxAddresses)
    return { addresses: this.#draw(crowd, key, o.left === 0, wanted), ...numbersOf(swarm) }
  }

  /** The numbers of a torrent; undefined when none of its peers was heard of. */
  scrape(infohash: string, now: number): ScrapeEntry | undefined {
    const swarm = this.#swarms.get(infohash)
    if (swarm === undefined) return undefined
    swarm.crowd4.expire(now)
    swarm.crowd6.expire(now)
    return { infohash, ...numbersOf(swarm) }
  }

  /** Forgets who was not heard of for long, and torrents of nobody. Called now and then. */
  sweep(now: number): void {
    for (const [infohash, swarm] of this.#swarms) {
      swarm.crowd4.expire(now)
      swarm.crowd6.expire(now)
      if (sizeOf(swarm) === 0) this.#swarms.delete(infohash)
    }
  }

  /** Forgets torrents that are served no more. */
  keepOnly(served: (infohash: string) => boolean): void {
    for (const infohash of this.#swarms.keys()) if (!served(infohash)) this.#swarms.delete(infohash)
  }

  counts(): RegisterCounts {
    let seeders = 0
    let leechers = 0
    for (const swarm of this.#swarms.values()) {
      const numbers = numbersOf(swarm)
      seeders += numbers.seeders
      leechers += numbers.leechers
    }
    return { torrents: this.#swarms.size, seeders, leechers }
  }

  #swarmOf(infohash: string): Swarm {
    let swarm = this.#swarms.get(infohash)
    if (swarm === undefined) {
      if (this.#swarms.size >= this.#limits.maxTorrents) this.#makeRoom()
      swarm = { crowd4: new Crowd(), crowd6: new Crowd(), downloads: 0 }
    } else this.#swarms.delete(infohash)
    this.#swarms.set(infohash, swarm)
    return swarm
  }

  /** Who announces torrents that nobody else has cannot drive out those that others share. */
  #makeRoom(): void {
    let victim: string | undefined
    let least = Infinity
    let looked = 0
    for (const [infohash, swarm] of this.#swarms) {
      const size = sizeOf(swarm)
      if (size < least) {
        victim = infohash
        least = size
      }
      if (least === 0 || ++looked === LOOKED_AT) break
    }
    if (victim !== undefined) this.#swarms.delete(victim)
  }

  #hasRoom(crowd: Crowd, address: Uint8Array): boolean {
    if (crowd.byKey.size >= this.#limits.maxPeersPerTorrent) return false
    return (crowd.perAddress.get(hostKeyOf(address)) ?? 0) < this.#limits.maxPeersPerAddress
  }

  /** Addresses from a place drawn by lot, without the sender's; seeders are of no use to a seeder. */
  #draw(crowd: Crowd, own: string, toSeeder: boolean, wanted: number): Uint8Array[] {
    const self = crowd.byKey.get(own)
    const { others, seeders } = crowd
    const total = others.length + (toSeeder ? 0 : seeders.length)
    const addresses: Uint8Array[] = []
    if (total === 0 || wanted <= 0) return addresses
    const start = Math.floor(this.#random() * total)
    for (let step = 0; step < total && addresses.length < wanted; step++) {
      const at = (start + step) % total
      const peer = at < others.length ? others[at]! : seeders[at - others.length]!
      if (peer !== self && !(toSeeder && peer.paused)) addresses.push(peer.address)
    }
    return addresses
  }
}

function numbersOf({ crowd4, crowd6, downloads }: Swarm): Omit<ScrapeEntry, 'infohash'> {
  return {
    seeders: crowd4.seeders.length + crowd6.seeders.length,
    leechers: crowd4.others.length + crowd6.others.length,
    downloads,
  }
}

function sizeOf({ crowd4, crowd6 }: Swarm): number {
  return crowd4.byKey.size + crowd6.byKey.size
}

/** One household: an IPv4 address, or the /64 that anyone with IPv6 has. */
function hostKeyOf(address: Uint8Array): string {
  return Buffer.from(address.buffer, address.byteOffset, address.length === 6 ? 4 : 8).toString('latin1')
}
