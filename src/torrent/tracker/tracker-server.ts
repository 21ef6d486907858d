/**
 * A small tracker: tells the peers of a torrent of each other, over HTTP and UDP (BEP 3, 7, 15, 23, 48).
 *
 * Owns its sockets and what it knows, which lies in memory alone. A peer is known by the address it speaks from, never by
 * one it names. What strangers can make it hold or send is capped: see `swarm-register.ts`, `connection-ids.ts`.
 */
import { TorrentError } from '../errors.js'
import type { AnnounceEvent, ScrapeEntry } from '../discovery/announce.js'
import type { HostPort } from '../metainfo/addresses.js'
import { canonicalIp } from '../net/ip-address.js'
import { compactAddress } from '../wire/compact-address.js'
import { HttpDoor } from './http-door.js'
import { SwarmRegister, type PeerAnswer, type RegisterCounts } from './swarm-register.js'
import { UdpDoor } from './udp-door.js'

/** How a {@link TrackerServer} behaves. */
export interface TrackerServerOptions {
  /** Where to take HTTP, each an address of this machine (`0.0.0.0`, `::`) and a port, 0 for any free one; none by default. */
  readonly http?: readonly HostPort[]
  /** Where to take UDP; none by default. A port of its own for each address, or the same as for HTTP. */
  readonly udp?: readonly HostPort[]
  /** ms after which peers are asked to announce again; 30 minutes by default. */
  readonly intervalMs?: number
  /** ms before which peers are asked not to announce again; a minute by default, or the interval when that is less. */
  readonly minIntervalMs?: number
  /** A peer that was silent for so many ms is forgotten; two intervals and a minute by default. */
  readonly expiryMs?: number
  /** Whether a torrent (40 lower-case hexadecimal digits) is served; every one by default. Asked at each request. */
  readonly serves?: (infohash: string) => boolean
  /** Torrents known at once; 100,000 by default. When full, one that few share and that was silent longest makes room. */
  readonly maxTorrents?: number
  /** Peers of one torrent and address family that are given to others; 10,000 by default. */
  readonly maxPeersPerTorrent?: number
  /** Peers of one torrent behind one IPv4 address, or one /64 of IPv6; 32 by default. */
  readonly maxPeersPerAddress?: number
  /** Addresses in one answer; 200 by default and at most. Fewer over UDP and IPv6, for one packet. */
  readonly maxAddresses?: number
  /** Hears of each announce that was taken. */
  readonly announced?: (announce: TakenAnnounce) => void
}

/** An announce that a tracker took. */
export interface TakenAnnounce {
  readonly transport: 'http' | 'udp'
  readonly infohash: string
  /** Where the peer is to be found. */
  readonly peer: HostPort
  readonly event: AnnounceEvent | undefined
  readonly seeder: boolean
  /** Addresses it was told of. */
  readonly given: number
}

/** What a tracker holds, and has done since it began. */
export interface TrackerServerStats extends RegisterCounts {
  readonly announces: number
  readonly scrapes: number
  /** Requests that made no sense, came without the right connection id, or were of torrents that are not served. */
  readonly refused: number
}

/** An announce as a door understood it. */
export interface DoorAnnounce {
  readonly infohash: Uint8Array
  readonly port: number
  readonly left: number
  readonly event: AnnounceEvent | undefined
  readonly numWant: number | undefined
}

/** What the doors ask of the tracker. */
export interface Desk {
  readonly intervalMs: number
  readonly minIntervalMs: number
  /** Takes an announce; undefined when its torrent is not served. @param most addresses that fit into the answer */
  announce(
    transport: 'http' | 'udp',
    host: string,
    announce: DoorAnnounce,
    most: number,
  ): PeerAnswer | undefined
  /** The numbers of torrents in the order given; undefined for those nothing is known of. */
  scrape(infohashes: readonly Uint8Array[]): (ScrapeEntry | undefined)[]
  refused(): void
}

const INTERVAL_MS = 30 * 60_000
const MIN_INTERVAL_MS = 60_000
const SWEEP_MS = 30_000
const MAX_ADDRESSES = 200
/** What a peer gets that does not say how many it wants. */
const USUAL_ADDRESSES = 50

/** A running tracker. Close it to give its sockets back. */
export class TrackerServer {
  readonly #o: TrackerServerOptions
  readonly #register: SwarmRegister
  readonly #doors: (HttpDoor | UdpDoor)[] = []
  readonly #timer: NodeJS.Timeout
  #announces = 0
  #scrapes = 0
  #refused = 0
  #closed = false

  private constructor(o: TrackerServerOptions) {
    this.#o = o
    const intervalMs = o.intervalMs ?? INTERVAL_MS
    this.#register = new SwarmRegister(
      {
        maxTorrents: o.maxTorrents ?? 100_000,
        maxPeersPerTorrent: o.maxPeersPerTorrent ?? 10_000,
        maxPeersPerAddress: o.maxPeersPerAddress ?? 32,
        maxAddresses: Math.min(o.maxAddresses ?? MAX_ADDRESSES, MAX_ADDRESSES),
        expiryMs: o.expiryMs ?? 2 * intervalMs + MIN_INTERVAL_MS,
      },
      Math.random,
    )
    this.#timer = setInterval(() => this.#register.sweep(performance.now()), SWEEP_MS)
    this.#timer.unref()
  }

  /**
   * Opens the sockets and begins to answer.
   *
   * @throws ERR_TORRENTFS_ARGUMENT for an option that makes no sense; ERR_TORRENTFS_LISTEN naming the address that cannot
   * be had, with none left open
   */
  static async listen(options: TrackerServerOptions): Promise<TrackerServer> {
    check(options)
    const server = new TrackerServer(options)
    const desk = server.#desk()
    try {
      for (const address of options.http ?? []) server.#doors.push(await HttpDoor.open(address, desk))
      for (const address of options.udp ?? []) server.#doors.push(await UdpDoor.open(address, desk))
    } catch (error) {
      await server.close()
      throw error
    }
    return server
  }

  /** Where it takes HTTP, in the order of the option; the ports are real. */
  get http(): HostPort[] {
    return this.#doors.filter(door => door instanceof HttpDoor).map(door => door.address)
  }

  /** Where it takes UDP, in the order of the option. */
  get udp(): HostPort[] {
    return this.#doors.filter(door => door instanceof UdpDoor).map(door => door.address)
  }

  /** A snapshot: plain data. */
  stats(): TrackerServerStats {
    return {
      ...this.#register.counts(),
      announces: this.#announces,
      scrapes: this.#scrapes,
      refused: this.#refused,
    }
  }

  /** The numbers of a torrent, by its infohash in hexadecimal; undefined when nothing is known of it. */
  scrape(infohash: string): ScrapeEntry | undefined {
    return this.#register.scrape(infohash.toLowerCase(), performance.now())
  }

  /** Forgets torrents that `serves` no longer admits. */
  refresh(): void {
    const { serves } = this.#o
    if (serves !== undefined) this.#register.keepOnly(serves)
  }

  /** Closes the sockets, and the connections with them; idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    clearInterval(this.#timer)
    await Promise.all(this.#doors.map(door => door.close()))
  }

  /** As {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #desk(): Desk {
    const intervalMs = this.#o.intervalMs ?? INTERVAL_MS
    return {
      intervalMs,
      minIntervalMs: this.#o.minIntervalMs ?? Math.min(MIN_INTERVAL_MS, intervalMs),
      announce: (transport, host, announce, most) => this.#announce(transport, host, announce, most),
      scrape: infohashes => {
        this.#scrapes++
        const now = performance.now()
        return infohashes.map(infohash => {
          const hex = Buffer.from(infohash).toString('hex')
          return this.#serves(hex) ? this.#register.scrape(hex, now) : undefined
        })
      },
      refused: () => {
        this.#refused++
      },
    }
  }

  #serves(infohash: string): boolean {
    return this.#o.serves?.(infohash) ?? true
  }

  #announce(
    transport: 'http' | 'udp',
    from: string,
    { infohash, port, left, event, numWant }: DoorAnnounce,
    most: number,
  ): PeerAnswer | undefined {
    const hex = Buffer.from(infohash).toString('hex')
    const host = canonicalIp(from)
    const address = host === undefined ? undefined : compactAddress({ host, port })
    if (address === undefined || host === undefined || !this.#serves(hex)) {
      this.#refused++
      return undefined
    }
    this.#announces++
    const answer = this.#register.announce(
      { infohash: hex, address, left, event, numWant: Math.min(numWant ?? USUAL_ADDRESSES, most) },
      performance.now(),
    )
    const { announced } = this.#o
    announced?.({
      transport,
      infohash: hex,
      peer: { host, port },
      event,
      seeder: left === 0,
      given: answer.addresses.length,
    })
    return answer
  }
}

function check(o: TrackerServerOptions): void {
  const names = [
    'intervalMs',
    'minIntervalMs',
    'expiryMs',
    'maxTorrents',
    'maxPeersPerTorrent',
    'maxPeersPerAddress',
    'maxAddresses',
  ] as const
  for (const name of names) {
    const value = o[name]
    if (value !== undefined && !(Number.isFinite(value) && value >= 1 && value < 2 ** 31))
      throw new TorrentError('ERR_TORRENTFS_ARGUMENT', `a tracker's ${name}: ${value}`)
  }
  if ((o.http?.length ?? 0) + (o.udp?.length ?? 0) === 0)
    throw new TorrentError('ERR_TORRENTFS_ARGUMENT', 'a tracker that listens nowhere: http or udp is needed')
}
