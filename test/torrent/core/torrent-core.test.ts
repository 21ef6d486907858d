import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import type { PeerTraits } from './simulated-peer.js'
import { SimulatedSwarm } from './simulated-swarm.js'
import { randomFrom } from './virtual-clock.js'

const MIB = 1024 * 1024
const FAST: PeerTraits = { latencyMs: 5, rate: 20 * MIB }

function sumOf(numbers: Iterable<number>): number {
  let sum = 0
  for (const number of numbers) sum += number
  return sum
}

describe('one reader and one peer', () => {
  test('a first read fetches no more than the piece it touches', () => {
    const swarm = new SimulatedSwarm({ seed: 1, pieceCount: 100, pieceLength: MIB, peers: [FAST] })
    swarm.post({ type: 'readerOpened', reader: 1, begin: 0, end: 100 * MIB, readahead: 16 * MIB })
    const wait = swarm.wait(1, 30 * MIB, 30 * MIB + 4096)
    assert.ok(swarm.run(2000, () => swarm.done.has(wait)))
    swarm.run(2000)
    assert.equal(sumOf(swarm.delivered.values()), MIB)
    assert.equal(swarm.core.stored.count, 1)
  })

  test('sequential reading grows the window and keeps the peer busy', () => {
    const swarm = new SimulatedSwarm({ seed: 1, pieceCount: 200, pieceLength: MIB, peers: [FAST] })
    swarm.post({ type: 'readerOpened', reader: 1, begin: 0, end: 200 * MIB, readahead: 16 * MIB })
    const began = swarm.now
    for (let at = 0; at < 200 * MIB; at += MIB / 4) {
      if (swarm.core.stored.get(Math.floor(at / MIB))) {
        swarm.post({ type: 'readStored', reader: 1, begin: at, end: at + MIB / 4 })
        continue
      }
      const wait = swarm.wait(1, at, at + MIB / 4)
      assert.ok(
        swarm.run(5000, () => swarm.done.has(wait)),
        `read at ${at} not done`,
      )
    }
    const seconds = (swarm.now - began) / 1000
    assert.ok(seconds < 10 * 1.15, `200 MiB at 20 MiB/s took ${seconds} s`)
    assert.equal(sumOf(swarm.delivered.values()), 200 * MIB)
  })

  test('an idle reader has its window filled, and then nothing more is fetched', () => {
    const swarm = new SimulatedSwarm({ seed: 1, pieceCount: 100, pieceLength: MIB, peers: [FAST] })
    swarm.post({ type: 'readerOpened', reader: 1, begin: 0, end: 100 * MIB, readahead: 8 * MIB })
    for (let at = 0; at < 6 * MIB; at += MIB) {
      const wait = swarm.wait(1, at, at + MIB)
      swarm.run(5000, () => swarm.done.has(wait))
    }
    swarm.run(10_000)
    assert.equal(swarm.core.stored.count, 6 + 8)
    assert.equal(swarm.outstanding, 0)
  })

  test('a peer that comes later and was never tried takes over from one that crawls', () => {
    const crawling = { latencyMs: 3, rate: 20_000 }
    const swarm = new SimulatedSwarm({ seed: 1, pieceCount: 8, pieceLength: MIB / 4, peers: [crawling] })
    swarm.post({ type: 'readerOpened', reader: 1, begin: 0, end: 2 * MIB, readahead: 0 })
    const wait = swarm.wait(1, 0, 65536)
    swarm.run(2000)
    swarm.connect(2, FAST)
    assert.ok(swarm.run(4000, () => swarm.done.has(wait)))
  })

  test('reading all of a torrent makes it complete, selected or not', () => {
    const swarm = new SimulatedSwarm({ seed: 1, pieceCount: 3, pieceLength: MIB, peers: [FAST] })
    swarm.post({ type: 'readerOpened', reader: 1, begin: 0, end: 3 * MIB, readahead: 0 })
    swarm.wait(1, 0, 2 * MIB)
    swarm.run(2000)
    assert.equal(swarm.complete, false)
    swarm.wait(1, 2 * MIB, 3 * MIB)
    swarm.run(2000)
    assert.equal(swarm.complete, true)
  })

  test('closing the reader withdraws every request and gives back the memory', () => {
    const slow = { latencyMs: 20, rate: MIB }
    const swarm = new SimulatedSwarm({ seed: 1, pieceCount: 100, pieceLength: MIB, peers: [slow] })
    swarm.post({ type: 'readerOpened', reader: 1, begin: 0, end: 100 * MIB, readahead: 8 * MIB })
    swarm.wait(1, 0, 3 * MIB)
    swarm.run(500)
    assert.ok(swarm.outstanding > 0)
    swarm.post({ type: 'readerClosed', reader: 1 })
    assert.equal(swarm.outstanding, 0)
    swarm.run(15_000)
    assert.equal(swarm.budget.used, 0)
  })

  test('a far seek is served before what was asked for the old place', () => {
    const slow = { latencyMs: 20, rate: 2 * MIB }
    const swarm = new SimulatedSwarm({ seed: 1, pieceCount: 400, pieceLength: 256 * 1024, peers: [slow] })
    swarm.post({ type: 'readerOpened', reader: 1, begin: 0, end: 100 * MIB, readahead: 8 * MIB })
    for (let at = 0; at < 4 * MIB; at += MIB / 4) {
      const wait = swarm.wait(1, at, at + MIB / 4)
      swarm.run(5000, () => swarm.done.has(wait))
    }
    const began = swarm.now
    const wait = swarm.wait(1, 80 * MIB, 80 * MIB + 4096)
    assert.ok(swarm.run(5000, () => swarm.done.has(wait)))
    const took = swarm.now - began
    // A piece takes 125 ms; up to 0.2 s may be queued at the peer already.
    assert.ok(took < 125 + 200 + 4 * 20 + 100, `the seek took ${took} ms`)
  })
})

describe('several peers', () => {
  test('a silent peer does not hold a read', () => {
    const silent = { latencyMs: 5, rate: MIB, silent: true }
    const swarm = new SimulatedSwarm({ seed: 1, pieceCount: 50, pieceLength: MIB, peers: [silent, FAST] })
    swarm.post({ type: 'readerOpened', reader: 1, begin: 0, end: 50 * MIB, readahead: 8 * MIB })
    let longest = 0
    for (let at = 0; at < 50 * MIB; at += MIB) {
      const began = swarm.now
      const wait = swarm.wait(1, at, at + MIB)
      assert.ok(
        swarm.run(20_000, () => swarm.done.has(wait)),
        `read at ${at} not done`,
      )
      longest = Math.max(longest, swarm.now - began)
    }
    assert.ok(longest < 3000, `a read took ${longest} ms`)
  })

  test('a peer a hundred times slower does not slow the reader', () => {
    const slow = { latencyMs: 50, rate: 200 * 1024 }
    const swarm = new SimulatedSwarm({ seed: 1, pieceCount: 200, pieceLength: MIB, peers: [slow, FAST] })
    swarm.post({ type: 'readerOpened', reader: 1, begin: 0, end: 200 * MIB, readahead: 16 * MIB })
    for (let at = 0; at < 200 * MIB; at += MIB) {
      const wait = swarm.wait(1, at, at + MIB)
      assert.ok(swarm.run(20_000, () => swarm.done.has(wait)))
    }
    assert.ok(swarm.now < 10_000 * 1.25, `took ${swarm.now} ms`)
    const delivered = sumOf(swarm.delivered.values())
    assert.ok(delivered < 1.02 * 200 * MIB, `${delivered / MIB} MiB came`)
  })

  test('a lying peer is found, banned, and the pieces come right', () => {
    const liar = { latencyMs: 5, rate: 20 * MIB, lies: 0.2 }
    const swarm = new SimulatedSwarm({ seed: 7, pieceCount: 60, pieceLength: MIB, peers: [liar, FAST, FAST] })
    swarm.post({ type: 'select', begin: 0, end: 60 })
    assert.ok(swarm.run(60_000, () => swarm.complete))
    assert.deepEqual([...swarm.banned], [1])
  })

  for (let seed = 1; seed <= 50; seed++) {
    test(`an honest peer beside a liar and a silent one is not blamed, and no read stalls, seed ${seed}`, () => {
      const liar = { latencyMs: 5, rate: 20 * MIB, lies: 1 }
      const silent = { latencyMs: 5, rate: MIB, silent: true }
      const peers = [FAST, liar, silent]
      const swarm = new SimulatedSwarm({ seed, pieceCount: 60, pieceLength: MIB / 4, peers })
      swarm.post({ type: 'readerOpened', reader: 1, begin: 0, end: 15 * MIB, readahead: 8 * MIB })
      for (let at = 0; at < 15 * MIB; at += MIB / 8) {
        const wait = swarm.wait(1, at, at + MIB / 8)
        assert.ok(
          swarm.run(5000, () => swarm.done.has(wait)),
          `seed ${seed}: the read at ${at} took over 5 s`,
        )
      }
      assert.ok(!swarm.banned.has(1), `seed ${seed}: the honest peer was banned`)
    })
  }

  test('rarest pieces are fetched first', () => {
    const rare: PeerTraits = { ...FAST, has: piece => piece >= 40 }
    const common: PeerTraits = { ...FAST, has: piece => piece < 40 || piece === 0 }
    const swarm = new SimulatedSwarm({
      seed: 1,
      pieceCount: 50,
      pieceLength: 64 * 1024,
      memoryBytes: 256 * 1024,
      peers: [common, common, { ...rare, has: piece => piece >= 40 || piece < 3 }],
    })
    swarm.post({ type: 'select', begin: 0, end: 50 })
    swarm.run(5000, () => swarm.core.stored.get(45))
    assert.ok(!swarm.core.stored.get(2) || swarm.core.stored.get(40))
    assert.ok(swarm.run(60_000, () => swarm.complete))
  })
})

describe('any swarm with one honest seeder', () => {
  for (let seed = 1; seed <= 500; seed++) {
    test(`is downloaded and read through, seed ${seed}`, () => {
      const random = randomFrom(seed)
      const peers: PeerTraits[] = [{ latencyMs: 1 + random() * 100, rate: (0.5 + random() * 10) * MIB }]
      const others = Math.floor(random() * 8)
      for (let i = 0; i < others; i++) {
        const share = random()
        peers.push({
          latencyMs: random() * 200,
          rate: (0.02 + random() * 10) * MIB,
          fast: random() < 0.7,
          ...(random() < 0.2 ? { silent: true } : {}),
          ...(random() < 0.2 ? { lies: random() } : {}),
          ...(random() < 0.3 ? { chokeEveryMs: 500 + random() * 3000 } : {}),
          ...(random() < 0.3 ? { leavesAfterMs: random() * 8000 } : {}),
          ...(random() < 0.5 ? { has: (piece: number) => (piece * 7919) % 100 < share * 100 } : {}),
        })
      }
      const pieceCount = 1 + Math.floor(random() * 60)
      const pieceLength = 16384 * 2 ** Math.floor(random() * 6)
      const length = pieceCount * pieceLength
      const memoryBytes = (1 + Math.floor(random() * 8)) * pieceLength
      const swarm = new SimulatedSwarm({ seed, pieceCount, pieceLength, memoryBytes, peers })
      const readers = 1 + Math.floor(random() * 3)
      const waits: number[] = []
      for (let reader = 1; reader <= readers; reader++) {
        swarm.post({ type: 'readerOpened', reader, begin: 0, end: length, readahead: 4 * MIB })
        for (let i = 0; i < 5; i++) {
          const begin = Math.floor(random() * length)
          const end = Math.min(length, begin + 1 + Math.floor(random() * MIB))
          swarm.at(random() * 5000, () => waits.push(swarm.wait(reader, begin, end)))
        }
      }
      if (random() < 0.7)
        swarm.at(random() * 3000, () => swarm.post({ type: 'select', begin: 0, end: pieceCount }))
      const selected = random() < 2
      swarm.run(6000)
      assert.ok(
        swarm.run(300_000, () => waits.every(wait => swarm.done.has(wait))),
        `seed ${seed}: a read never ended`,
      )
      swarm.post({ type: 'select', begin: 0, end: pieceCount })
      assert.ok(selected && swarm.run(600_000, () => swarm.core.stored.full), `seed ${seed}: never complete`)
      assert.ok(!swarm.banned.has(1), `seed ${seed}: the honest seeder was banned`)
      for (let reader = 1; reader <= readers; reader++) swarm.post({ type: 'readerClosed', reader })
      swarm.run(20_000)
      assert.equal(swarm.budget.used, 0, `seed ${seed}: memory kept`)
      assert.equal(swarm.outstanding, 0, `seed ${seed}: requests kept`)
    })
  }
})
