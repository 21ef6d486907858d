import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import fc from 'fast-check'

import { RateLimiter, type RateShare } from '../../../src/torrent/net/rate-limiter.js'

const BLOCK = 16384

/** A limiter on a clock that runs only when told; its timers are those of `node:test`. */
function limited(t: TestContext, rate: number) {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let now = 0
  const limiter = new RateLimiter({ rate, now: () => now })
  const pass = (ms: number): void => {
    for (let i = 0; i < ms; i++) {
      now++
      t.mock.timers.tick(1)
    }
  }
  return { limiter, pass, now: () => now }
}

/** Somebody who always wants more, in blocks. */
function greedy(limiter: RateLimiter, urgent = false): { taken: number; share: RateShare; start(): void } {
  const taker = {
    taken: 0,
    share: limiter.share(() => taker.start()),
    start: () => {
      while (taker.share.take(BLOCK, urgent)) taker.taken += BLOCK
    },
  }
  return taker
}

test('without a rate everything is allowed and nothing is counted', () => {
  const limiter = new RateLimiter()
  const share = limiter.share(() => assert.fail('nobody waits'))
  for (let i = 0; i < 1000; i++) assert.ok(share.take(1e9))
  share.spend(1e12)
  assert.ok(share.take(1))
  assert.deepEqual(limiter.status(), { limit: 0, waiting: 0, urgent: 0 })
})

for (const rate of [10 * 1024, 500 * 1024, 5 << 20, 50 << 20]) {
  test(`at ${rate} bytes/s that many are taken, within 5 % over 10 s, and no more at a time than 0.25 s of it`, t => {
    const { limiter, pass } = limited(t, rate)
    const takers = [greedy(limiter), greedy(limiter), greedy(limiter)]
    const sum = (): number => takers.reduce((total, { taken }) => total + taken, 0)
    for (const taker of takers) taker.start()
    let least = Infinity
    let most = 0
    const began = sum()
    for (let quarter = 0; quarter < 40; quarter++) {
      const before = sum()
      pass(250)
      least = Math.min(least, sum() - before)
      most = Math.max(most, sum() - before)
    }
    const share = (sum() - began) / (10 * rate)
    // One block is more than a tenth of 10 s of the smallest rate.
    assert.ok(Math.abs(share - 1) < 0.05 + BLOCK / (10 * rate), `${share} of the rate`)
    assert.ok(most <= rate * 0.5 + BLOCK, `${most} bytes in a quarter of a second`)
  })
}

test('all get as much, however many blocks each wants at a time', t => {
  const { limiter, pass } = limited(t, 1 << 20)
  const takers = Array.from({ length: 7 }, () => greedy(limiter))
  for (const taker of takers) taker.start()
  pass(20_000)
  const counts = takers.map(({ taken }) => taken)
  assert.ok(Math.max(...counts) < 1.1 * Math.min(...counts), counts.join(' '))
})

test('what a read waits for goes before everything else', t => {
  const { limiter, pass } = limited(t, 1 << 20)
  const usual = greedy(limiter)
  usual.start()
  pass(2000)
  const urgent = greedy(limiter, true)
  urgent.start()
  const before = usual.taken
  pass(5000)
  assert.equal(usual.taken, before)
  assert.ok(urgent.taken > 4.5 * (1 << 20), `${urgent.taken} bytes`)
})

test('a share that is idle does not slow the others, and what it did not take is not kept for it', t => {
  const { limiter, pass } = limited(t, 1 << 20)
  const idle = greedy(limiter)
  pass(60_000)
  idle.start()
  assert.ok(idle.taken <= 0.25 * (1 << 20) + BLOCK, `${idle.taken} bytes at once`)
})

test('bytes given back are for others, bytes that came unasked are not', t => {
  const { limiter, pass } = limited(t, 100 * BLOCK)
  const share = limiter.share(() => {})
  pass(100)
  assert.ok(share.take(10 * BLOCK))
  assert.ok(!share.take(BLOCK))
  share.giveBack(5 * BLOCK)
  assert.ok(share.take(5 * BLOCK, true))
  share.spend(BLOCK)
  pass(10)
  assert.ok(!share.take(1, true))
  pass(30)
  assert.ok(share.take(1, true))
})

test('nobody can stop us by sending what was not asked: it counts for a second at most', t => {
  const { limiter, pass } = limited(t, 1 << 20)
  const taker = greedy(limiter)
  taker.share.spend(1e12)
  taker.start()
  pass(1500)
  assert.ok(taker.taken > 0)
})

describe('the rate changes while somebody waits', () => {
  test('to none: he goes on at once', t => {
    const { limiter } = limited(t, 1000)
    let resumed = 0
    const share = limiter.share(() => resumed++)
    while (share.take(BLOCK));
    limiter.setRate(0)
    assert.equal(resumed, 1)
    assert.ok(share.take(1e9))
  })

  test('to a higher one: he need not wait by the old one', t => {
    const { limiter, pass } = limited(t, 1)
    const taker = greedy(limiter)
    pass(10)
    taker.start()
    assert.equal(taker.taken, BLOCK)
    limiter.setRate(1 << 20)
    pass(1100)
    assert.ok(taker.taken > 0.9 * (1 << 20), `${taker.taken}`)
  })
})

test('who has ended has no turn', t => {
  const { limiter, pass } = limited(t, 1000)
  const share = limiter.share(() => assert.fail('ended'))
  while (share.take(BLOCK));
  assert.deepEqual(limiter.status(), { limit: 1000, waiting: 1, urgent: 0 })
  share.end()
  pass(60_000)
})

test('whatever is taken, given back and spent, the rate is kept over time', t => {
  const { limiter, pass, now } = limited(t, 1 << 20)
  const began = now()
  let used = 0
  fc.assert(
    fc.property(
      fc.array(
        fc.record({ bytes: fc.integer({ min: 1, max: 1 << 18 }), urgent: fc.boolean(), back: fc.boolean() }),
      ),
      fc.integer({ min: 1, max: 300 }),
      (steps, ms) => {
        const share = limiter.share(() => {})
        for (const { bytes, urgent, back } of steps) {
          if (!share.take(bytes, urgent)) break
          if (back) share.giveBack(bytes)
          else used += bytes
        }
        share.end()
        pass(ms)
        assert.ok(used <= ((now() - began) / 1000 + 0.25) * (1 << 20) + (1 << 18))
      },
    ),
    { numRuns: 100 },
  )
})
