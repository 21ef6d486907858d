/**
 * Which torrents are looked up and announced in the DHT, and when. BEP 5.
 *
 * Pure but for what it is given to ask with; times are of any one clock, ms. However many torrents there are, the queries a
 * second are capped: who waits for peers goes first, those that are only announced share what is left, and their turn comes
 * later than every 15 minutes if need be.
 */
import type { HostPort } from '../../metainfo/addresses.js'
import { Bucket } from './flow-limit.js'
import type { Walk, WalkOptions, WalkResult } from './walk.js'

/** How much a torrent needs peers: not at all, to get on, or because somebody waits for bytes. */
export type Need = 0 | 1 | 2

export interface SearchOptions {
  /** 20 bytes. */
  readonly infohash: Uint8Array
  /** The port peers may connect to; 0: do not announce. */
  readonly port: () => number
  readonly need: () => Need
  /** Called with addresses as they come, repetitions within one lookup left out. */
  readonly onPeers: (peers: readonly HostPort[]) => void
}

/** What is to be seen of a search. */
export interface SearchStatus {
  readonly state: 'queued' | 'searching' | 'idle'
  /** Lookups done. */
  readonly lookups: number
  /** When the last one ended, ms ago; undefined before. */
  readonly lastMs: number | undefined
  /** Nodes it asked, and peers it found. */
  readonly asked: number
  readonly found: number
  /** Nodes that took our announce. */
  readonly announcedTo: number
}

/** One torrent in the DHT, until it is stopped. */
export interface Search {
  status(now: number): SearchStatus
  /** Somebody waits for peers: look sooner. */
  hurry(now: number): void
  /** Sends nothing more and reports nothing more, from this call on. Idempotent. */
  stop(): void
}

/** What searches use of a node. */
export interface SearchNode {
  readonly usable: boolean
  /** Peers that were announced to this very node. */
  known(infohash: Uint8Array, now: number): readonly HostPort[]
  walk(options: Omit<WalkOptions, 'wants'>, now: number): Walk
  announce(infohash: Uint8Array, port: number, nodes: WalkResult['announceable'], now: number): void
}

const INTERVAL_MS = 15 * 60_000
const FIRST_RETRY_MS = 5000
const LONGEST_RETRY_MS = 2 * 60_000
/** Lookups under way at a time. */
const MAX_NEEDED = 24
const MAX_IDLE = 4
/** Queries under way of one lookup. */
const PARALLEL_NEEDED = 8
const PARALLEL_IDLE = 3
/** Queries of all lookups, and of those that nobody waits for. A lookup takes some 40. */
const QUERIES = { burst: 4000, perSecond: 400 }
const IDLE_QUERIES = { burst: 400, perSecond: 80 }
/** How soon to look again for room, ms. */
const CROWDED_MS = 200

class Entry implements Search {
  dueAt: number
  endedAt: number | undefined
  retryMs = FIRST_RETRY_MS
  walks: Walk[] = []
  running = false
  /** Of the lookup under way: whether somebody waited when it began. */
  needed = false
  lookups = 0
  asked = 0
  found = 0
  announcedTo = 0
  stopped = false
  readonly #changed: () => void

  constructor(
    readonly options: SearchOptions,
    readonly forget: () => void,
    changed: () => void,
    now: number,
  ) {
    this.dueAt = now
    this.#changed = changed
  }

  status(now: number): SearchStatus {
    return {
      state: this.running ? 'searching' : this.dueAt <= now ? 'queued' : 'idle',
      lookups: this.lookups,
      lastMs: this.endedAt === undefined ? undefined : Math.round(now - this.endedAt),
      asked: this.asked,
      found: this.found,
      announcedTo: this.announcedTo,
    }
  }

  hurry(now: number): void {
    if (this.running || this.stopped) return
    const soonest = this.endedAt === undefined ? now : Math.max(now, this.endedAt + FIRST_RETRY_MS)
    if (soonest >= this.dueAt) return
    this.dueAt = soonest
    this.#changed()
  }

  stop(): void {
    if (this.stopped) return
    this.stopped = true
    for (const walk of this.walks) walk.stop()
    this.forget()
  }
}

export interface SearchesOptions {
  readonly nodes: () => readonly SearchNode[]
  /** A number in [0, 1). */
  readonly chance: () => number
  /** {@link Searches.nextAt} may have become earlier. */
  readonly changed: () => void
}

export class Searches {
  readonly #o: SearchesOptions
  readonly #entries = new Set<Entry>()
  readonly #queries: Bucket
  readonly #idleQueries: Bucket
  #needed = 0
  #idle = 0
  #nextAt = Infinity

  constructor(options: SearchesOptions, now: number) {
    this.#o = options
    this.#queries = new Bucket(QUERIES, now)
    this.#idleQueries = new Bucket(IDLE_QUERIES, now)
  }

  /** Torrents. */
  get size(): number {
    return this.#entries.size
  }

  /** Lookups under way. */
  get running(): number {
    return this.#needed + this.#idle
  }

  /** When {@link tick} has something to do next. */
  get nextAt(): number {
    return this.#nextAt
  }

  /** Begins to look for a torrent's peers, and to announce it, again and again. */
  add(options: SearchOptions, now: number): Search {
    const changed = (): void => {
      this.#nextAt = Math.min(this.#nextAt, entry.dueAt)
      this.#o.changed()
    }
    const forget = (): void => {
      this.#entries.delete(entry)
      if (entry.running) this.#release(entry)
    }
    const entry: Entry = new Entry(options, forget, changed, now)
    this.#entries.add(entry)
    changed()
    return entry
  }

  /** There are nodes to ask where there were none: whoever waits is looked up again at once. */
  hurryAll(now: number): void {
    for (const entry of this.#entries) {
      if (entry.running || entry.found > 0 || entry.options.need() === 0) continue
      entry.dueAt = Math.min(entry.dueAt, now)
    }
    this.#nextAt = Math.min(this.#nextAt, now)
    this.#o.changed()
  }

  /** Begins the lookups whose turn it is. */
  tick(now: number): void {
    if (now < this.#nextAt) return
    this.#nextAt = Infinity
    const due: { readonly entry: Entry; readonly need: Need }[] = []
    for (const entry of this.#entries) {
      if (entry.running) continue
      if (entry.dueAt <= now) due.push({ entry, need: entry.options.need() })
      else this.#nextAt = Math.min(this.#nextAt, entry.dueAt)
    }
    if (due.length === 0) return
    if (!this.#o.nodes().some(({ usable }) => usable)) {
      this.#nextAt = Math.min(this.#nextAt, now + 1000)
      return
    }
    // Who has never been looked up goes before who was and found nothing.
    due.sort(
      (a, b) =>
        b.need - a.need ||
        Math.min(a.entry.lookups, 1) - Math.min(b.entry.lookups, 1) ||
        a.entry.dueAt - b.entry.dueAt,
    )
    for (const { entry, need } of due) {
      if (!this.#hasRoom(need, now)) {
        this.#nextAt = Math.min(this.#nextAt, now + CROWDED_MS)
        return
      }
      this.#begin(entry, need, now)
    }
  }

  #hasRoom(need: Need, now: number): boolean {
    if (this.#queries.level(now) <= 0) return false
    if (need > 0) return this.#needed < MAX_NEEDED
    return this.#idle < MAX_IDLE && this.#idleQueries.level(now) > 0
  }

  #begin(entry: Entry, need: Need, now: number): void {
    const { infohash, onPeers } = entry.options
    entry.running = true
    entry.asked = 0
    entry.found = 0
    entry.announcedTo = 0
    entry.needed = need > 0
    if (entry.needed) this.#needed++
    else this.#idle++
    const nodes = this.#o.nodes().filter(({ usable }) => usable)
    let left = nodes.length
    for (const node of nodes) {
      const known = node.known(infohash, now)
      if (known.length > 0) onPeers(known)
    }
    for (const node of nodes) {
      if (entry.stopped) return
      const walk = node.walk(
        {
          method: 'get_peers',
          target: infohash,
          parallel: need > 0 ? PARALLEL_NEEDED : PARALLEL_IDLE,
          onPeers: peers => {
            if (entry.stopped) return
            entry.found += peers.length
            onPeers(peers)
          },
          onQuery: at => {
            this.#queries.spend(1, at)
            if (need === 0) this.#idleQueries.spend(1, at)
          },
          onDone: (result, at) => {
            if (entry.stopped) return
            this.#walked(entry, node, result, at)
            if (--left === 0) this.#ended(entry, at)
          },
        },
        now,
      )
      if (entry.stopped) walk.stop()
      else if (entry.running) entry.walks.push(walk)
    }
  }

  #walked(entry: Entry, node: SearchNode, { queries, announceable }: WalkResult, now: number): void {
    entry.asked += queries
    const port = entry.options.port()
    if (port === 0) return
    entry.announcedTo += announceable.length
    node.announce(entry.options.infohash, port, announceable, now)
  }

  #ended(entry: Entry, now: number): void {
    this.#release(entry)
    entry.lookups++
    entry.endedAt = now
    if (entry.options.need() > 0) {
      entry.dueAt = now + entry.retryMs
      entry.retryMs = Math.min(LONGEST_RETRY_MS, entry.retryMs * 2)
    } else {
      entry.dueAt = now + INTERVAL_MS * (0.9 + 0.2 * this.#o.chance())
      entry.retryMs = FIRST_RETRY_MS
    }
    this.#nextAt = Math.min(this.#nextAt, entry.dueAt)
    this.#o.changed()
  }

  #release(entry: Entry): void {
    entry.running = false
    entry.walks = []
    if (entry.needed) this.#needed--
    else this.#idle--
  }
}
