import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Congestion } from '../../../../src/torrent/peer/utp/congestion.js'

const PACKET = 1372
const MS = 1000

/** A window that is full, over round trips in which every packet waits `queueMs`; clocks differ by `clock`. */
function roundTrips(congestion: Congestion, count: number, queueMs: number, clock = 0, now = 0): number {
  for (let i = 0; i < count; i++) {
    now += 100
    for (let left = congestion.window; left > 0; left -= PACKET) {
      congestion.measured((clock + 20 * MS + queueMs * MS) >>> 0, now, 400)
      congestion.acked(Math.min(PACKET, left), true)
    }
  }
  return now
}

test('the window doubles with each round trip, until losses', () => {
  const congestion = new Congestion(PACKET)
  const begin = congestion.window
  roundTrips(congestion, 1, 0)
  assert.ok(Math.abs(congestion.window - 2 * begin) <= PACKET)
  congestion.lost()
  const after = congestion.window
  assert.ok(Math.abs(after - begin) <= PACKET)
  roundTrips(congestion, 1, 0, 0, 1000)
  assert.ok(congestion.window > after && congestion.window <= after + 3001, `${congestion.window - after}`)
})

test('a window that is not filled does not grow', () => {
  const congestion = new Congestion(PACKET)
  const begin = congestion.window
  for (let i = 0; i < 100; i++) congestion.acked(PACKET, false)
  congestion.lost()
  const after = congestion.window
  for (let i = 0; i < 100; i++) congestion.acked(PACKET, false)
  assert.ok(begin > after)
  assert.equal(congestion.window, after)
})

for (const clock of [0, 5, 2 ** 31 - 50 * MS, 2 ** 32 - 30 * MS]) {
  test(`with clocks ${clock} us apart, it gives way to who fills the queue and grows when that is gone`, () => {
    const congestion = new Congestion(PACKET)
    let now = roundTrips(congestion, 6, 0, clock)
    const full = congestion.window
    now = roundTrips(congestion, 400, 300, clock, now)
    assert.equal(congestion.window, 2 * PACKET)
    roundTrips(congestion, 100, 0, clock, now)
    assert.ok(congestion.window > 100_000 && congestion.window < full + 400_000, `${congestion.window}`)
  })
}

test('a clock that drifts is not taken for a queue: no packet waited longer than its round trip', () => {
  const congestion = new Congestion(PACKET)
  let now = 0
  for (let i = 0; i < 20_000; i++) {
    now += 20
    // A tenth of a millisecond a second, which makes 40 ms of it, and a round trip of 5 ms.
    congestion.measured(1000 + i * 2, now, 5)
    congestion.acked(PACKET, true)
  }
  assert.ok(congestion.delay <= 5 * MS, `${congestion.delay}`)
})

test('after a timeout one packet is sent, and then more and more, up to half of what was', () => {
  const congestion = new Congestion(PACKET)
  roundTrips(congestion, 4, 0)
  const before = congestion.window
  congestion.timedOut()
  assert.equal(congestion.window, PACKET)
  const now = roundTrips(congestion, 2, 0, 0, 10_000)
  assert.equal(congestion.window, 4 * PACKET)
  roundTrips(congestion, 5, 0, 0, now)
  assert.ok(congestion.window >= before / 2 && congestion.window < before, `${congestion.window}`)
})
