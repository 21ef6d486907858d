/**
 * A swarm on a virtual clock around one real {@link TorrentCore}: peers that serve, choke, stall, leave, keep silent or lie,
 * our own line, and a store that takes its time.
 *
 * Owns what runs the core's effects, and checks at every one what must never happen. Everything follows from one seed.
 */
import assert from 'node:assert/strict'

import { UPLOAD_SLOTS } from '../../../src/torrent/core/choker.js'
import type { CoreEvent, Effect, RequestAllowance } from '../../../src/torrent/core/events.js'
import { TorrentCore } from '../../../src/torrent/core/torrent-core.js'
import { MemoryBudget } from '../../../src/torrent/data/memory-budget.js'
import { Bitfield } from '../../../src/torrent/pieces/bitfield.js'
import { BLOCK_LENGTH, Geometry } from '../../../src/torrent/pieces/geometry.js'
import { SimulatedPeer, type PeerTraits } from './simulated-peer.js'
import { randomFrom, VirtualClock } from './virtual-clock.js'

export interface SwarmOptions {
  readonly seed: number
  readonly pieceCount: number
  readonly pieceLength: number
  readonly memoryBytes?: number
  /** Bytes/s that come through our own line; no limit by default. */
  readonly lineRate?: number
  readonly peers: readonly PeerTraits[]
  /** What limits requests; nothing by default. */
  readonly allowance?: RequestAllowance
}

/** How long a piece takes to be hashed and written: 2 ms, and its bytes at 400 MB/s. */
const STORE_MS = 2
const STORE_BYTES_PER_MS = 400_000

export class SimulatedSwarm {
  readonly clock = new VirtualClock()
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
  readonly #random: () => number
  readonly #lineRate: number
  /** When all that reached our line came through it. */
  #lineFreeAt = 0
  /** Block senders by piece: negative for a falsified block. */
  readonly #slabs = new Map<number, Map<number, number>>()
  readonly #whenDone = new Map<number, () => void>()
  #nextWait = 1

  constructor(options: SwarmOptions) {
    const length = options.pieceCount * options.pieceLength
    this.geometry = new Geometry({
      length,
      pieceLength: options.pieceLength,
      files: [{ offset: 0, length, pad: false }],
    })
    this.budget = new MemoryBudget(options.memoryBytes)
    this.#lineRate = options.lineRate ?? Infinity
    this.#random = randomFrom(options.seed)
    this.core = new TorrentCore({
      geometry: this.geometry,
      stored: new Bitfield(options.pieceCount),
      suspect: new Bitfield(0),
      budget: this.budget,
      allowance: options.allowance ?? { take: () => true, giveBack() {}, spend() {} },
      uploadSlots: () => UPLOAD_SLOTS,
    })
    this.budget.onRelease(() => {
      this.at(0, () => {
        if (this.core.starved) this.post({ type: 'memory' })
      })
    })
    options.peers.forEach((traits, i) => {
      if (traits.joinsAfterMs === undefined) this.connect(i + 1, traits)
      else this.at(traits.joinsAfterMs, () => this.connect(i + 1, traits))
    })
    this.#tick()
  }

  get now(): number {
    return this.clock.now
  }

  /** Requests that no peer has answered and that were not withdrawn. */
  get outstanding(): number {
    let count = 0
    for (const peer of this.#peers.values()) count += peer.owed.size
    return count
  }

  connect(number: number, traits: PeerTraits): void {
    const peer = new SimulatedPeer(number, traits, {
      clock: this.clock,
      random: this.#random,
      receive: (length, arrived) => this.#receive(length, arrived),
      message: ({ number }, message) => this.post({ type: 'message', peer: number, message }),
      block: (peer, piece, begin, length) => this.#onBlock(peer, piece, begin, length),
    })
    this.#peers.set(number, peer)
    this.post({ type: 'peer', peer: number, fast: peer.fast, incoming: false })
    if (traits.requestQueue !== undefined) {
      this.post({ type: 'requestQueue', peer: number, requests: traits.requestQueue })
    }
    const have = new Bitfield(this.geometry.pieceCount)
    for (let piece = 0; piece < have.length; piece++) if (peer.has(piece)) have.set(piece)
    this.post({ type: 'message', peer: number, message: { type: 'bitfield', bytes: have.bytes } })
    if (traits.leavesAfterMs !== undefined) this.at(traits.leavesAfterMs, () => this.#leave(number))
  }

  /** Runs `task` after `delay` ms of the virtual clock. */
  at(delay: number, task: () => void): void {
    this.clock.after(delay, task)
  }

  post(event: CoreEvent): void {
    for (const effect of this.core.handle(event, this.now)) this.#run(effect)
    this.mostMemory = Math.max(this.mostMemory, this.budget.used)
  }

  /** A reader waits for [begin, end), with `early` for its blocks alone; returns the wait's number. */
  wait(reader: number, begin: number, end: number, early = false): number {
    const wait = this.#nextWait++
    this.post({ type: 'wait', wait, reader, begin, end, early })
    return wait
  }

  /** Calls `callback` when the wait is done, once. */
  whenDone(wait: number, callback: () => void): void {
    if (this.done.has(wait)) this.at(0, callback)
    else this.#whenDone.set(wait, callback)
  }

  /** Lets time go by until `done` is true; false when it took longer than `ms`. */
  run(ms: number, done?: () => boolean): boolean {
    return this.clock.run(ms, done)
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
        this.requests++
        return this.#peer(effect.peer).request(effect.piece, effect.begin, effect.length)
      case 'cancel':
        return this.#peer(effect.peer).cancel(effect.piece, effect.begin)
      case 'send':
        if (effect.message === 'interested') this.#peer(effect.peer).interested()
        return
      case 'openPiece':
        assert.ok(!this.#slabs.has(effect.piece), `piece ${effect.piece} opened twice`)
        this.#slabs.set(effect.piece, new Map())
        return
      case 'closePiece':
        assert.ok(this.#slabs.delete(effect.piece), `piece ${effect.piece} closed but not open`)
        return
      case 'store':
        return this.at(STORE_MS + this.geometry.pieceSize(effect.piece) / STORE_BYTES_PER_MS, () =>
          this.#store(effect.piece, effect.blockDigests),
        )
      case 'waitDone':
        this.done.set(effect.wait, this.now)
        return this.at(0, () => {
          this.#whenDone.get(effect.wait)?.()
          this.#whenDone.delete(effect.wait)
        })
      case 'waitFailed':
        this.failed.add(effect.wait)
        return
      case 'disconnect':
        if (effect.ban) this.banned.add(effect.peer)
        this.dropped.add(effect.peer)
        return this.at(0, () => this.#leave(effect.peer))
      case 'complete':
        this.complete = true
        return
      default:
    }
  }

  #peer(number: number): SimulatedPeer {
    const peer = this.#peers.get(number)
    assert.ok(peer?.connected, `an effect for peer ${number}, which is gone`)
    return peer
  }

  /** Bytes reach our line: all that come share it. */
  #receive(length: number, arrived: () => void): void {
    if (this.#lineRate === Infinity) return arrived()
    this.#lineFreeAt = Math.max(this.#lineFreeAt, this.now) + (length * 1000) / this.#lineRate
    this.clock.at(this.#lineFreeAt, arrived)
  }

  #onBlock(peer: SimulatedPeer, piece: number, begin: number, length: number): void {
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
    if (peer.connected) this.post({ type: 'turn', peer: peer.number })
  }

  #leave(number: number): void {
    const peer = this.#peers.get(number)
    if (peer?.connected !== true) return
    peer.leave()
    this.post({ type: 'gone', peer: number })
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
