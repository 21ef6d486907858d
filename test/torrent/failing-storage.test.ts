/**
 * The engine over a storage that fails: full disks, sectors that cannot be read, reads that end early.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { FaultyStorage } from '../../src/torrent/storage/middleware/faulty-storage.js'
import { MemoryStorage } from '../../src/torrent/storage/memory/memory-storage.js'
import { testBytes } from '../support/fs-fixture.js'
import { twoClients } from './two-clients.js'

const PIECE = 65536
const CONTENT = testBytes(8 * PIECE, 3)

describe('a torrent whose storage fails', () => {
  test('tells its readers of a full disk, blames no peer, and goes on by itself when there is space', async t => {
    const storage = new FaultyStorage(new MemoryStorage())
    const { torrent } = await twoClients(t, CONTENT, PIECE, storage)
    const warnings: string[] = []
    torrent.on('warning', error => warnings.push(error.code))
    const reader = torrent.files[0]!.createReader()
    t.after(() => reader.close())
    storage.plan = ({ kind }) => (kind === 'write' ? { short: 1000, fail: 'ENOSPC' } : undefined)
    const target = new Uint8Array(CONTENT.length)
    await assert.rejects(reader.readAt(target, 0), { code: 'ERR_TORRENTFS_DISK_FULL' })
    // The next one waits or fails as well, but reads nothing of what was torn.
    await assert.rejects(reader.readAt(target, 0, { timeoutMs: 2000 }), (error: { code: string }) =>
      ['ERR_TORRENTFS_DISK_FULL', 'ERR_TORRENTFS_READ_TIMEOUT'].includes(error.code),
    )
    assert.equal(torrent.status().storedBytes, 0)
    assert.ok(warnings.includes('ERR_TORRENTFS_DISK_FULL'))
    const { write } = storage.operations
    assert.ok(write < 20, `${write} attempts: it waits before it tries again`)

    storage.plan = () => undefined
    // A read that comes before the storage was tried again is told what was known last.
    let count = 0
    for (let attempt = 0; count === 0; attempt++) {
      try {
        count = await reader.readAt(target, 0)
      } catch (error) {
        assert.equal((error as { code: string }).code, 'ERR_TORRENTFS_DISK_FULL')
        assert.ok(attempt < 20, 'it recovers')
        await new Promise(resolve => setTimeout(resolve, 500))
      }
    }
    assert.equal(count, CONTENT.length)
    assert.deepEqual(target, CONTENT)
    const status = torrent.status()
    assert.deepEqual([status.peers.length, status.failedPieces], [1, 0])
  })

  test('fails a read that the disk fails, and that one alone', async t => {
    const storage = new FaultyStorage(new MemoryStorage())
    const { torrent, events } = await twoClients(t, CONTENT, PIECE, storage)
    const reader = torrent.files[0]!.createReader()
    t.after(() => reader.close())
    await reader.available(0, CONTENT.length)
    storage.plan = ({ kind, offset }) =>
      kind === 'read' && offset === 5 * PIECE ? { fail: 'EIO' } : undefined
    const target = new Uint8Array(PIECE)
    await assert.rejects(reader.readAt(target, 5 * PIECE), {
      code: 'ERR_TORRENTFS_STORAGE',
      message: /EIO/,
    })
    assert.equal(await reader.readAt(target, 4 * PIECE), PIECE)
    assert.deepEqual(target, CONTENT.slice(4 * PIECE, 5 * PIECE))
    storage.plan = () => undefined
    assert.equal(await reader.readAt(target, 5 * PIECE), PIECE)
    assert.deepEqual(target, CONTENT.slice(5 * PIECE, 6 * PIECE))
    assert.ok(!events.some(event => event.startsWith('doubted')), 'an unreadable sector is no wrong byte')
  })

  test('doubts a piece of which a read comes short, and hashes it before it counts again', async t => {
    const storage = new FaultyStorage(new MemoryStorage())
    const { torrent, events } = await twoClients(t, CONTENT, PIECE, storage)
    const reader = torrent.files[0]!.createReader()
    t.after(() => reader.close())
    await reader.available(0, CONTENT.length)
    // A block of the third piece, once: as of a file that someone cuts short and mends again.
    let shorts = 0
    storage.plan = ({ kind, length }) =>
      kind === 'read' && length === 16384 && shorts++ === 0 ? { short: 100 } : undefined
    const before = storage.operations.read
    const target = new Uint8Array(16384)
    assert.equal(await reader.readAt(target, 2 * PIECE), target.length)
    assert.deepEqual(target, CONTENT.slice(2 * PIECE, 2 * PIECE + 16384))
    assert.deepEqual(events.slice(-2), ['doubted 2', 'stored 2'])
    assert.equal(storage.operations.read - before, 3, 'the short read, the hashing, the read again')
    assert.equal(torrent.status().usefulBytes, CONTENT.length, 'nothing was fetched twice')

    // Short for good: it is fetched again and again comes short, until the reader is told.
    storage.plan = ({ kind, length }) => (kind === 'read' && length === 16384 ? { short: 0 } : undefined)
    await assert.rejects(reader.readAt(target, 6 * PIECE), {
      code: 'ERR_TORRENTFS_STORAGE',
      message: /do not stay on the disk/,
    })
  })
})
