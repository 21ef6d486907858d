/** Peers that stop answering, seen through the core alone. */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { CoreEvent } from '../../../src/torrent/core/events.js'
import { TorrentCore } from '../../../src/torrent/core/torrent-core.js'
import { MemoryBudget } from '../../../src/torrent/data/memory-budget.js'
import { Bitfield } from '../../../src/torrent/pieces/bitfield.js'
import { BLOCK_LENGTH, Geometry } from '../../../src/torrent/pieces/geometry.js'

const PIECES = 64
const PIECE_LENGTH = 16 * BLOCK_LENGTH

interface Block {
  readonly piece: number
  readonly begin: number
  readonly length: number
}

/** One torrent that is fetched whole from peer 1, which answers what the test lets it answer. */
class OnePeer {
  readonly core: TorrentCore
  now = 0
  /** Asked of the peer, and neither answered nor cancelled. */
  owed: Block[] = []
  cancelled = 0

  constructor() {
    const length = PIECES * PIECE_LENGTH
    const files = [{ offset: 0, length, pad: false }]
    this.core = new TorrentCore({
      geometry: new Geometry({ length, pieceLength: PIECE_LENGTH, files }),
      stored: new Bitfield(PIECES),
      suspect: new Bitfield(0),
      budget: new MemoryBudget(),
      allowance: { take: () => true, giveBack() {}, spend() {} },
      uploadSlots: () => 0,
    })
    this.post({ type: 'peer', peer: 1, fast: true, incoming: false })
    this.post({ type: 'message', peer: 1, message: { type: 'haveAll' } })
    this.post({ type: 'select', begin: 0, end: PIECES })
    this.post({ type: 'message', peer: 1, message: { type: 'unchoke' } })
  }

  post(event: CoreEvent): void {
    for (const effect of this.core.handle(event, this.now)) {
      if (effect.type === 'request') this.owed.push(effect)
      else if (effect.type === 'cancel') this.#takeBack(effect)
      else if (effect.type === 'store')
        this.post({ type: 'storeResult', piece: effect.piece, result: { kind: 'stored' } })
    }
  }

  /** Lets `ms` go by, in which the peer answers at `rate` (bytes/s). */
  pass(ms: number, rate: number): void {
    let due = 0
    for (const end = this.now + ms; this.now < end;) {
      this.now += 10
      for (due += rate / 100; due >= BLOCK_LENGTH && this.owed.length > 0; due -= BLOCK_LENGTH) this.#answer()
      this.post({ type: 'turn', peer: 1 })
      if (this.now % 100 === 0) this.post({ type: 'tick' })
    }
  }

  #answer(): void {
    const { piece, begin, length } = this.owed.shift()!
    assert.equal(this.core.place(1, piece, begin, length), 'slab')
    this.post({ type: 'block', peer: 1, piece, begin, length, kept: true })
  }

  #takeBack({ piece, begin, length }: Block): void {
    this.cancelled++
    this.owed = this.owed.filter(block => block.piece !== piece || block.begin !== begin)
    // By BEP 6 it answers all the same.
    this.post({ type: 'message', peer: 1, message: { type: 'reject', piece, begin, length } })
  }
}

test('a peer that is silent in the midst of a long queue is snubbing within seconds, however fast it was', () => {
  const peer = new OnePeer()
  peer.pass(600, 8_000_000)
  assert.ok(peer.owed.length > 50, `${peer.owed.length} blocks are owed`)
  peer.pass(3000, 0)
  assert.notEqual(peer.core.peer(1)?.snubbedSince, undefined)
  assert.equal(peer.cancelled, 0)
})

test('what a peer owes for too long is taken back, and then it is asked for little until it answers', () => {
  const peer = new OnePeer()
  peer.pass(600, 8_000_000)
  const owed = peer.owed.length
  peer.pass(8000, 0)
  assert.equal(peer.cancelled >= owed, true)
  assert.equal(peer.owed.length, 1)
  const stored = peer.core.stored.count
  peer.pass(3000, 8_000_000)
  assert.ok(peer.core.stored.count > stored)
  assert.ok(peer.owed.length <= owed / 2, `${peer.owed.length} blocks are owed`)
})

test('a hiccup of a second or two costs nothing that is on its way', () => {
  const peer = new OnePeer()
  peer.pass(600, 8_000_000)
  const owed = [...peer.owed]
  peer.pass(2500, 0)
  assert.deepEqual(peer.owed, owed)
  peer.pass(1000, 8_000_000)
  assert.equal(peer.core.payload.wasted, 0)
})
