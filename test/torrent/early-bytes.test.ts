/**
 * Readers that take blocks before their piece is verified, between two clients.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { testBytes } from '../support/fs-fixture.js'
import { until } from '../support/fs-process.js'
import { twoClients } from './two-clients.js'

const KiB = 1024
const PIECE = 4096 * KiB
const CONTENT = Buffer.from(testBytes(2 * PIECE + 77, 9))

describe('an unverified reader', () => {
  test('gives out a block of a piece that is far from whole, and no other reader does', async t => {
    const { torrent, fetcher } = await twoClients(t, CONTENT, PIECE)
    fetcher.setRates({ maxDownloadRate: 256 * KiB })
    const file = torrent.files[0]!
    using reader = file.createReader({ unverified: true })
    using careful = file.createReader()
    const abort = new AbortController()
    const target = Buffer.alloc(20_000)
    const read = reader.readAt(target, 3000 * KiB)
    const waiting = careful.readAt(Buffer.alloc(1), 3000 * KiB, { signal: abort.signal })
    assert.equal(await read, target.length)
    assert.ok(target.equals(CONTENT.subarray(3000 * KiB, 3000 * KiB + target.length)))
    assert.deepEqual([file.storedBytes, torrent.status().waitingReads], [0, 1])
    assert.deepEqual([reader.unverified, careful.unverified], [true, false])
    await reader.available(3000 * KiB, 10)
    abort.abort()
    await assert.rejects(waiting, { code: 'ERR_TORRENTFS_ABORTED' })
  })

  test('reads all of a file in order, each block fetched once, and all of it is stored in the end', async t => {
    const { torrent } = await twoClients(t, CONTENT, PIECE)
    const file = torrent.files[0]!
    const chunks: Buffer[] = []
    for await (const chunk of file.createReadStream({ unverified: true, highWaterMark: 50_000 }))
      chunks.push(chunk as Buffer)
    assert.ok(Buffer.concat(chunks).equals(CONTENT))
    await until('the last piece is stored', 30_000, () => file.storedBytes === CONTENT.length)
    assert.equal(torrent.status().usefulBytes, CONTENT.length)
    assert.equal(torrent.status().wastedBytes, 0)
    using reader = file.createReader({ unverified: true })
    const stored = Buffer.alloc(CONTENT.length)
    assert.equal(await reader.read(stored), CONTENT.length)
    assert.ok(stored.equals(CONTENT))
  })

  test('ends as others do: by its signal, by being closed, by a time-out, and with its torrent', async t => {
    const { torrent, fetcher } = await twoClients(t, CONTENT, PIECE)
    fetcher.setRates({ maxDownloadRate: 1 })
    const file = torrent.files[0]!
    const reader = file.createReader({ unverified: true })
    const read = (options = {}): Promise<number> => reader.readAt(new Uint8Array(PIECE), PIECE, options)
    await assert.rejects(read({ timeoutMs: 200 }), { code: 'ERR_TORRENTFS_READ_TIMEOUT' })
    const abort = new AbortController()
    const aborted = assert.rejects(read({ signal: abort.signal }), { code: 'ERR_TORRENTFS_ABORTED' })
    abort.abort()
    await aborted
    const closed = assert.rejects(read(), { code: 'ERR_TORRENTFS_READER_CLOSED' })
    reader.close()
    await closed
    using other = file.createReader({ unverified: true })
    const removed = assert.rejects(other.readAt(new Uint8Array(PIECE), PIECE), {
      code: 'ERR_TORRENTFS_REMOVED',
    })
    await fetcher.remove(torrent)
    await removed
  })
})
