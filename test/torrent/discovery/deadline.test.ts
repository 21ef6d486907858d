import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { withDeadline } from '../../../src/torrent/discovery/deadline.js'

const never = (): Promise<never> => new Promise(() => {})

test('work that ends in time gives its value or its error', async () => {
  assert.equal(await withDeadline({ timeoutMs: 1000, what: 'x' }, () => Promise.resolve(5)), 5)
  await assert.rejects(
    withDeadline({ timeoutMs: 1000, what: 'x' }, () => Promise.reject(new Error('no'))),
    /^Error: no$/,
  )
  const thrower = (): Promise<never> => {
    throw new Error('thrown')
  }
  await assert.rejects(withDeadline({ timeoutMs: 1000, what: 'x' }, thrower), /thrown/)
})

test('work that ignores its signal ends at the deadline all the same', async () => {
  let inner: AbortSignal | undefined
  const work = withDeadline({ timeoutMs: 20, what: 'the tracker' }, signal => {
    inner = signal
    return never()
  })
  await assert.rejects(work, { code: 'ERR_TORRENTFS_TIMEOUT', message: /^the tracker: / })
  assert.equal(inner?.aborted, true)
})

test('an abort ends the work, before it begins or in its midst', async () => {
  const controller = new AbortController()
  const work = withDeadline({ timeoutMs: 60_000, signal: controller.signal, what: 'x' }, never)
  controller.abort()
  await assert.rejects(work, { code: 'ERR_TORRENTFS_ABORTED' })
  let ran = false
  const late = withDeadline({ timeoutMs: 60_000, signal: controller.signal, what: 'x' }, async () => {
    ran = true
  })
  await assert.rejects(late, { code: 'ERR_TORRENTFS_ABORTED' })
  assert.equal(ran, false)
})

test('nothing stays on the outer signal, and what work says too late is nobody’s error', async () => {
  const controller = new AbortController()
  const { signal } = controller
  await withDeadline({ timeoutMs: 60_000, signal, what: 'x' }, () => Promise.resolve())
  await assert.rejects(
    withDeadline({ timeoutMs: 10, signal, what: 'x' }, async () => {
      await sleep(30)
      throw new Error('too late')
    }),
    { code: 'ERR_TORRENTFS_TIMEOUT' },
  )
  assert.equal(getEventListeners(signal, 'abort').length, 0)
  await sleep(40)
})
