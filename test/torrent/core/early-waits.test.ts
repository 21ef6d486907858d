/**
 * Reads that take blocks before their piece is verified, on a virtual clock: what they wait for, and what they must not change.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { PeerTraits } from './simulated-peer.js'
import { SimulatedSwarm } from './simulated-swarm.js'

const MIB = 1024 * 1024
const BLOCK = 16384
const PIECE = 4 * MIB
/** A piece takes four seconds. */
const SLOW: PeerTraits = { latencyMs: 20, rate: MIB }

function swarmOf(peers: readonly PeerTraits[], seed = 1): SimulatedSwarm {
  const swarm = new SimulatedSwarm({ seed, pieceCount: 8, pieceLength: PIECE, peers })
  swarm.post({ type: 'readerOpened', reader: 1, begin: 0, end: 8 * PIECE, readahead: 0, early: true })
  return swarm
}

function deliveredBytes(swarm: SimulatedSwarm): number {
  return [...swarm.delivered.values()].reduce((sum, bytes) => sum + bytes, 0)
}

test('a read in the middle of a piece is done when its own blocks are here, which are asked for first', () => {
  const swarm = swarmOf([SLOW])
  swarm.run(100)
  const early = swarm.wait(1, 3 * PIECE + 200 * BLOCK, 3 * PIECE + 202 * BLOCK, true)
  const wait = swarm.wait(1, 3 * PIECE + 200 * BLOCK, 3 * PIECE + 201 * BLOCK)
  assert.ok(swarm.run(2000, () => swarm.done.has(early)))
  assert.equal(swarm.core.stored.count, 0)
  assert.ok(!swarm.done.has(wait), 'who did not ask for that waits for the piece')
  assert.ok(swarm.run(10_000, () => swarm.done.has(wait)))
  assert.equal(swarm.core.stored.count, 1)
})

test('reading block by block fetches each block once, and the piece in the end', () => {
  const swarm = swarmOf([SLOW])
  for (let at = PIECE; at < 2 * PIECE; at += BLOCK) {
    const wait = swarm.wait(1, at, at + BLOCK, true)
    assert.ok(
      swarm.run(2000, () => swarm.done.has(wait)),
      `the read at ${at}`,
    )
  }
  assert.ok(swarm.run(1000, () => swarm.core.stored.get(1)))
  assert.equal(deliveredBytes(swarm), PIECE)
})

test('a read over a stored piece and blocks of the next is done when those are here', () => {
  const swarm = swarmOf([SLOW])
  const first = swarm.wait(1, 0, PIECE)
  assert.ok(swarm.run(10_000, () => swarm.done.has(first)))
  const wait = swarm.wait(1, PIECE - 5, PIECE + 5, true)
  assert.ok(!swarm.done.has(wait))
  assert.ok(swarm.run(1000, () => swarm.done.has(wait)))
  assert.equal(swarm.core.stored.count, 1)
  assert.ok(swarm.core.hasArrived(PIECE - 5, PIECE + BLOCK))
  assert.ok(!swarm.core.hasArrived(PIECE - 5, 2 * PIECE))
})

test('wrong blocks are given to who asked for unverified ones, convict their sender, and are never stored', () => {
  const swarm = swarmOf([{ ...SLOW, rate: 20 * MIB, lies: 1 }])
  const wait = swarm.wait(1, 0, BLOCK, true)
  assert.ok(swarm.run(1000, () => swarm.done.has(wait)))
  swarm.run(5000)
  assert.deepEqual([...swarm.banned], [1])
  assert.equal(swarm.core.stored.count, 0)
  assert.ok(!swarm.core.hasArrived(0, 1), 'what was wrong is here no more')
  const again = swarm.wait(1, 0, BLOCK, true)
  swarm.run(1000)
  assert.ok(!swarm.done.has(again))
  swarm.connect(2, SLOW)
  assert.ok(swarm.run(5000, () => swarm.done.has(again)))
})

test('a closed reader, and an ended wait, are done no more', () => {
  const swarm = swarmOf([SLOW])
  const waits = [swarm.wait(1, 0, BLOCK, true), swarm.wait(1, PIECE, PIECE + BLOCK, true)]
  swarm.post({ type: 'waitEnded', wait: waits[0]! })
  swarm.post({ type: 'readerClosed', reader: 1 })
  swarm.run(5000)
  assert.equal(swarm.done.size, 0)
  assert.equal(swarm.outstanding, 0)
})

test('what is fetched of a piece that an early reader jumped away from is given up', () => {
  const swarm = swarmOf([SLOW])
  const wait = swarm.wait(1, 0, BLOCK, true)
  assert.ok(swarm.run(1000, () => swarm.done.has(wait)))
  const far = swarm.wait(1, 7 * PIECE, 7 * PIECE + BLOCK, true)
  assert.ok(swarm.run(1000, () => swarm.done.has(far)))
  swarm.run(20_000)
  assert.ok(swarm.core.stored.get(7))
  assert.ok(!swarm.core.stored.get(0))
  assert.equal(swarm.budget.used, 0)
})
