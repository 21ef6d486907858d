import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { UPLOAD_SLOTS } from '../../../src/torrent/core/choker.js'
import type { CoreEvent, Effect, RequestAllowance } from '../../../src/torrent/core/events.js'
import { TorrentCore } from '../../../src/torrent/core/torrent-core.js'
import { MemoryBudget } from '../../../src/torrent/data/memory-budget.js'
import { Bitfield } from '../../../src/torrent/pieces/bitfield.js'
import { Geometry } from '../../../src/torrent/pieces/geometry.js'
import { randomFrom } from './virtual-clock.js'

const PIECE = 16384
/** No limit. */
const ALLOWANCE: RequestAllowance = { take: () => true, giveBack() {}, spend() {} }

/** A seed's core among leechers that pass pieces on to each other, a piece a turn each. */
class SeedAmongLeechers {
  readonly core: TorrentCore
  readonly pieceCount: number
  /** What each peer has, by number. */
  readonly has = new Map<number, Set<number>>()
  /** Which pieces of ours each peer was told of. */
  readonly told = new Map<number, Set<number>>()
  uploads = 0
  rejects = 0
  #now = 0
  readonly #random: () => number

  constructor(seed: number, pieceCount: number, superSeeding: boolean) {
    this.pieceCount = pieceCount
    this.#random = randomFrom(seed)
    const stored = new Bitfield(pieceCount)
    for (let piece = 0; piece < pieceCount; piece++) stored.set(piece)
    const length = pieceCount * PIECE
    this.core = new TorrentCore({
      geometry: new Geometry({ length, pieceLength: PIECE, files: [{ offset: 0, length, pad: false }] }),
      stored,
      suspect: new Bitfield(0),
      budget: new MemoryBudget(),
      allowance: ALLOWANCE,
      uploadSlots: () => UPLOAD_SLOTS,
    })
    if (superSeeding) this.post({ type: 'superSeed', on: true })
  }

  post(event: CoreEvent): Effect[] {
    const effects = this.core.handle(event, this.#now)
    for (const effect of effects) {
      if (effect.type === 'have') this.told.get(effect.peer)?.add(effect.piece)
      if (effect.type === 'reject') this.rejects++
    }
    return effects
  }

  join(peer: number, pieces: Iterable<number> = []): void {
    const hidden = this.core.superSeeding
    this.has.set(peer, new Set(pieces))
    this.told.set(peer, new Set(hidden ? [] : Array.from({ length: this.pieceCount }, (_, i) => i)))
    const told = hidden ? 'nothing' : 'pieces'
    this.post({ type: 'peer', peer, fast: true, incoming: true, told })
    const have = new Bitfield(this.pieceCount)
    for (const piece of pieces) have.set(piece)
    this.post({ type: 'message', peer, message: { type: 'bitfield', bytes: have.bytes } })
    this.post({ type: 'message', peer, message: { type: 'interested' } })
  }

  leave(peer: number): void {
    this.has.delete(peer)
    this.told.delete(peer)
    this.post({ type: 'gone', peer })
  }

  /** Asks us for a piece; true when we send it. */
  ask(peer: number, piece: number): boolean {
    const request = { type: 'request', piece, begin: 0, length: PIECE } as const
    const sent = this.post({ type: 'message', peer, message: request }).some(({ type }) => type === 'upload')
    if (sent) this.uploads++
    return sent
  }

  gains(peer: number, piece: number): void {
    if (this.has.get(peer)!.has(piece)) return
    this.has.get(peer)!.add(piece)
    this.post({ type: 'message', peer, message: { type: 'have', piece } })
  }

  /** One turn: each leecher takes a piece of ours at most, and one from another leecher. */
  turn(): void {
    this.#now += 100
    this.post({ type: 'tick' })
    for (const peer of [...this.has.keys()]) {
      const wanted = [...this.told.get(peer)!].filter(piece => !this.has.get(peer)!.has(piece))
      const piece = this.#pick(wanted)
      if (piece !== undefined && this.ask(peer, piece)) this.gains(peer, piece)
    }
    for (const peer of [...this.has.keys()]) {
      const offers = [...this.has].flatMap(([other, pieces]) => (other === peer ? [] : [...pieces]))
      const piece = this.#pick(offers.filter(offer => !this.has.get(peer)!.has(offer)))
      if (piece !== undefined) this.gains(peer, piece)
    }
  }

  /** Pieces that any leecher has. */
  get spread(): number {
    return new Set([...this.has.values()].flatMap(pieces => [...pieces])).size
  }

  #pick(pieces: readonly number[]): number | undefined {
    return pieces[Math.floor(this.#random() * pieces.length)]
  }
}

function uploadsForOneCopy(seed: number, superSeeding: boolean): number {
  const swarm = new SeedAmongLeechers(seed, 120, superSeeding)
  for (let peer = 1; peer <= 6; peer++) swarm.join(peer)
  for (let turn = 0; swarm.spread < swarm.pieceCount; turn++) {
    assert.ok(turn < 2000, `seed ${seed}: ${swarm.spread} pieces after ${turn} turns`)
    swarm.turn()
  }
  return swarm.uploads / swarm.pieceCount
}

describe('superseeding', () => {
  test('brings the first copy out for little more than its size, where plain seeding needs far more', () => {
    for (let seed = 1; seed <= 10; seed++) {
      const hidden = uploadsForOneCopy(seed, true)
      const plain = uploadsForOneCopy(seed, false)
      assert.ok(hidden <= 1.1, `seed ${seed}: ${hidden} copies`)
      assert.ok(plain > 1.3 * hidden, `seed ${seed}: ${plain} copies plain, ${hidden} superseeding`)
    }
  })

  test('shows a new peer two pieces, and each peer others', () => {
    const swarm = new SeedAmongLeechers(1, 50, true)
    for (const peer of [1, 2, 3]) swarm.join(peer)
    const shown = [...swarm.told.values()].map(pieces => [...pieces])
    assert.deepEqual(shown, [[0, 1], [2, 3], [4, 5]]) // prettier-ignore
  })

  test('sends nothing that was not shown', () => {
    const swarm = new SeedAmongLeechers(1, 50, true)
    swarm.join(1)
    assert.equal(swarm.ask(1, 7), false)
    assert.equal(swarm.rejects, 1)
    assert.equal(swarm.ask(1, 0), true)
  })

  test('shows another piece only when one was passed on', () => {
    const swarm = new SeedAmongLeechers(1, 50, true)
    swarm.join(1)
    swarm.join(2)
    swarm.gains(1, 0)
    assert.equal(swarm.told.get(1)!.size, 2, 'it has it, but gave it to nobody')
    swarm.gains(2, 0)
    assert.equal(swarm.told.get(1)!.size, 3)
  })

  test('a peer that is alone needs to pass on nothing', () => {
    const swarm = new SeedAmongLeechers(1, 20, true)
    swarm.join(1)
    for (let turn = 0; turn < 40 && swarm.has.get(1)!.size < 20; turn++) swarm.turn()
    assert.equal(swarm.has.get(1)!.size, 20)
  })

  test('is not stuck with peers that leave, whatever was shown to them', () => {
    const swarm = new SeedAmongLeechers(3, 60, true)
    for (let peer = 1; peer <= 4; peer++) swarm.join(peer)
    for (let turn = 0; turn < 1000 && swarm.core.superSeeding; turn++) {
      swarm.turn()
      if (turn % 10 !== 9) continue
      const [oldest] = swarm.has.keys()
      if (swarm.has.size > 2 && turn < 100) swarm.leave(oldest!)
      if (turn < 100) swarm.join(100 + turn)
    }
    assert.ok(!swarm.core.superSeeding, 'a peer has everything')
  })

  test('ends when another peer has everything: all are told of all', () => {
    const swarm = new SeedAmongLeechers(1, 10, true)
    swarm.join(1)
    swarm.join(
      2,
      Array.from({ length: 10 }, (_, i) => i),
    )
    assert.equal(swarm.core.superSeeding, false)
    assert.equal(swarm.told.get(1)!.size, 10)
    assert.equal(swarm.ask(1, 9), true)
  })

  test('does not begin while a piece is missing', () => {
    const geometry = new Geometry({
      length: 2 * PIECE,
      pieceLength: PIECE,
      files: [{ offset: 0, length: 2 * PIECE, pad: false }],
    })
    const core = new TorrentCore({
      geometry,
      stored: new Bitfield(2),
      suspect: new Bitfield(0),
      budget: new MemoryBudget(),
      allowance: ALLOWANCE,
      uploadSlots: () => UPLOAD_SLOTS,
    })
    core.handle({ type: 'superSeed', on: true }, 0)
    assert.equal(core.superSeeding, false)
  })
})
