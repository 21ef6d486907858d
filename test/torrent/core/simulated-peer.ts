/**
 * One peer of a simulated swarm, and the wire between it and us.
 *
 * Owns what the peer holds: requests it has not begun, blocks that lie in its socket, which no cancel takes back, and a TCP
 * that starts slowly, jitters and stalls. Everything arrives in order. Checks what must never be asked of it.
 */
import assert from 'node:assert/strict'

import type { PeerMessage } from '../../../src/torrent/core/events.js'
import { BLOCK_LENGTH } from '../../../src/torrent/pieces/geometry.js'
import type { VirtualClock } from './virtual-clock.js'

export interface PeerTraits {
  /** One way, in ms. */
  readonly latencyMs: number
  /** Bytes/s it sends at most. */
  readonly rate: number
  /** Takes requests and answers none. */
  readonly silent?: boolean
  /** The share of blocks it falsifies, 0 to 1. */
  readonly lies?: number
  /** Chokes for a while this often, in ms. */
  readonly chokeEveryMs?: number
  /** For how long it then chokes, in ms. */
  readonly chokeForMs?: number
  /** Never unchokes us. */
  readonly unwilling?: boolean
  /** Comes, and leaves, after this long, in ms. */
  readonly joinsAfterMs?: number
  readonly leavesAfterMs?: number
  /** The pieces it has; all of them by default. */
  readonly has?: (piece: number) => boolean
  /** Speaks the fast extension (BEP 6): true by default. */
  readonly fast?: boolean
  /** Requests it holds at most; it says so (BEP 10 `reqq`). Above that it refuses, or forgets. */
  readonly requestQueue?: number
  /** Bytes it puts into its socket ahead of what is sent. */
  readonly socketBytes?: number
  /** Its TCP begins with ten segments a round trip, also after a pause. */
  readonly slowStart?: boolean
  /** What arrives is late by up to this much, in ms. */
  readonly jitterMs?: number
  /** How much its rate varies from second to second: sigma of a log-normal factor. */
  readonly varies?: number
  /** Sends nothing for a while, this often on average, in ms. */
  readonly stallEveryMs?: number
  /** For up to how long, in ms. */
  readonly stallMs?: number
  /** The share of requests it neither answers nor refuses, 0 to 1. */
  readonly forgets?: number
}

/** Who has the peer at the other end of the wire. */
export interface PeerHost {
  readonly clock: VirtualClock
  /** In [0, 1). */
  readonly random: () => number
  /** `length` bytes reach our own line; `arrived` is to be called when they came through it. */
  receive(length: number, arrived: () => void): void
  message(peer: SimulatedPeer, message: PeerMessage): void
  block(peer: SimulatedPeer, piece: number, begin: number, length: number): void
}

interface Request {
  readonly piece: number
  readonly begin: number
  readonly length: number
}

/** Ten segments: what a TCP may send before the first acknowledgement. */
const FIRST_WINDOW = 14_600
/** How long a choke lasts by default, in ms. */
const CHOKE_MS = 300
/** How long a rate holds, in ms. */
const RATE_HOLDS_MS = 1000

export class SimulatedPeer {
  readonly number: number
  readonly traits: PeerTraits
  readonly fast: boolean
  connected = true
  /** Whether it has told us that it chokes us. */
  toldChoking = true
  /** Requests that are neither answered nor withdrawn, by key. */
  readonly owed = new Set<number>()
  readonly #host: PeerHost
  #choking = true
  /** Not begun. */
  #queue: Request[] = []
  /** Blocks in the socket that are not wholly sent. */
  #inSocket = 0
  /** When all that lies in the socket will be sent. */
  #freeAt = 0
  #lastArrival = 0
  #window = FIRST_WINDOW
  #factor = 1
  #factorUntil = 0
  #stallAt = Infinity

  constructor(number: number, traits: PeerTraits, host: PeerHost) {
    this.number = number
    this.traits = traits
    this.fast = traits.fast ?? true
    this.#host = host
    this.#planStall(0)
    if (traits.chokeEveryMs !== undefined) host.clock.after(traits.chokeEveryMs, () => this.#choke())
  }

  has(piece: number): boolean {
    return this.traits.has?.(piece) ?? true
  }

  /** We say that we are interested. */
  interested(): void {
    if (this.traits.unwilling === true) return
    this.#later(() => {
      if (this.#choking) this.#unchoke()
    })
  }

  request(piece: number, begin: number, length: number): void {
    assert.ok(this.connected, `asked peer ${this.number}, which is gone`)
    assert.ok(!this.toldChoking, `asked peer ${this.number}, which chokes`)
    assert.ok(this.has(piece), `asked peer ${this.number} for piece ${piece}, which it lacks`)
    assert.ok(length > 0 && length <= BLOCK_LENGTH)
    const key = keyOf(piece, begin)
    // Without the fast extension no one can tell which of two same requests, one of them cancelled, was answered.
    assert.ok(!this.fast || !this.owed.has(key), `asked peer ${this.number} twice for ${piece}+${begin}`)
    this.owed.add(key)
    this.#later(() => this.#onRequest({ piece, begin, length }))
  }

  cancel(piece: number, begin: number): void {
    this.owed.delete(keyOf(piece, begin))
    this.#later(() => this.#onCancel(piece, begin))
  }

  leave(): void {
    this.connected = false
    this.#queue = []
    this.owed.clear()
  }

  #later(task: () => void): void {
    this.#host.clock.after(this.traits.latencyMs, () => {
      if (this.connected) task()
    })
  }

  #onRequest(request: Request): void {
    if (this.traits.silent === true || this.#host.random() < (this.traits.forgets ?? 0)) return
    if (this.#choking || this.#queue.length >= (this.traits.requestQueue ?? Infinity)) {
      return this.#reject(request)
    }
    this.#queue.push(request)
    this.#serve()
  }

  #onCancel(piece: number, begin: number): void {
    const at = this.#queue.findIndex(queued => queued.piece === piece && queued.begin === begin)
    if (at >= 0) this.#reject(this.#queue.splice(at, 1)[0]!)
  }

  #reject({ piece, begin, length }: Request): void {
    if (!this.fast) return
    this.#send(0, () => {
      this.owed.delete(keyOf(piece, begin))
      this.#host.message(this, { type: 'reject', piece, begin, length })
    })
  }

  /** Moves blocks into the socket while there is room. */
  #serve(): void {
    while (this.#queue.length > 0) {
      if (this.#inSocket > 0 && (this.#inSocket + 1) * BLOCK_LENGTH > (this.traits.socketBytes ?? 0)) return
      const { piece, begin, length } = this.#queue.shift()!
      this.#inSocket++
      this.#send(length, () => {
        this.owed.delete(keyOf(piece, begin))
        this.#host.block(this, piece, begin, length)
      })
      this.#host.clock.at(this.#freeAt, () => {
        this.#inSocket--
        if (this.connected) this.#serve()
      })
    }
  }

  /** Puts something into the socket. */
  #send(length: number, arrived: () => void): void {
    const { clock, random } = this.#host
    const begin = this.#startOf(length)
    this.#freeAt = begin + (length * 1000) / this.#rateAt(begin, length)
    const late = (this.traits.jitterMs ?? 0) * random()
    this.#lastArrival = Math.max(this.#lastArrival, this.#freeAt + this.traits.latencyMs + late)
    clock.at(this.#lastArrival, () =>
      this.#host.receive(length, () => {
        if (this.connected) arrived()
      }),
    )
  }

  /** When the first byte of what is put into the socket now leaves it. */
  #startOf(length: number): number {
    const { clock } = this.#host
    const pause = clock.now - this.#freeAt
    if (pause > 200 + 2 * this.traits.latencyMs) this.#window = FIRST_WINDOW
    const begin = Math.max(this.#freeAt, clock.now)
    if (length === 0 || begin < this.#stallAt) return begin
    const stalled = begin + this.#host.random() * (this.traits.stallMs ?? 2000)
    this.#planStall(stalled)
    return stalled
  }

  #planStall(from: number): void {
    const { stallEveryMs } = this.traits
    if (stallEveryMs !== undefined) this.#stallAt = from - Math.log(1 - this.#host.random()) * stallEveryMs
  }

  #rateAt(time: number, length: number): number {
    const { rate, varies, slowStart, latencyMs } = this.traits
    if (varies !== undefined && time >= this.#factorUntil) {
      this.#factor = Math.exp(varies * gaussian(this.#host.random))
      this.#factorUntil = time + RATE_HOLDS_MS
    }
    const full = rate * this.#factor
    if (slowStart !== true) return full
    const allowed = (this.#window * 1000) / (2 * latencyMs)
    // Each byte that is acknowledged lets two go.
    if (allowed < full) this.#window += length
    return Math.min(full, allowed)
  }

  #unchoke(): void {
    this.#choking = false
    this.#send(0, () => {
      this.toldChoking = false
      this.#host.message(this, { type: 'unchoke' })
    })
  }

  #choke(): void {
    if (!this.connected) return
    const { chokeEveryMs, chokeForMs = CHOKE_MS } = this.traits
    const { clock } = this.#host
    this.#choking = true
    const dropped = this.#queue
    this.#queue = []
    this.#send(0, () => {
      this.toldChoking = true
      this.owed.clear()
      this.#host.message(this, { type: 'choke' })
    })
    // By BEP 6 each is rejected; before it, silence means so.
    for (const request of dropped) this.#reject(request)
    clock.after(chokeForMs, () => {
      if (this.connected) this.#unchoke()
    })
    clock.after(chokeForMs + chokeEveryMs!, () => this.#choke())
  }
}

function keyOf(piece: number, begin: number): number {
  return piece * 2 ** 20 + begin / BLOCK_LENGTH
}

/** A number of the standard normal distribution. */
export function gaussian(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}
