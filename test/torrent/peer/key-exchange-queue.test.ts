import assert from 'node:assert/strict'
import { test } from 'node:test'

import { KeyExchangeQueue } from '../../../src/torrent/peer/key-exchange-queue.js'

const limit = { timeout: 20_000 }
const always = (): boolean => true

test(
  'exchanges are computed in order, one in a turn of the loop, and not from within the call',
  limit,
  async () => {
    const queue = new KeyExchangeQueue()
    const done: string[] = []
    await new Promise<void>(resolve => {
      for (let i = 0; i < 5; i++) {
        queue.add(() => {
          done.push(`exchange ${i}`)
          setImmediate(() => done.push(`turn ${i}`))
          if (i === 4) setImmediate(resolve)
        }, always)
      }
      assert.deepEqual(done, [])
    })
    const expected = [0, 1, 2, 3, 4].flatMap(i => [`exchange ${i}`, `turn ${i}`])
    assert.deepEqual(done, expected)
  },
)

test('whoever has left meanwhile costs nothing', limit, async () => {
  const queue = new KeyExchangeQueue()
  const done: number[] = []
  await new Promise<void>(resolve => {
    for (let i = 0; i < 1000; i++)
      queue.add(
        () => done.push(i),
        () => false,
      )
    queue.add(resolve, always)
  })
  assert.deepEqual(done, [])
})

test('a flood is computed at the pace of the queue, after its burst', limit, async () => {
  const queue = new KeyExchangeQueue()
  const begin = performance.now()
  let done = 0
  await new Promise<void>(resolve => {
    for (let i = 0; i < 80; i++) queue.add(() => ++done === 80 && resolve(), always)
  })
  // 50 at once, then 100 a second.
  assert.ok(performance.now() - begin >= 290, `${performance.now() - begin} ms`)
})
