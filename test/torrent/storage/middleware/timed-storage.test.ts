import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { FileStorage } from '../../../../src/torrent/storage/file/file-storage.js'
import { MemoryStorage } from '../../../../src/torrent/storage/memory/memory-storage.js'
import { FaultyStorage } from '../../../../src/torrent/storage/middleware/faulty-storage.js'
import { TimedStorage } from '../../../../src/torrent/storage/middleware/timed-storage.js'
import { openStore } from '../../data/store-fixture.js'
import { describeStorage } from '../conformance.js'
import { singleFixture, temporaryFolder } from '../fixture.js'

describeStorage('timed', async () => new TimedStorage(new MemoryStorage()), { forgetful: true })
describeStorage(
  'timed file',
  async (_, folder) => new TimedStorage(new FileStorage({ root: join(folder, 'downloads') })),
)

describe('the times of a storage', () => {
  it('are in a histogram of powers of two, with bytes and failures', async () => {
    let now = 0
    const faulty = new FaultyStorage(new MemoryStorage())
    const timed = new TimedStorage(faulty, { now: () => now })
    const { torrent, content } = singleFixture()
    const storage = await timed.open(torrent)
    // The clock moves while an operation is under way: by us.
    const takes = (us: number, fail?: string): void => {
      faulty.plan = () => {
        now += us / 1000
        return fail === undefined ? undefined : { fail }
      }
    }
    takes(1100)
    await storage.writeAt(content, 0)
    for (const us of [0.5, 1.5, 3, 1000, 100_000_000]) {
      takes(us)
      await storage.readAt(new Uint8Array(100), 0)
    }
    takes(5, 'EIO')
    await assert.rejects(storage.readAt(new Uint8Array(100), 0))
    const { write, read, readNow, open } = timed.figures()
    assert.equal(open.count, 1)
    assert.equal(readNow.count, 0)
    assert.deepEqual([write.count, write.failed, write.bytes], [1, 0, content.length])
    assert.equal(write.buckets[11], 1)
    assert.deepEqual([read.count, read.failed, read.bytes], [6, 1, 500])
    assert.equal(Math.round(read.maxMs), 100_000)
    const filled = read.buckets.flatMap((count, bucket) => (count > 0 ? [[bucket, count]] : []))
    assert.deepEqual(filled, [
      [0, 1],
      [1, 1],
      [2, 1],
      [3, 1],
      [10, 1],
      [26, 1],
    ])
  })

  it('tell of pieces that a worker writes itself, with the storage open to it as before', async t => {
    const timed = new TimedStorage(new FileStorage({ root: await temporaryFolder(t) }))
    const { torrent, piece } = singleFixture()
    const { put, storage } = await openStore(t, timed, torrent)
    assert.equal((await put(2, piece(2))).kind, 'stored')
    assert.equal((await put(3, piece(2))).kind, 'mismatch')
    assert.deepEqual(
      [...storage.stored.runs()].filter(run => run.set),
      [{ begin: 2, end: 3, set: true }],
    )
    const { directWrite, write } = timed.figures()
    assert.equal(write.count, 0)
    assert.deepEqual([directWrite.count, directWrite.failed], [2, 1])
    assert.ok(directWrite.totalMs > 0)
    assert.ok(storage.intact !== undefined && storage.locate!(0, 100).length === 1)
    const { begin, end } = torrent.geometry.piecesIn(0, 1)
    assert.equal(end - begin, 1)
  })
})
