import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { AnnounceLimiter, type AnnounceLane } from '../../../src/torrent/discovery/announce-limiter.js'
import { TorrentError } from '../../../src/torrent/errors.js'

/** Requests that end when the test says so. */
class Desk {
  readonly started: string[] = []
  readonly #open = new Map<string, { resolve: () => void; reject: (error: Error) => void }>()
  readonly limiter: AnnounceLimiter

  constructor(limiter: AnnounceLimiter) {
    this.limiter = limiter
  }

  ask(name: string, label: string, lane?: AnnounceLane, signal?: AbortSignal): Promise<string> {
    return this.limiter.run(label, { signal, ...(lane === undefined ? {} : { lane }) }, () => {
      this.started.push(name)
      return new Promise<string>((resolve, reject) => {
        this.#open.set(name, { resolve: () => resolve(name), reject })
      })
    })
  }

  async end(name: string, error?: Error): Promise<void> {
    const request = this.#open.get(name)
    if (error === undefined) request?.resolve()
    else request?.reject(error)
    await turn()
  }
}

const unreachable = (): TorrentError => new TorrentError('ERR_TORRENTFS_TIMEOUT', 'nobody there')
const rejects = (promise: Promise<unknown>, code: string): Promise<void> => assert.rejects(promise, { code })

test('one tracker gets its share and no more, and the others are served meanwhile', async () => {
  const desk = new Desk(new AnnounceLimiter({ concurrent: 3, concurrentPerTracker: 2 }))
  const all = ['a1', 'a2', 'a3', 'b1', 'b2'].map(name => desk.ask(name, name[0]!))
  await turn()
  assert.deepEqual(desk.started, ['a1', 'a2', 'b1'])
  assert.deepEqual(desk.limiter.load, { active: 3, waiting: 2 })
  await desk.end('a1')
  await desk.end('b1')
  assert.equal(desk.started.length, 5)
  for (const name of ['a2', 'a3', 'b2']) await desk.end(name)
  assert.deepEqual(await Promise.all(all), ['a1', 'a2', 'a3', 'b1', 'b2'])
  assert.deepEqual(desk.limiter.load, { active: 0, waiting: 0 })
})

test('urgent requests go before usual ones, and a farewell does not wait for either', async () => {
  const desk = new Desk(new AnnounceLimiter({ concurrent: 1, concurrentPerTracker: 1 }))
  const all = [desk.ask('first', 'a'), desk.ask('usual', 'a'), desk.ask('urgent', 'a', 'urgent')]
  all.push(desk.ask('farewell', 'a', 'farewell'))
  await turn()
  assert.deepEqual(desk.started, ['first', 'farewell'])
  for (const name of ['first', 'farewell', 'urgent', 'usual']) await desk.end(name)
  await Promise.all(all)
  assert.deepEqual(desk.started, ['first', 'farewell', 'urgent', 'usual'])
})

test('a request aborted while it waits never starts and holds no place', async () => {
  const desk = new Desk(new AnnounceLimiter({ concurrent: 1 }))
  const controller = new AbortController()
  const first = desk.ask('first', 'a')
  const second = desk.ask('second', 'a', 'usual', controller.signal)
  const third = desk.ask('third', 'a')
  controller.abort()
  await rejects(second, 'ERR_TORRENTFS_ABORTED')
  await rejects(desk.ask('late', 'a', 'usual', controller.signal), 'ERR_TORRENTFS_ABORTED')
  await desk.end('first')
  await desk.end('third')
  assert.deepEqual(await Promise.all([first, third]), ['first', 'third'])
  assert.deepEqual(desk.started, ['first', 'third'])
})

test('a tracker that fails again and again is left alone for a while, then tried by one', async () => {
  let now = 0
  const limiter = new AnnounceLimiter({
    failuresBeforeHold: 2,
    firstHoldMs: 1000,
    longestHoldMs: 3000,
    now: () => now,
  })
  const desk = new Desk(limiter)
  const fail = async (name: string): Promise<void> => {
    const request = rejects(desk.ask(name, 'dead'), 'ERR_TORRENTFS_TIMEOUT')
    await turn()
    await desk.end(name, unreachable())
    await request
  }
  await fail('1')
  await fail('2')
  await assert.rejects(desk.ask('3', 'dead'), {
    code: 'ERR_TORRENTFS_TRACKER',
    message: /left alone.*nobody there/,
  })
  assert.deepEqual(desk.started, ['1', '2'])
  now = 1000
  const probe = rejects(desk.ask('4', 'dead'), 'ERR_TORRENTFS_TIMEOUT')
  const behind = rejects(desk.ask('5', 'dead'), 'ERR_TORRENTFS_TRACKER')
  await turn()
  assert.deepEqual(desk.started, ['1', '2', '4'])
  await desk.end('4', unreachable())
  await Promise.all([probe, behind])
  now = 2999
  await rejects(desk.ask('6', 'dead'), 'ERR_TORRENTFS_TRACKER')
  now = 3000
  const back = desk.ask('7', 'dead')
  await turn()
  await desk.end('7')
  await back
  const both = [desk.ask('8', 'dead'), desk.ask('9', 'dead')]
  await turn()
  assert.deepEqual(desk.started.slice(-2), ['8', '9'])
  await desk.end('8')
  await desk.end('9')
  await Promise.all(both)
})

test('aborted and closed requests are no failures of the tracker', async () => {
  const desk = new Desk(new AnnounceLimiter({ failuresBeforeHold: 1 }))
  for (const code of ['ERR_TORRENTFS_ABORTED', 'ERR_TORRENTFS_CLOSED'] as const) {
    const request = rejects(desk.ask(code, 'a'), code)
    await turn()
    await desk.end(code, new TorrentError(code, code))
    await request
  }
  const fine = desk.ask('fine', 'a')
  await turn()
  await desk.end('fine')
  assert.equal(await fine, 'fine')
})

test('ten thousand torrents that start together are all served within the limits', async () => {
  const limiter = new AnnounceLimiter({ concurrent: 50, concurrentPerTracker: 10 })
  const active = new Map<string, number>()
  let total = 0
  let most = 0
  const requests = Array.from({ length: 10_000 }, (_, index) => {
    const label = `tracker ${index % 7}`
    return limiter.run(label, {}, async () => {
      active.set(label, (active.get(label) ?? 0) + 1)
      most = Math.max(most, ++total)
      assert.ok(active.get(label)! <= 10)
      await turn()
      active.set(label, active.get(label)! - 1)
      total--
    })
  })
  await Promise.all(requests)
  assert.equal(most, 50)
  assert.deepEqual(limiter.load, { active: 0, waiting: 0 })
})

test('whatever order requests end, fail or are aborted in, nothing is lost and no limit is passed', async () => {
  const step = fc.record({
    label: fc.constantFrom('a', 'b', 'c'),
    lane: fc.constantFrom<AnnounceLane>('usual', 'urgent', 'farewell'),
    outcome: fc.constantFrom('answer', 'fail', 'abort'),
    turns: fc.nat(4),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async steps => {
      const limiter = new AnnounceLimiter({ concurrent: 3, concurrentPerTracker: 2, firstHoldMs: 0 })
      const requests = steps.map(({ label, lane, outcome, turns }) => {
        const controller = new AbortController()
        const request = limiter.run(label, { lane, signal: controller.signal }, async () => {
          assert.ok(limiter.load.active <= 6)
          for (let count = 0; count < turns; count++) await turn()
          if (outcome !== 'answer') throw unreachable()
        })
        if (outcome === 'abort') void turn().then(() => controller.abort())
        return request
      })
      const settled = await Promise.allSettled(requests)
      assert.equal(settled.length, steps.length)
      assert.deepEqual(limiter.load, { active: 0, waiting: 0 })
    }),
    { numRuns: 60 },
  )
})
