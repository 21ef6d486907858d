import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { TaskQueue } from '../../src/torrent/task-queue.js'

describe('a task queue', () => {
  test('runs so many tasks at a time, the rest in order, and goes on after a failure', async () => {
    const queue = new TaskQueue(2)
    const began: number[] = []
    const ends: ((error?: Error) => void)[] = []
    const runs = [0, 1, 2, 3].map(index =>
      queue.run(() => {
        began.push(index)
        return new Promise<number>((resolve, reject) => {
          ends[index] = error => (error === undefined ? resolve(index) : reject(error))
        })
      }),
    )
    const failed = assert.rejects(runs[1]!, /no luck/)
    await Promise.resolve()
    assert.deepEqual(began, [0, 1])
    ends[1]!(new Error('no luck'))
    await failed
    assert.deepEqual(began, [0, 1, 2])
    ends[0]!()
    assert.equal(await runs[0], 0)
    assert.deepEqual(began, [0, 1, 2, 3])
    ends[2]!()
    ends[3]!()
    assert.deepEqual(await Promise.all(runs.slice(2)), [2, 3])
    assert.equal(await queue.run(() => Promise.resolve('free again')), 'free again')
  })
})
