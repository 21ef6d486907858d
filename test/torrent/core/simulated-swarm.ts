/**
 * A swarm on a virtual clock around one real {@link TorrentCore}: peers with latency and bandwidth that serve, choke,
 * leave, keep silent or lie, and a store that takes its time.
 *
 * Owns the clock and checks, at every effect, what must never happen. Everything follows from one seed.
 */
import assert from 'node:assert/strict'

import type { CoreEvent, Effect } from '../../../src/torrent/core/events.js'
import { TorrentCore } from '../../../src/torrent/core/torrent-core.js'
import { MemoryBudget } from '../../../src/torrent/data/memory-budget.js'
import { Bitfield } from '../../../src/torrent/pieces/bitfield.js'
import { BLOCK_LENGTH, Geometry } from '../../../src/torrent/pieces/geometry.js'

export interface PeerTraits {
  /** One way, in ms. */
  readonly latencyMs: number
  /** Bytes/s it sends. */
  readonly rate: number
  /** Takes requests and answers none. */
  readonly silent?: boolean
  /** The share of blocks it falsifies, 0 to 1. */
  readonly lies?: number
  /** Chokes for a while this often, in ms. */
  readonly chokeEveryMs?: number
  /** Leaves after this long, in ms. */
  readonly leavesAfterMs?: number
  /** The pieces it has; all of them by default. */
  readonly has?: (piece: number) => boolean
  readonly fast?: boolean
}

interface Asked {
  readonly piece: number
  readonly begin: number
  readonly length: number
  cancelled: boolean
}

interface SimulatedPeer {
  readonly number: number
  readonly traits: PeerTraits
  readonly fast: boolean
  asked: Asked[]
  freeAt: number
  choking: boolean
  connected: boolean
}

export interface SwarmOptions {
  readonly seed: number
  readonly pieceCount: number
  readonly pieceLength: number
  readonly memoryBytes?: number
  readonly peers: readonly PeerTraits[]
}

/** Deterministic numbers in [0, 1). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

export class SimulatedSwarm {
  now = 0
  readonly core: TorrentCore
  readonly geometry: Geometry
  readonly budget: MemoryBudget
  /** Payload bytes that were delivered, by peer. */
  readonly delivered = new Map<number, number>()
  readonly banned = new Set<number>()
  readonly dropped = new Set<number>()
  /** When each wait was done. */
  readonly done = new Map<number, number>()
  readonly failed = new Set<number>()
  complete = false
  mostMemory = 0
  requests = 0
  readonly #peers = new Map<number, SimulatedPeer>()
  readonly #agenda: { at: number; order: number; run: () => void }[] = []
  readonly #random: () => number
  /** Block senders by piece: negative for a falsified block. */
  readonly #slabs = new Map<number, Map<number, number>>()
  #order = 0
  #nextWait = 1

  constructor(options: SwarmOptions) {
    const length = options.pieceCount * options.pieceLength
    this.geometry = new Geometry({
      length,
      pieceLength: options.pieceLength,
      files: [{ offset: 0, length, pad: false }],
    })
    this.budget = new MemoryBudget(options.memoryBytes)
    this.#random = randomFrom(options.seed)
    this.core = new TorrentCore({
      geometry: this.geometry,
      stored: new Bitfield(options.pieceCount),
      suspect: new Bitfield(0),
      budget: this.budget,
    })
    this.budget.onRelease(() => {
      this.at(0, () => {
        if (this.core.starved) this.post({ type: 'memory' })
      })
    })
    options.peers.forEach((traits, i) => this.connect(i + 1, traits))
    this.#tick()
  }

  connect(number: number, traits: PeerTraits): void {
    const fast = traits.fast ?? true
    const peer: SimulatedPeer = { number, traits, fast, asked: [], freeAt: 0, choking: true, connected: true }
    this.#peers.set(number, peer)
    this.post({ type: 'peer', peer: number, fast, incoming: false })
    const have = new Bitfield(this.geometry.pieceCount)
    for (let piece = 0; piece < have.length; piece++) if (traits.has?.(piece) ?? true) have.set(piece)
    this.post({ type: 'message', peer: number, message: { type: 'bitfield', bytes: have.bytes } })
    if (traits.leavesAfterMs !== undefined) this.at(traits.leavesAfterMs, () => this.#leave(peer))
    if (traits.chokeEveryMs !== undefined) this.at(traits.chokeEveryMs, () => this.#choke(peer))
  }

  /** Runs `task` after `delay` ms of the virtual clock. */
  at(delay: number, task: () => void): void {
    this.#agenda.push({ at: this.now + delay, order: this.#order++, run: task })
  }

  post(event: CoreEvent): void {
    for (const effect of this.core.handle(event, this.now)) this.#run(effect)
    this.mostMemory = Math.max(this.mostMemory, this.budget.used)
  }

  /** A reader waits for [begin, end); returns the wait's number. */
  wait(reader: number, begin: number, end: number): number {
    const wait = this.#nextWait++
    this.post({ type: 'wait', wait, reader, begin, end })
    return wait
  }

  /** Lets time go by until `done` is true; false when it took longer than `ms`. */
  run(ms: number, done: () => boolean = () => false): boolean {
    const end = this.now + ms
    while (!done()) {
      let first = -1
      for (let i = 0; i < this.#agenda.length; i++) {
        const a = this.#agenda[i]!
        const b = this.#agenda[first]
        if (b === undefined || a.at < b.at || (a.at === b.at && a.order < b.order)) first = i
      }
      const next = this.#agenda[first]
      if (next === undefined || next.at > end) {
        this.now = end
        return done()
      }
      this.#agenda[first] = this.#agenda[this.#agenda.length - 1]!
      this.#agenda.pop()
      this.now = Math.max(this.now, next.at)
      next.run()
    }
    return true
  }

  /** Requests that no peer has answered and that were not withdrawn. */
  get outstanding(): number {
    let count = 0
    for (const peer of this.#peers.values()) count += peer.asked.filter(asked => !asked.cancelled).length
    return count
  }

  #tick(): void {
    this.at(100, () => {
      this.post({ type: 'tick' })
      this.#tick()
    })
  }

  #run(effect: Effect): void {
    switch (effect.type) {
      case 'request':
        return this.#onRequest(effect.peer, effect.piece, effect.begin, effect.length)
      case 'cancel':
        return this.#onCancel(effect.peer, effect.piece, effect.begin)
      case 'send':
        if (effect.message === 'interested') this.#onInterested(this.#peers.get(effect.peer)!)
        return
      case 'openPiece':
        assert.ok(!this.#slabs.has(effect.piece), `piece ${effect.piece} opened twice`)
        this.#slabs.set(effect.piece, new Map())
        return
      case 'closePiece':
        assert.ok(this.#slabs.delete(effect.piece), `piece ${effect.piece} closed but not open`)
        return
      case 'store':
        return this.at(2, () => this.#store(effect.piece, effect.blockDigests))
      case 'waitDone':
        this.done.set(effect.wait, this.now)
        return
      case 'waitFailed':
        this.failed.add(effect.wait)
        return
      case 'disconnect':
        if (effect.ban) this.banned.add(effect.peer)
        this.dropped.add(effect.peer)
        return this.at(0, () => this.#leave(this.#peers.get(effect.peer)))
      case 'complete':
        this.complete = true
        return
      default:
    }
  }

  #onInterested(peer: SimulatedPeer): void {
    if (!peer.choking) return
    this.at(2 * peer.traits.latencyMs, () => {
      peer.choking = false
      this.#say(peer, { type: 'unchoke' })
    })
  }

  #onRequest(number: number, piece: number, begin: number, length: number): void {
    const peer = this.#peers.get(number)
    assert.ok(peer?.connected, `asked peer ${number}, which is gone`)
    assert.ok(!peer.choking, `asked peer ${number}, which chokes`)
    assert.ok(peer.traits.has?.(piece) ?? true, `asked peer ${number} for piece ${piece}, which it lacks`)
    // Without the fast extension no one can tell which of two same requests, one of them cancelled, was answered.
    const twice = peer.fast && peer.asked.some(a => a.piece === piece && a.begin === begin && !a.cancelled)
    assert.ok(!twice, `asked peer ${number} twice for ${piece}+${begin}`)
    assert.ok(length > 0 && length <= BLOCK_LENGTH)
    this.requests++
    const asked: Asked = { piece, begin, length, cancelled: false }
    peer.asked.push(asked)
    if (peer.traits.silent === true) return
    const start = Math.max(peer.freeAt, this.now + peer.traits.latencyMs)
    peer.freeAt = start + (length * 1000) / peer.traits.rate
    this.at(peer.freeAt + peer.traits.latencyMs - this.now, () => this.#deliver(peer, asked))
  }

  #onCancel(number: number, piece: number, begin: number): void {
    const asked = this.#peers
      .get(number)
      ?.asked.find(a => a.piece === piece && a.begin === begin && !a.cancelled)
    if (asked !== undefined) asked.cancelled = true
  }

  #deliver(peer: SimulatedPeer, asked: Asked): void {
    const at = peer.asked.indexOf(asked)
    if (at < 0 || !peer.connected) return
    peer.asked.splice(at, 1)
    const { piece, begin, length } = asked
    if (asked.cancelled && peer.fast) return this.#say(peer, { type: 'reject', piece, begin, length })
    this.delivered.set(peer.number, (this.delivered.get(peer.number) ?? 0) + length)
    const place = this.core.place(peer.number, piece, begin, length)
    const kept = place === 'slab' || (place === 'scratch' && this.core.takes(piece, begin))
    if (kept) {
      const lie = this.#random() < (peer.traits.lies ?? 0)
      const slab = this.#slabs.get(piece)
      assert.ok(slab !== undefined, `a block for piece ${piece} without memory`)
      slab.set(begin, lie ? -peer.number : peer.number)
    }
    this.post({ type: 'block', peer: peer.number, piece, begin, length, kept })
    this.post({ type: 'turn', peer: peer.number })
  }

  #say(peer: SimulatedPeer, message: Extract<CoreEvent, { type: 'message' }>['message']): void {
    if (peer.connected) this.post({ type: 'message', peer: peer.number, message })
  }

  #choke(peer: SimulatedPeer): void {
    if (!peer.connected) return
    peer.choking = true
    // By BEP 6 each is rejected; before it, silence means so.
    peer.asked = []
    this.#say(peer, { type: 'choke' })
    this.at(300, () => {
      peer.choking = false
      this.#say(peer, { type: 'unchoke' })
    })
    this.at(peer.traits.chokeEveryMs!, () => this.#choke(peer))
  }

  #leave(peer: SimulatedPeer | undefined): void {
    if (peer?.connected !== true) return
    peer.connected = false
    peer.asked = []
    this.post({ type: 'gone', peer: peer.number })
  }

  #store(piece: number, blockDigests: boolean): void {
    const slab = this.#slabs.get(piece)
    assert.ok(slab !== undefined, `piece ${piece} stored without memory`)
    const count = this.geometry.blockCount(piece)
    assert.equal(slab.size, count, `piece ${piece} stored with blocks missing`)
    const digests = new Uint8Array(20 * count)
    let good = true
    for (const [begin, sender] of slab) {
      if (sender > 0) continue
      good = false
      digests[(begin / BLOCK_LENGTH) * 20] = 1
    }
    if (!good) {
      this.post({ type: 'storeResult', piece, result: { kind: 'mismatch', blockDigests: digests } })
    } else {
      const result = blockDigests
        ? ({ kind: 'stored', blockDigests: digests } as const)
        : ({ kind: 'stored' } as const)
      this.post({ type: 'storeResult', piece, result })
    }
  }
}
