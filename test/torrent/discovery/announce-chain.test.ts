import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { AnnounceAnswer } from '../../../src/torrent/discovery/announce.js'
import { AnnounceChain } from '../../../src/torrent/discovery/announce-chain.js'
import { defaultSchedule, intervalsOf, retryDelay } from '../../../src/torrent/discovery/announce-schedule.js'
import { TrackerRecord } from '../../../src/torrent/discovery/tracker-record.js'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const answer: AnnounceAnswer = {
  kind: 'answer',
  addresses: [],
  interval: 30 * MINUTE,
  minInterval: 5 * MINUTE,
}

function chainOf(count = 1): { chain: AnnounceChain; trackers: TrackerRecord[] } {
  const trackers = Array.from({ length: count }, (_, index) => new TrackerRecord(`http://t${index}/announce`))
  return { chain: new AnnounceChain(trackers, defaultSchedule, 1000), trackers }
}

function answered(chain: AnnounceChain, tracker: TrackerRecord, now: number): void {
  chain.begin(now)
  tracker.answered(tracker.event, answer, now)
  chain.answered(tracker, answer, now)
}

test('the intervals a tracker asks for are kept within sane limits', () => {
  const table: [{ interval?: number; minInterval?: number }, number, number][] = [
    [{}, 30 * MINUTE, MINUTE],
    [{ interval: 0 }, MINUTE, MINUTE],
    [{ interval: 10 * MINUTE }, 10 * MINUTE, MINUTE],
    [{ interval: 10 * MINUTE, minInterval: 20 * MINUTE }, 20 * MINUTE, 20 * MINUTE],
    [{ interval: 1e15, minInterval: 1e15 }, 3 * HOUR, 3 * HOUR],
  ]
  for (const [given, regular, earliest] of table) {
    assert.deepEqual(intervalsOf(given, defaultSchedule), { regular, earliest })
  }
})

test('the delay after failures doubles to its limit, a tenth more or less', () => {
  assert.equal(retryDelay(1, 0.5, defaultSchedule), 15_000)
  assert.equal(retryDelay(3, 0.5, defaultSchedule), 60_000)
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1e9 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (failures, random) => {
        const delay = retryDelay(failures, random, defaultSchedule)
        assert.ok(delay >= 13_500 && delay <= 33 * MINUTE)
      },
    ),
  )
})

test('the first pass is due at once and the next when the tracker says', () => {
  const { chain, trackers } = chainOf()
  assert.equal(chain.dueAt, 1000)
  assert.deepEqual(chain.begin(1000), { trackers, lane: 'usual' })
  assert.equal(chain.dueAt, Infinity, 'not while one is under way')
  chain.answered(trackers[0]!, answer, 2000)
  assert.equal(chain.dueAt, 2000 + 30 * MINUTE)
  assert.equal(chain.current, trackers[0])
})

test('whoever waits for peers is served as early as the tracker allows, in the urgent lane', () => {
  const { chain, trackers } = chainOf()
  answered(chain, trackers[0]!, 2000)
  chain.hurry(3000)
  assert.equal(chain.dueAt, 2000 + 5 * MINUTE)
  assert.equal(chain.begin(chain.dueAt).lane, 'urgent')
  chain.hurry(302_000)
  chain.answered(trackers[0]!, answer, 302_000)
  assert.equal(chain.dueAt, 302_000 + 5 * MINUTE, 'what is asked for during a pass counts for the next')
  chain.begin(chain.dueAt)
  chain.answered(trackers[0]!, answer, 700_000)
  assert.equal(chain.dueAt, 700_000 + 30 * MINUTE)
})

test('failures back off, and nobody who waits shortens that below its first step', () => {
  const { chain } = chainOf()
  let now = 1000
  for (const expected of [15_000, 30_000, 60_000]) {
    chain.begin(now)
    chain.failed(now, 0.5)
    assert.equal(chain.dueAt - now, expected)
    now = chain.dueAt
  }
  chain.begin(now)
  chain.failed(now, 0.5)
  chain.hurry(now)
  assert.equal(chain.dueAt - now, 15_000)
})

test('a tracker that asks to be left alone is, and one that says never is not tried again', () => {
  const { chain, trackers } = chainOf(2)
  chain.begin(1000)
  trackers[0]!.failed('no', Infinity)
  trackers[1]!.failed('no', 1000 + HOUR)
  chain.failed(1000, 0.5)
  chain.hurry(1000)
  assert.equal(chain.dueAt, 1000 + HOUR)
  assert.deepEqual(chain.begin(1000 + HOUR).trackers, [trackers[1]])
  trackers[1]!.failed('no', Infinity)
  chain.failed(1000 + HOUR, 0.5)
  assert.equal(chain.dueAt, Infinity)
})

test('completed is told at once to the tracker in use, once, and to none that does not know us', () => {
  const { chain, trackers } = chainOf(2)
  chain.completed(1000)
  assert.equal(trackers[0]!.event, 'started')
  answered(chain, trackers[0]!, 2000)
  assert.equal(trackers[0]!.event, undefined)
  chain.completed(3000)
  assert.equal(chain.dueAt, 3000)
  assert.equal(trackers[0]!.event, 'completed')
  assert.equal(trackers[1]!.event, 'started')
  answered(chain, trackers[0]!, 3000)
  assert.equal(trackers[0]!.event, undefined)
  assert.equal(chain.dueAt, 3000 + 30 * MINUTE)
})

test('completed during a pass is told right after it', () => {
  const { chain, trackers } = chainOf()
  answered(chain, trackers[0]!, 2000)
  chain.begin(3000)
  chain.completed(3000)
  trackers[0]!.answered(undefined, answer, 3500)
  chain.answered(trackers[0]!, answer, 3500)
  assert.equal(chain.dueAt, 3500)
})

test('a tier added while the others fail is tried at once', () => {
  const { chain, trackers } = chainOf()
  chain.begin(1000)
  chain.failed(1000, 0.5)
  const other = new TrackerRecord('http://other/announce')
  chain.addTier([other], 2000)
  assert.equal(chain.dueAt, 2000)
  assert.deepEqual(chain.begin(2000).trackers, [trackers[0], other])
})

test('a tracker is told it was started until it answers, and its id is kept', () => {
  const record = new TrackerRecord('http://t/announce')
  assert.equal(record.status(0, undefined).state, 'unused')
  record.failed('dead')
  assert.equal(record.event, 'started')
  assert.deepEqual([record.status(0, undefined).state, record.status(0, undefined).error], ['failed', 'dead'])
  record.answered('started', { ...answer, trackerId: Uint8Array.of(1), seeders: 4 }, 5)
  record.answered(undefined, answer, 6)
  assert.deepEqual(record.trackerId, Uint8Array.of(1))
  const status = record.status(3, 9)
  assert.deepEqual(
    [status.state, status.failures, status.error, status.tier, status.nextAnnounceAt],
    ['working', 0, undefined, 3, 9],
  )
})
