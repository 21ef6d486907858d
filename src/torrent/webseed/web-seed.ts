/**
 * One web seed of one torrent (BEP 19, BEP 17), as a source of blocks: it has everything and answers what it is asked,
 * but by few and long range requests.
 *
 * Owns what it is asked for, its lanes, which parts it turned out to lack, and its rests after failures. Chooses no
 * block: neighbouring requests become one range, which is asked to go further the longer the demand has been sequential.
 */
import { TorrentError } from '../errors.js'
import type { Info } from '../metainfo/info.js'
import type { RawNames } from '../metainfo/raw-names.js'
import type { BlockSource } from '../net/block-source.js'
import type { Realm } from '../net/ip-address.js'
import { Bitfield } from '../pieces/bitfield.js'
import { BlockGrid } from './block-grid.js'
import type { HttpPool } from './http-pool.js'
import { Lane, type LaneOwner } from './lane.js'
import { MovedPlaces } from './moved-places.js'
import { RangeBody, type RangeEvents, type RangeFailure, type RangeServer } from './range-body.js'
import { restMs } from './rest.js'
import { seedLayout, type SeedLayout, type SeedPart, type WebSeedKind } from './seed-layout.js'
import type { SeedAddress } from './seed-address.js'

/** Requests under way at a time: one streams, the others serve jumps and hide round trips. */
const MOST_LANES = 4
/** The most a request asks for beyond what is wanted now, in bytes. */
const MOST_AHEAD = 64 * 1024 * 1024
/** A lane goes on over the borders of small files until it has this many bytes to do. */
const LEAST_PLAN = 1024 * 1024

/** What a web seed tells its torrent. Called synchronously while a socket is read, never from within a call to it. */
export interface WebSeedEvents {
  /** The first byte of a block is here: where is its payload to go? `lane`: which of the blocks that come at once. */
  blockTarget(piece: number, begin: number, length: number, lane: number): Uint8Array | null
  block(piece: number, begin: number, length: number, kept: boolean, lane: number): void
  /** All that one socket read held was handled: time to plan. */
  turn(): void
  /** It answers nothing for now, or does again. Requests made before are forgotten. */
  choking(choking: boolean): void
  /** A request that was cancelled or that it cannot answer will not be answered. */
  refused(piece: number, begin: number, length: number): void
  /** It has less than it was thought to have. */
  has(pieces: Bitfield): void
  /** Something went wrong, for the log. */
  trouble(reason: string): void
}

export interface WebSeedOptions {
  readonly kind: WebSeedKind
  readonly address: SeedAddress
  readonly info: Info
  readonly names: RawNames
  readonly pool: HttpPool
  readonly events: WebSeedEvents
}

/** What can be seen of a web seed. */
export interface WebSeedStatus {
  /** Without credentials and query. */
  readonly url: string
  readonly kind: WebSeedKind
  /** HTTP requests made. */
  readonly requests: number
  /** Bytes of bodies received. */
  readonly received: number
  /** Requests under way. */
  readonly underWay: number
  /** Files (of a BEP 17 seed: pieces) it turned out not to have. */
  readonly missingParts: number
  /** Why it delivers nothing or not everything, the last reason; undefined while there is none. */
  readonly problem: string | undefined
  /** It rests after a failure, for this many ms more. */
  readonly restMs: number | undefined
}

export class WebSeed implements BlockSource, LaneOwner {
  readonly grid: BlockGrid
  readonly layout: SeedLayout
  readonly #o: WebSeedOptions
  readonly #server: RangeServer
  readonly #have: Bitfield
  readonly #missing = new Set<number>()
  /** Blocks that are asked for, in the order of asking. */
  readonly #asked = new Set<number>()
  /** Of those, the ones no lane may have taken upon itself. */
  #loose: number[] = []
  /** Cancelled blocks that will not come. */
  #refusals: number[] = []
  readonly #lanes: Lane[] = []
  #realm: Promise<Realm> | undefined
  #pumpQueued = false
  #closed = false
  #requests = 0
  #received = 0
  /** Failures in a row. */
  #failures = 0
  #receivedAtFailure = 0
  #problem: string | undefined
  #restTimer: NodeJS.Timeout | undefined
  #restUntil: number | undefined

  constructor(options: WebSeedOptions) {
    const { kind, address, info, names, pool } = options
    this.#o = options
    this.grid = new BlockGrid(info.geometry)
    this.layout = seedLayout(kind, address.url, info, names)
    this.#have = new Bitfield(info.geometry.pieceCount)
    for (let piece = 0; piece < this.#have.length; piece++) this.#have.set(piece)
    this.#server = {
      kind,
      pool,
      moved: new MovedPlaces(),
      credentials: address.credentials,
      realm: () => (this.#realm ??= this.#findRealm()),
    }
  }

  /** Failures since the last success. */
  get failures(): number {
    return this.#failures
  }

  /** Bytes of bodies received. */
  get received(): number {
    return this.#received
  }

  get resting(): boolean {
    return this.#restUntil !== undefined
  }

  /** Whether it turned out to have nothing of the torrent. */
  get useless(): boolean {
    return this.#have.empty
  }

  status(): WebSeedStatus {
    const rest = this.#restUntil
    return {
      url: this.#o.address.label,
      kind: this.#o.kind,
      requests: this.#requests,
      received: this.#received,
      underWay: this.#lanes.filter(lane => lane.active).length,
      missingParts: this.#missing.size,
      problem: this.#problem,
      restMs: rest === undefined ? undefined : Math.max(0, Math.round(rest - performance.now())),
    }
  }

  request(piece: number, begin: number): void {
    const key = this.grid.key(piece, begin)
    this.#asked.add(key)
    this.#loose.push(key)
    this.wakeSoon()
  }

  cancel(piece: number, begin: number): void {
    const key = this.grid.key(piece, begin)
    if (!this.#asked.delete(key)) return
    // What is coming in already comes to its end.
    if (this.#lanes.some(lane => lane.key === key)) return
    this.#refusals.push(key)
    this.wakeSoon()
  }

  dropTarget(piece: number, begin: number): void {
    const key = this.grid.key(piece, begin)
    for (const lane of this.#lanes) lane.dropTarget(key)
  }

  /** It takes part (again): tells what it has, and whether it answers now. */
  begin(): void {
    if (this.#missing.size > 0) this.#o.events.has(this.#have)
    if (this.resting) return
    this.#o.events.choking(false)
    this.#o.events.turn()
  }

  /** It takes part no longer: whatever is under way ends, and what it was asked is forgotten. */
  pause(): void {
    this.#forget()
  }

  /** Ends everything; no event follows. */
  close(): void {
    this.#closed = true
    clearTimeout(this.#restTimer)
    this.#forget()
  }

  mayTake(lane: Lane, key: number): boolean {
    if (!this.#asked.has(key)) return false
    const begin = this.grid.begin(key)
    for (const other of this.#lanes) if (other !== lane && other.covers(begin)) return false
    return true
  }

  openBody(lane: Lane, part: SeedPart, events: RangeEvents): { body: RangeBody; end: number } {
    let limit = part.end
    for (const other of this.#lanes) {
      if (other !== lane && other.from > lane.at && other.coverEnd > other.from) {
        limit = Math.min(limit, other.from)
      }
    }
    const ahead = lane.at + Math.min(MOST_AHEAD, lane.at - lane.since)
    const end = Math.min(limit, Math.max(this.#askedEnd(lane.at), ahead))
    // It ends where a block does, or the part.
    const aligned = Math.min(limit, this.grid.end(this.grid.keyAt(end - 1)))
    this.#requests++
    const request = this.layout.request(part, lane.at, aligned)
    return { body: new RangeBody(this.#server, request, events), end: aligned }
  }

  blockTarget(lane: Lane, key: number): Uint8Array | null {
    const { grid } = this
    return this.#o.events.blockTarget(grid.pieceOf(key), grid.beginInPiece(key), grid.wanted(key), lane.index)
  }

  finished(lane: Lane, key: number, kept: boolean): void {
    const { grid } = this
    this.#asked.delete(key)
    if (this.#failures > 0) {
      this.#failures = 0
      this.#problem = undefined
    }
    if (!this.#closed) {
      this.#o.events.block(grid.pieceOf(key), grid.beginInPiece(key), grid.wanted(key), kept, lane.index)
    }
  }

  turn(bytes: number): void {
    this.#received += bytes
    if (!this.#closed) this.#o.events.turn()
  }

  rested(): void {
    // Blocks it seemed to come to may lie behind a gap.
    if (this.#asked.size > 0) this.#relocate()
  }

  failed(_: Lane, part: SeedPart, failure: RangeFailure): void {
    if (this.#closed || this.resting) return
    this.#problem = failure.reason
    this.#o.events.trouble(failure.reason)
    if (failure.kind === 'part') this.#lacks(part)
    else if (failure.kind === 'later') return this.#rest(failure.afterMs)
    else if (this.#received === this.#receivedAtFailure) return this.#rest(undefined)
    // It did deliver: a connection may break.
    this.#receivedAtFailure = this.#received
    this.#relocate()
  }

  wakeSoon(): void {
    if (this.#pumpQueued || this.#closed) return
    this.#pumpQueued = true
    // Not a microtask of the callback in which a body is read: that must have returned.
    setImmediate(() => this.#pump())
  }

  #pump(): void {
    this.#pumpQueued = false
    if (this.#closed) return
    const refusals = this.#refusals
    this.#refusals = []
    for (const key of refusals) this.#refuse(key)
    for (const lane of this.#lanes) if (!lane.active) lane.go()
    const loose = this.#loose
    this.#loose = []
    for (const key of loose) if (!this.#give(key)) this.#loose.push(key)
    for (const lane of this.#lanes) lane.resume()
  }

  /** Finds a lane for a block. Returns false when all are busy. */
  #give(key: number): boolean {
    if (!this.#asked.has(key)) return true
    const begin = this.grid.begin(key)
    if (this.#lanes.some(lane => lane.covers(begin))) return true
    const lane = this.#freeLane(begin)
    if (lane === undefined) return false
    // The sequence goes on where another lane's body ends.
    const before = this.#lanes.find(other => other.at === begin || other.coverEnd === begin)
    lane.start(key, before?.since ?? begin, this.#planEnd(key))
    return true
  }

  #freeLane(begin: number): Lane | undefined {
    let best: Lane | undefined
    for (const lane of this.#lanes) {
      if (lane.active) continue
      if (lane.at === begin) return lane
      if (best === undefined || (best.resting && !lane.resting)) best = lane
      else if (best.resting && lane.restingSince < best.restingSince) best = lane
    }
    if ((best === undefined || best.resting) && this.#lanes.length < MOST_LANES) {
      best = new Lane(this.#lanes.length, this)
      this.#lanes.push(best)
    }
    return best
  }

  /** How far a lane that begins with a block goes by itself: to the end of the file, or over several small ones. */
  #planEnd(key: number): number {
    const begin = this.grid.begin(key)
    const limit = Math.max(this.layout.partAt(begin).end, begin + LEAST_PLAN)
    let end = this.grid.end(key)
    while (end < limit && this.#asked.has(++key)) {
      if (this.#lanes.some(lane => lane.covers(end))) break
      end = this.grid.end(key)
    }
    return end
  }

  /** Where what is asked for in a row ends, from the block at `offset` on. */
  #askedEnd(offset: number): number {
    let key = this.grid.keyAt(offset)
    while (this.#asked.has(key + 1)) key++
    return this.grid.begin(key) + this.grid.wanted(key)
  }

  /** Blocks may have lost their lane: they are all looked at anew. */
  #relocate(): void {
    this.#loose = [...this.#asked]
    if (this.#loose.length > 0) this.wakeSoon()
  }

  #refuse(key: number): void {
    // Asked for again meanwhile: that request is answered. The torrent knows which of the two was refused.
    this.#o.events.refused(this.grid.pieceOf(key), this.grid.beginInPiece(key), this.grid.wanted(key))
  }

  /** A part is not there: nothing that needs it is asked of this seed any more. */
  #lacks(part: SeedPart): void {
    if (this.#missing.has(part.index)) return
    this.#missing.add(part.index)
    const pieces = this.grid.geometry.piecesIn(part.begin, part.end)
    for (let piece = pieces.begin; piece < pieces.end; piece++) this.#have.clear(piece)
    this.#o.events.has(this.#have)
    for (const key of [...this.#asked]) {
      if (this.#have.get(this.grid.pieceOf(key))) continue
      this.#asked.delete(key)
      this.#refuse(key)
    }
    for (const lane of this.#lanes) {
      if (lane.active && !this.#have.get(this.grid.pieceOf(lane.key))) lane.stop()
    }
  }

  /** Answers nothing until it has rested. */
  #rest(afterMs: number | undefined): void {
    this.#failures++
    const rest = restMs(this.#failures, afterMs)
    this.#receivedAtFailure = this.#received
    this.#restUntil = performance.now() + rest
    const asked = [...this.#asked]
    this.#forget()
    this.#o.events.choking(true)
    for (const key of asked) this.#refuse(key)
    this.#restTimer = setTimeout(() => {
      this.#restUntil = undefined
      this.#o.events.choking(false)
      this.#o.events.turn()
    }, rest)
    this.#restTimer.unref()
  }

  #forget(): void {
    this.#asked.clear()
    this.#loose = []
    for (const lane of this.#lanes) lane.stop()
  }

  async #findRealm(): Promise<Realm> {
    try {
      const realm = await this.#o.pool.realmOf(this.#o.address.url)
      if (realm === 'public' || this.#o.address.trusted || this.#o.address.url.search === '') return realm
    } catch (error) {
      // Another time it may be resolved.
      this.#realm = undefined
      throw error
    }
    // A stranger's query to a service of this machine or its network may do more than read.
    throw new TorrentError('ERR_TORRENTFS_CONNECTION', 'a web seed in the local network with a query')
  }
}
