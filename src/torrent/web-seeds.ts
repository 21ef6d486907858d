/**
 * The web seeds of one torrent: which there are, and which take part now.
 *
 * Owns them, and their places among the engine's sources: they are attached while something is wanted, and hold nothing
 * else. What is asked of them is decided as for peers.
 */
import type { PeerNumber } from './core/events.js'
import { TorrentError } from './errors.js'
import type { Logger } from './logger.js'
import type { Info } from './metainfo/info.js'
import { RawNames } from './metainfo/raw-names.js'
import type { TorrentEngine } from './torrent-engine.js'
import type { HttpPool } from './webseed/http-pool.js'
import { seedAddress, type SeedAddress } from './webseed/seed-address.js'
import type { WebSeedKind } from './webseed/seed-layout.js'
import { WebSeed, type WebSeedEvents, type WebSeedStatus } from './webseed/web-seed.js'

/** A web seed that a torrent names. */
export interface NamedWebSeed {
  readonly url: string
  readonly kind: WebSeedKind
}

/** What is known of a web seed that is added. */
export interface AddWebSeedOptions {
  /** Default: `files`. */
  readonly kind?: WebSeedKind
  /** The user names it, not a stranger: it may be a service of the local network with a query. Default: true. */
  readonly trusted?: boolean
}

/** What can be seen of a web seed of a torrent. */
export interface TorrentWebSeedStatus extends WebSeedStatus {
  /** It takes part now: something is wanted. */
  readonly active: boolean
  /** Why nothing is asked of it any more. */
  readonly banned: string | undefined
}

export interface WebSeedsOptions {
  /** Undefined: no web seeds are used. */
  readonly pool: HttpPool | undefined
  /** Undefined before the metadata is known. */
  readonly info: () => Info | undefined
  /** A number no peer of the torrent has or will have. */
  readonly number: () => PeerNumber
  readonly logger: Logger
}

/** Web seeds of one torrent that are known; more are of no use. */
const MOST_KNOWN = 512
/** Web seeds that take part at a time; when one fails, another takes its place. */
const MOST_ACTIVE = 6
/** Failures in a row after which another gets the place. */
const MOST_FAILURES = 4
/** What one is asked at a time: as many blocks as the core asks of anyone. */
const REQUEST_QUEUE = 512
/** How long web seeds stay after the last want, in ms: the next read of an open film comes sooner. */
const LINGER_MS = 10_000
/** One that was dropped for silence may come back after this long, in ms. */
const RETURN_MS = 60_000

interface Entry {
  readonly address: SeedAddress
  readonly kind: WebSeedKind
  seed: WebSeed | undefined
  /** While it takes part. */
  peer: PeerNumber | undefined
  banned: string | undefined
  /** It may take part again from then on, ms, monotonic. */
  notBefore: number
}

export class WebSeeds {
  readonly #o: WebSeedsOptions
  readonly #entries: Entry[] = []
  #engine: TorrentEngine | undefined
  #names: RawNames | undefined
  #wantedAt = -Infinity
  #closed = false
  #paused = false

  constructor(options: WebSeedsOptions) {
    this.#o = options
  }

  /** Those that take part, by number. */
  *active(): Generator<{ readonly number: PeerNumber; readonly seed: WebSeed }, void, undefined> {
    for (const { peer, seed } of this.#entries) {
      if (peer !== undefined && seed !== undefined) yield { number: peer, seed }
    }
  }

  /** Adds one. `trusted`: the user names it. Returns false when that is no HTTP(S) URL; one that is known stays as it is. */
  add({ url, kind }: NamedWebSeed, trusted = false): boolean {
    const address = seedAddress(url, trusted)
    if (address === undefined) return false
    const known = this.#entries.some(
      entry => entry.kind === kind && entry.address.url.href === address.url.href,
    )
    if (known || this.#entries.length >= MOST_KNOWN || this.#o.pool === undefined) return true
    this.#entries.push({
      address,
      kind,
      seed: undefined,
      peer: undefined,
      banned: undefined,
      notBefore: -Infinity,
    })
    this.update()
    return true
  }

  /** As {@link add}. @throws ERR_TORRENTFS_ARGUMENT when that is no HTTP(S) URL */
  addOrThrow(url: string, { kind = 'files', trusted = true }: AddWebSeedOptions): void {
    if (this.add({ url, kind }, trusted)) return
    throw new TorrentError('ERR_TORRENTFS_ARGUMENT', 'a web seed needs an http or https URL')
  }

  /** The storage is open: they may be asked. */
  setEngine(engine: TorrentEngine): void {
    this.#engine = engine
    this.update()
  }

  /** Lets them take part, or not: what is wanted changed, or time passed. Call once a second while any take part. */
  update(): void {
    const engine = this.#engine
    if (engine === undefined || this.#closed || this.#paused || this.#entries.length === 0) return
    const now = performance.now()
    if (engine.core.wantsPeers) this.#wantedAt = now
    else if (now - this.#wantedAt > LINGER_MS) return this.#detachAll(engine)
    else return
    this.#makeRoom(engine, now)
    let active = this.#entries.filter(({ peer }) => peer !== undefined).length
    for (const entry of this.#entries) {
      if (active >= MOST_ACTIVE) return
      if (entry.peer !== undefined || !mayTakePart(entry, now)) continue
      this.#attach(engine, entry)
      active++
    }
  }

  /** While paused none takes part. */
  set paused(paused: boolean) {
    this.#paused = paused
    if (paused && this.#engine !== undefined) this.#detachAll(this.#engine)
    else this.update()
  }

  /** Nothing more is asked of it: for good with `ban`. Returns false when the number is no web seed's. */
  drop(number: PeerNumber, reason: string, ban: boolean): boolean {
    const entry = this.#entries.find(({ peer }) => peer === number)
    if (entry === undefined) return false
    this.#o.logger.info({ webSeed: entry.address.label, ban }, `dropped a web seed: ${reason}`)
    if (ban) entry.banned = reason
    entry.notBefore = performance.now() + RETURN_MS
    const engine = this.#engine
    // Not while the engine runs what was decided.
    if (engine !== undefined) queueMicrotask(() => this.#detach(engine, entry))
    return true
  }

  status(): TorrentWebSeedStatus[] {
    return this.#entries.map(({ address, kind, seed, peer, banned }) => ({
      ...(seed?.status() ?? {
        url: address.label,
        kind,
        requests: 0,
        received: 0,
        underWay: 0,
        missingParts: 0,
        problem: undefined,
        restMs: undefined,
      }),
      active: peer !== undefined,
      banned,
    }))
  }

  /** Ends them all. */
  close(): void {
    this.#closed = true
    for (const entry of this.#entries) {
      entry.seed?.close()
      entry.peer = undefined
    }
  }

  /** Those that do not get on make room, if others wait. */
  #makeRoom(engine: TorrentEngine, now: number): void {
    for (const entry of this.#entries) {
      const { peer, seed } = entry
      if (peer === undefined || seed === undefined) continue
      const waiting = this.#entries.some(other => other.peer === undefined && mayTakePart(other, now))
      const failing = seed.resting && seed.failures >= MOST_FAILURES && waiting
      if (!seed.useless && !failing) continue
      if (failing) entry.notBefore = now + RETURN_MS
      this.#detach(engine, entry)
    }
  }

  #attach(engine: TorrentEngine, entry: Entry): void {
    const { pool } = this.#o
    const info = this.#o.info()
    if (pool === undefined || info === undefined) return
    const number = this.#o.number()
    entry.peer = number
    this.#names ??= new RawNames(info.raw)
    entry.seed ??= new WebSeed({
      kind: entry.kind,
      address: entry.address,
      info,
      names: this.#names,
      pool,
      events: this.#eventsOf(engine, entry),
    })
    engine.attachSource(number, entry.seed, REQUEST_QUEUE)
    entry.seed.begin()
  }

  #eventsOf(engine: TorrentEngine, entry: Entry): WebSeedEvents {
    const number = (): PeerNumber => entry.peer ?? -1
    return {
      blockTarget: (piece, begin, length, lane) => engine.blockTarget(number(), piece, begin, length, lane),
      block: (piece, begin, length, kept, lane) => engine.block(number(), piece, begin, length, kept, lane),
      turn: () => engine.turn(number()),
      choking: choking => engine.message(number(), { type: choking ? 'choke' : 'unchoke' }),
      refused: (piece, begin, length) => engine.message(number(), { type: 'reject', piece, begin, length }),
      has: pieces => engine.message(number(), { type: 'bitfield', bytes: pieces.bytes.slice() }),
      trouble: reason =>
        this.#o.logger.debug({ webSeed: entry.address.label }, `a web seed does not deliver: ${reason}`),
    }
  }

  #detachAll(engine: TorrentEngine): void {
    for (const entry of this.#entries) this.#detach(engine, entry)
  }

  #detach(engine: TorrentEngine, entry: Entry): void {
    const { peer, seed } = entry
    if (peer === undefined) return
    entry.peer = undefined
    seed?.pause()
    engine.detach(peer)
  }
}

function mayTakePart(entry: Entry, now: number): boolean {
  return entry.banned === undefined && now >= entry.notBefore && entry.seed?.useless !== true
}
