import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import type { PeerTraits } from './simulated-peer.js'
import { SimulatedSwarm } from './simulated-swarm.js'

const MIB = 1024 * 1024
const FAST: PeerTraits = { latencyMs: 5, rate: 20 * MIB }

function swarmOf(...peers: PeerTraits[]): SimulatedSwarm {
  const swarm = new SimulatedSwarm({ seed: 1, pieceCount: 16, pieceLength: MIB / 4, peers })
  swarm.post({ type: 'readerOpened', reader: 1, begin: 0, end: 4 * MIB, readahead: 4 * MIB })
  return swarm
}

function delivered(swarm: SimulatedSwarm): number {
  return [...swarm.delivered.values()].reduce((sum, bytes) => sum + bytes, 0)
}

describe('payload counts', () => {
  test('as useful alone when all of it went into pieces that matched', () => {
    const swarm = swarmOf(FAST)
    const wait = swarm.wait(1, 0, 4 * MIB)
    assert.ok(swarm.run(10_000, () => swarm.done.has(wait)))
    const { useful, wasted, waste, failedPieces } = swarm.core.payload
    assert.deepEqual({ useful, wasted, failedPieces }, { useful: 4 * MIB, wasted: 0, failedPieces: 0 })
    assert.deepEqual(waste, { duplicate: 0, hashFailed: 0, unrequested: 0 })
  })

  test('as wasted by a failed hash, a piece at a time', () => {
    const swarm = swarmOf(FAST, { ...FAST, lies: 1 })
    const wait = swarm.wait(1, 0, 4 * MIB)
    assert.ok(swarm.run(20_000, () => swarm.done.has(wait)))
    const { useful, wasted, waste, failedPieces } = swarm.core.payload
    assert.ok(failedPieces > 0)
    assert.equal(waste.hashFailed, (failedPieces * MIB) / 4)
    assert.equal(useful, 4 * MIB)
    assert.equal(wasted, waste.duplicate + waste.hashFailed + waste.unrequested)
  })

  test('as come too late when it was taken back and came nevertheless', () => {
    // What lies in its socket no cancel takes back.
    const swarm = swarmOf({ latencyMs: 20, rate: MIB, socketBytes: MIB })
    swarm.wait(1, 0, 2 * MIB)
    swarm.run(300)
    swarm.post({ type: 'readerClosed', reader: 1 })
    swarm.run(5000)
    const { useful, wasted, waste } = swarm.core.payload
    assert.ok(waste.duplicate > 0)
    assert.equal(wasted, waste.duplicate)
    assert.equal(useful + wasted, delivered(swarm))
  })

  test('as unrequested when nobody had asked for it, or such a block does not exist', () => {
    const swarm = swarmOf(FAST)
    swarm.run(10)
    const block = { type: 'block', peer: 1, length: 16384, kept: false } as const
    swarm.post({ ...block, piece: 15, begin: 0 })
    swarm.post({ ...block, piece: 99, begin: 0 })
    swarm.post({ ...block, piece: 0, begin: 7 })
    swarm.post({ ...block, peer: 7, piece: 0, begin: 0 })
    assert.deepEqual(swarm.core.payload.waste, { duplicate: 0, hashFailed: 0, unrequested: 4 * 16384 })
  })
})
