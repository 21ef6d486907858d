/**
 * What a reader does: reads in order and anywhere, fetches ahead as it is told, waits without reading, and hears of reads
 * by others.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { testBytes } from '../support/fs-fixture.js'
import type { ReadaheadContext } from '../../src/torrent/index.js'
import { until } from '../support/fs-process.js'
import { twoClients } from './two-clients.js'

const PIECE = 16384
const KiB = 1024

describe('a reader', () => {
  test('refuses positions that are none, whatever it is asked there', async t => {
    const { torrent } = await twoClients(t, testBytes(PIECE, 1), PIECE)
    const reader = torrent.files[0]!.createReader()
    t.after(() => reader.close())
    for (const position of [-1, 0.5, NaN, 2 ** 53]) {
      await assert.rejects(reader.readAt(new Uint8Array(1), position), { code: 'ERR_TORRENTFS_ARGUMENT' })
      assert.throws(() => reader.seek(position), { code: 'ERR_TORRENTFS_ARGUMENT' })
      await assert.rejects(reader.available(position, 1), { code: 'ERR_TORRENTFS_ARGUMENT' })
      assert.throws(() => reader.note(position, 1), { code: 'ERR_TORRENTFS_ARGUMENT' })
    }
  })

  test('waits for no byte beyond the end of its file', async t => {
    const { torrent } = await twoClients(t, testBytes(PIECE + 5, 1), PIECE)
    const reader = torrent.files[0]!.createReader()
    t.after(() => reader.close())
    await reader.available(PIECE, 100 * PIECE)
    await reader.available(PIECE + 5, 1)
    await reader.available(0, 0)
    assert.equal(torrent.files[0]!.storedBytes, 5, 'it asked for nothing else')
  })

  test('fetches ahead of what others read, and not what they read', async t => {
    const { torrent, events } = await twoClients(t, testBytes(2048 * KiB, 1), PIECE)
    const reader = torrent.files[0]!.createReader()
    t.after(() => reader.close())
    reader.note(0, 320 * KiB)
    const stored = (): Set<number> => new Set(events.map(event => Number(event.split(' ')[1])))
    await until('the window is filled', 30_000, () => stored().has(59))
    assert.equal(Math.min(...stored()), 20, 'it fetched what was read')
  })

  test('waits for nothing and heeds nothing once it is closed', async t => {
    const { torrent, events } = await twoClients(t, testBytes(2048 * KiB, 1), PIECE)
    const reader = torrent.files[0]!.createReader()
    reader.close()
    reader.note(0, 320 * KiB)
    await assert.rejects(reader.available(0, 1), { code: 'ERR_TORRENTFS_READER_CLOSED' })
    const other = torrent.files[0]!.createReader()
    t.after(() => other.close())
    await other.available(2047 * KiB, 1)
    assert.deepEqual(events, ['stored 127'])
  })

  test('reads in order from its own position, which a seek moves', async t => {
    const content = Buffer.from(testBytes(3 * PIECE + 5, 1))
    const { torrent } = await twoClients(t, content, PIECE)
    using reader = torrent.files[0]!.createReader()
    assert.equal(reader.length, content.length)
    const [first, second] = [Buffer.alloc(PIECE), Buffer.alloc(100)]
    assert.deepEqual(await Promise.all([reader.read(first), reader.read(second)]), [PIECE, 100])
    assert.deepEqual(Buffer.concat([first, second]), content.subarray(0, PIECE + 100))
    await reader.readAt(second, 7)
    assert.deepEqual(second, content.subarray(7, 107))
    assert.equal(reader.position, PIECE + 100, 'a read elsewhere does not move it')
    reader.seek(3 * PIECE)
    assert.equal(await reader.read(first), 5)
    assert.deepEqual(first.subarray(0, 5), content.subarray(3 * PIECE))
    assert.equal(await reader.read(first), 0, 'the end')
    reader.seek(2 ** 40)
    assert.equal(await reader.read(first), 0, 'beyond the end')
    assert.equal(reader.position, 2 ** 40)
  })

  test('is where it was when a read in order fails, unless it was sought meanwhile', async t => {
    const { torrent, fetcher } = await twoClients(t, testBytes(8 * PIECE, 1), PIECE)
    fetcher.setRates({ maxDownloadRate: 100 })
    using reader = torrent.files[0]!.createReader()
    const target = new Uint8Array(PIECE)
    const abort = new AbortController()
    reader.seek(PIECE)
    const reads = [
      reader.read(target, { signal: abort.signal }),
      reader.read(target, { signal: abort.signal }),
    ]
    assert.equal(reader.position, 3 * PIECE)
    abort.abort()
    for (const read of reads) await assert.rejects(read, { code: 'ERR_TORRENTFS_ABORTED' })
    assert.equal(reader.position, PIECE)
    const other = new AbortController()
    const read = reader.read(target, { signal: other.signal })
    reader.seek(5)
    other.abort()
    await assert.rejects(read, { code: 'ERR_TORRENTFS_ABORTED' })
    assert.equal(reader.position, 5)
  })

  test('fetches exactly as far ahead as a function says', async t => {
    const { torrent, events } = await twoClients(t, testBytes(64 * PIECE, 1), PIECE)
    using reader = torrent.files[0]!.createReader()
    const asked: ReadaheadContext[] = []
    reader.readahead(context => {
      asked.push(context)
      return context.contiguous === PIECE ? 3 * PIECE : 0
    })
    const target = new Uint8Array(PIECE)
    await reader.readAt(target, 8 * PIECE)
    await until('the window is filled', 30_000, () => events.length >= 4)
    await reader.readAt(target, 9 * PIECE)
    await reader.readAt(target, 63 * PIECE)
    const length = 64 * PIECE
    assert.deepEqual(asked, [
      { position: 9 * PIECE, length, contiguous: PIECE },
      { position: 10 * PIECE, length, contiguous: 2 * PIECE },
      { position: 64 * PIECE, length, contiguous: PIECE },
    ])
    assert.deepEqual(
      events.map(event => Number(event.split(' ')[1])).sort((a, b) => a - b),
      [8, 9, 10, 11, 63],
    )
  })

  test('fetches nothing ahead with a readahead of 0, and no more of what it was to fetch', async t => {
    const { torrent, events } = await twoClients(t, testBytes(128 * PIECE, 1), PIECE)
    using reader = torrent.files[0]!.createReader()
    reader.readahead(() => Infinity)
    reader.readahead(0)
    for (let piece = 0; piece < 32; piece++) await reader.read(new Uint8Array(PIECE))
    using other = torrent.files[0]!.createReader({ readaheadBytes: 0 })
    await other.readAt(new Uint8Array(32 * PIECE), 64 * PIECE)
    assert.equal(events.length, 64)
  })

  test('refuses readaheads that are none, and passes on what the function throws', async t => {
    const { torrent } = await twoClients(t, testBytes(PIECE, 1), PIECE)
    const file = torrent.files[0]!
    using reader = file.createReader()
    for (const bytes of [-1, NaN, '1' as unknown as number]) {
      assert.throws(() => reader.readahead(bytes), { code: 'ERR_TORRENTFS_ARGUMENT' })
      assert.throws(() => file.createReader({ readaheadBytes: bytes }), { code: 'ERR_TORRENTFS_ARGUMENT' })
      reader.readahead(() => bytes)
      await assert.rejects(reader.readAt(new Uint8Array(1), 0), { code: 'ERR_TORRENTFS_ARGUMENT' })
    }
    const error = new Error('mine')
    reader.readahead(() => {
      throw error
    })
    await assert.rejects(reader.read(new Uint8Array(1)), error)
    assert.equal(reader.position, 0)
  })
})
