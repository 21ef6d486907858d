/**
 * Peers of the same network: tells it of our torrents and hears of others'. BEP 14.
 *
 * Owns when what is announced, and whose word is believed: only of senders whose address is of a local network. Torrents
 * say for themselves whether they may be told of. Must not open sockets; see `net/multicast-group.ts`.
 */
import type { HostPort } from '../metainfo/addresses.js'
import { ExpiringMap } from '../net/expiring-map.js'
import { realmOf } from '../net/ip-address.js'
import { decodeLsdMessage, encodeLsdMessage, MAX_LSD_INFOHASHES } from '../wire/lsd-message.js'

export const LSD_PORT = 6771
export const LSD_GROUP4 = '239.192.152.143'
export const LSD_GROUP6 = 'ff15::efc0:988f'

/** A torrent is announced this often, in ms. */
const ANNOUNCE_MS = 5 * 60_000
/** And never sooner than this after the last time, whoever asks, in ms. */
const LEAST_MS = 60_000
/** Messages are sent this often, in ms: one each time, of as many torrents as fit. */
const SEND_MS = 1000
/** Who was heard of this lately, in ms, knows of us already and gets no answer. */
const KNOWN_MS = 10 * 60_000
const MAX_KNOWN = 4096
/** An answer waits up to this long, in ms: many hear the same question. */
const ANSWER_DELAY_MS = 3000
/** Datagrams looked at in a second. */
const MAX_HEARD = 200

/** Where messages go; a `MulticastGroup` fits. */
export interface LocalGroup {
  send(make: (group: string) => Uint8Array): void
}

export interface LocalDiscoveryOptions {
  readonly group: LocalGroup
  /** The port peers may connect to; 0 for none: then nothing is announced. */
  readonly port: () => number
  /** By it we know our own messages. */
  readonly cookie: string
  /** Numbers in [0, 1). */
  readonly random?: () => number
}

/** A torrent that takes part. */
export interface LocalTorrent {
  /** 40 lower-case hexadecimal digits. */
  readonly infohash: string
  /** Whether the network may be told of it now. Asked before every message. */
  readonly allowed: () => boolean
  /** Somebody near has it too. */
  readonly found: (address: HostPort) => void
}

interface Entry {
  readonly torrent: LocalTorrent
  announcedAt: number
  dueAt: number
}

/** How much was said and heard. */
export interface LocalDiscoveryCounts {
  sent: number
  heard: number
  /** Datagrams that were no announcement, not from near, or too many. */
  ignored: number
}

export class LocalDiscovery {
  readonly counts: LocalDiscoveryCounts = { sent: 0, heard: 0, ignored: 0 }
  readonly #o: LocalDiscoveryOptions
  readonly #random: () => number
  readonly #torrents = new Map<string, Entry>()
  /** Who was heard lately, by torrent and address. */
  readonly #known = new ExpiringMap<string, true>(MAX_KNOWN)
  #second = -Infinity
  #heardInSecond = 0
  #timer: NodeJS.Timeout | undefined

  constructor(options: LocalDiscoveryOptions) {
    this.#o = options
    this.#random = options.random ?? Math.random
  }

  start(): void {
    this.#timer ??= setInterval(() => this.tick(performance.now()), SEND_MS)
    this.#timer.unref()
  }

  /** Idempotent. */
  close(): void {
    clearInterval(this.#timer)
    this.#torrents.clear()
  }

  /** Takes part in a torrent from now on. @returns a function that ends it */
  enter(torrent: LocalTorrent): () => void {
    const entry: Entry = { torrent, announcedAt: -Infinity, dueAt: -Infinity }
    this.#torrents.set(torrent.infohash, entry)
    return () => {
      if (this.#torrents.get(torrent.infohash) === entry) this.#torrents.delete(torrent.infohash)
    }
  }

  /** Announces what is due at `now` (ms): called once a second. */
  tick(now: number): void {
    const port = this.#o.port()
    if (port === 0) return
    const due: Entry[] = []
    for (const entry of this.#torrents.values()) {
      if (entry.dueAt > now || !entry.torrent.allowed()) continue
      due.push(entry)
      if (due.length === MAX_LSD_INFOHASHES) break
    }
    if (due.length === 0) return
    for (const entry of due) {
      entry.announcedAt = now
      // Not all at once for ever.
      entry.dueAt = now + ANNOUNCE_MS * (0.9 + 0.2 * this.#random())
      // Who waits longest is first.
      this.#torrents.delete(entry.torrent.infohash)
      this.#torrents.set(entry.torrent.infohash, entry)
    }
    const infohashes = due.map(({ torrent }) => torrent.infohash)
    const message = { port, infohashes, cookie: this.#o.cookie }
    this.#o.group.send(group => encodeLsdMessage(group, message))
    this.counts.sent++
  }

  /** A datagram came, at `now` (ms). */
  heard(bytes: Uint8Array, from: HostPort, now: number): void {
    if (now - this.#second >= 1000) {
      this.#second = now
      this.#heardInSecond = 0
    }
    const message = ++this.#heardInSecond > MAX_HEARD ? undefined : decodeLsdMessage(bytes)
    if (message === undefined || realmOf(from.host) === 'public') {
      this.counts.ignored++
      return
    }
    if (message.cookie === this.#o.cookie) return
    this.counts.heard++
    const address = { host: from.host, port: message.port }
    for (const infohash of message.infohashes) {
      const entry = this.#torrents.get(infohash)
      if (entry === undefined || !entry.torrent.allowed()) continue
      this.#answer(entry, address, now)
      entry.torrent.found(address)
    }
  }

  /** Who is new learns of us sooner than in five minutes. */
  #answer(entry: Entry, { host, port }: HostPort, now: number): void {
    const key = `${entry.torrent.infohash} ${host} ${port}`
    const isKnown = this.#known.get(key, now) !== undefined
    this.#known.set(key, true, now + KNOWN_MS)
    if (isKnown) return
    const at = Math.max(now + this.#random() * ANSWER_DELAY_MS, entry.announcedAt + LEAST_MS)
    entry.dueAt = Math.min(entry.dueAt, at)
  }
}
