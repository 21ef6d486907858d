import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FileStorage } from '../../../../src/torrent/storage/file/file-storage.js'
import { MemoryStorage } from '../../../../src/torrent/storage/memory/memory-storage.js'
import { FaultyStorage } from '../../../../src/torrent/storage/middleware/faulty-storage.js'
import { openStore } from '../../data/store-fixture.js'
import { describeStorage } from '../conformance.js'
import { singleFixture, temporaryFolder } from '../fixture.js'

describeStorage('faultless', async () => new FaultyStorage(new MemoryStorage()), { forgetful: true })

describe('a storage that fails by plan', () => {
  it('fails, tears and slows what the plan names, and nothing else', async () => {
    const storage = new FaultyStorage(new MemoryStorage())
    const { torrent, content } = singleFixture()
    const opened = await storage.open(torrent)
    const seen: string[] = []
    storage.plan = ({ kind, offset, length, index, infohash }) => {
      assert.equal(infohash, torrent.infohash)
      seen.push(`${kind} ${index}: ${offset}+${length}`)
      if (kind === 'write') return index === 0 ? { short: 1000, fail: 'ENOSPC' } : undefined
      if (index === 1) return { fail: 'EIO' }
      return index === 2 ? { short: 7, delayMs: 20 } : undefined
    }
    await assert.rejects(opened.writeAt(content, 0), { code: 'ERR_TORRENTFS_DISK_FULL' })
    const target = new Uint8Array(1000)
    assert.equal(await opened.readAt(target, 0), 1000)
    assert.deepEqual(target, content.slice(0, 1000), 'the part before the tear is there')
    await assert.rejects(opened.readAt(target, 0), {
      code: 'ERR_TORRENTFS_STORAGE',
      message: new RegExp(`read ${torrent.infohash}: EIO`),
    })
    const start = performance.now()
    assert.equal(await opened.readAt(target, 0), 7)
    assert.ok(performance.now() - start >= 15)
    await opened.writeAt(content, 0)
    assert.deepEqual(seen, [
      'write 0: 0+160000',
      'read 0: 0+1000',
      'read 1: 0+1000',
      'read 2: 0+1000',
      'write 1: 0+160000',
    ])
    assert.deepEqual(storage.operations, { read: 3, write: 2 })
  })

  it('sees every byte, also of a storage that others could read and write past it', async t => {
    const storage = new FaultyStorage(new FileStorage({ root: await temporaryFolder(t) }))
    const { torrent, piece } = singleFixture()
    const { put, storage: opened } = await openStore(t, storage, torrent)
    assert.deepEqual([opened.direct, opened.locate, opened.readNow], [undefined, undefined, undefined])
    assert.equal((await put(0, piece(0))).kind, 'stored')
    storage.plan = () => ({ fail: 'ENOSPC' })
    const outcome = await put(1, piece(1))
    assert.ok(outcome.kind === 'failed' && outcome.error.code === 'ERR_TORRENTFS_DISK_FULL')
    assert.deepEqual([opened.stored.get(0), opened.stored.get(1)], [true, false])
  })
})
