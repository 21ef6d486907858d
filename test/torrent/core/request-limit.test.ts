/**
 * One torrent under a download limit, on the virtual clock: what is asked first, and how much.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import type { RequestAllowance } from '../../../src/torrent/core/events.js'
import type { PeerTraits } from './simulated-peer.js'
import { SimulatedSwarm } from './simulated-swarm.js'

const MIB = 1 << 20
const FAST: PeerTraits = { latencyMs: 20, rate: 20 * MIB }

/** A bucket of 0.2 s on the swarm's clock; who was refused is told 25 ms later. */
class Bucket implements RequestAllowance {
  swarm: SimulatedSwarm | undefined
  taken = 0
  unasked = 0
  readonly #rate: number
  #bytes = 0
  #filledAt = 0
  #waiting = false

  constructor(rate: number) {
    this.#rate = rate
  }

  take(bytes: number): boolean {
    const now = this.swarm?.now ?? 0
    this.#bytes = Math.min(0.2 * this.#rate, this.#bytes + ((now - this.#filledAt) * this.#rate) / 1000)
    this.#filledAt = now
    if (this.#bytes <= 0) {
      if (!this.#waiting) this.swarm?.at(25, () => this.#wake())
      this.#waiting = true
      return false
    }
    this.#bytes -= bytes
    this.taken += bytes
    return true
  }

  giveBack(bytes: number): void {
    this.#bytes += bytes
    this.taken -= bytes
  }

  spend(bytes: number): void {
    this.#bytes -= bytes
    this.unasked += bytes
  }

  #wake(): void {
    this.#waiting = false
    this.swarm!.post({ type: 'allowance' })
  }
}

function limitedSwarm(rate: number, peers: readonly PeerTraits[], pieceLength = MIB) {
  const bucket = new Bucket(rate)
  const swarm = new SimulatedSwarm({ seed: 1, pieceCount: 200, pieceLength, peers, allowance: bucket })
  bucket.swarm = swarm
  return {
    bucket,
    swarm,
    delivered: () => [...swarm.delivered.values()].reduce((sum, bytes) => sum + bytes, 0),
  }
}

for (const rate of [500 * 1024, 5 * MIB]) {
  test(`a selection is fetched at ${rate} bytes/s, within 5 % over 10 s, from all peers alike`, () => {
    const { swarm, delivered } = limitedSwarm(rate, [FAST, FAST, FAST, FAST])
    swarm.post({ type: 'select', begin: 0, end: 200 })
    swarm.run(2000)
    const before = delivered()
    swarm.run(10_000)
    const share = (delivered() - before) / (10 * rate)
    assert.ok(Math.abs(share - 1) < 0.05, `${share} of the rate`)
    const counts = [...swarm.delivered.values()]
    assert.ok(Math.max(...counts) < 1.25 * Math.min(...counts), counts.join(' '))
    assert.equal(swarm.dropped.size, 0)
  })
}

test('a read waits for its own blocks alone, whatever else is wanted', () => {
  const rate = MIB
  const { swarm } = limitedSwarm(rate, [FAST, FAST], 256 * 1024)
  swarm.post({ type: 'select', begin: 0, end: 200 })
  swarm.run(3000)
  for (const piece of [150, 60, 190]) {
    swarm.post({ type: 'readerOpened', reader: piece, begin: 0, end: 50 * MIB, readahead: 8 * MIB })
    const asked = swarm.now
    const wait = swarm.wait(piece, piece * 256 * 1024, piece * 256 * 1024 + 4096)
    assert.ok(swarm.run(5000, () => swarm.done.has(wait)))
    // A quarter of a MiB takes 250 ms; before it comes at most what was asked already.
    assert.ok(swarm.now - asked < 700, `${swarm.now - asked} ms`)
  }
})

test('memory is not filled with pieces nobody may ask for', () => {
  const { swarm } = limitedSwarm(100 * 1024, [FAST, FAST])
  swarm.post({ type: 'select', begin: 0, end: 200 })
  swarm.run(10_000)
  assert.ok(swarm.core.openPieces <= 3, `${swarm.core.openPieces} pieces open`)
})

describe('what was taken for blocks', () => {
  test('is given back when they are withdrawn, and paid when they come all the same', () => {
    const { bucket, swarm, delivered } = limitedSwarm(8 * MIB, [
      { latencyMs: 200, rate: 20 * MIB, fast: false },
    ])
    swarm.post({ type: 'readerOpened', reader: 1, begin: 0, end: 200 * MIB, readahead: 16 * MIB })
    for (let at = 0; at < 4 * MIB; at += MIB) {
      const wait = swarm.wait(1, at, at + MIB)
      swarm.run(5000, () => swarm.done.has(wait))
    }
    swarm.run(300)
    swarm.post({ type: 'readerClosed', reader: 1 })
    swarm.run(5000)
    assert.equal(bucket.taken + bucket.unasked, delivered())
  })

  test('is given back when the peer chokes or leaves', () => {
    const leaving = { latencyMs: 100, rate: MIB, leavesAfterMs: 2000 }
    const { bucket, swarm, delivered } = limitedSwarm(8 * MIB, [leaving, { ...leaving, chokeEveryMs: 300 }])
    swarm.post({ type: 'select', begin: 0, end: 200 })
    swarm.run(4000)
    assert.equal(bucket.taken + bucket.unasked, delivered())
  })
})
