/**
 * The ways to read a file in order: streams of Node and of the web, loops, and all of it at once.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, test, type TestContext } from 'node:test'
import type { File, Torrent } from '../../src/torrent/index.js'
import { testBytes } from '../support/fs-fixture.js'
import { until } from '../support/fs-process.js'
import { clientOf, madeTorrent } from './client-fixture.js'
import { twoClients, type TwoClients } from './two-clients.js'

const KiB = 1024
const PIECE = 16 * KiB
/** Two hundred pieces and a bit. */
const CONTENT = Buffer.from(testBytes(200 * PIECE + 77, 5))

interface Fetching extends TwoClients {
  readonly file: File
}

async function fetching(t: TestContext): Promise<Fetching> {
  const two = await twoClients(t, CONTENT, PIECE)
  return { ...two, file: two.torrent.files[0]! }
}

/** As {@link fetching}, where nothing arrives. */
async function stalled(t: TestContext): Promise<Fetching> {
  const two = await fetching(t)
  two.fetcher.setRates({ maxDownloadRate: 1 })
  return two
}

async function bytesOf(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const chunk of chunks) all.push(chunk)
  return Buffer.concat(all)
}

/** No reader is open any more: what nobody wants is not fetched. */
async function letGo(torrent: Torrent): Promise<void> {
  await until('the reader is closed', 10_000, () => torrent.status().openReaders === 0)
}

const WAYS: readonly (readonly [
  string,
  (file: File, span?: { start?: number; end?: number }) => AsyncIterable<Uint8Array>,
])[] = [
  ['a stream of Node', (file, span) => file.createReadStream(span)],
  ['a stream of the web', (file, span) => file.stream(span)],
]

describe('all of a file', () => {
  test('comes in order, whatever way it is read, and nothing stays open', async t => {
    const { file, torrent } = await fetching(t)
    assert.equal(file.progress, 0)
    for (const [, open] of WAYS) assert.ok((await bytesOf(open(file))).equals(CONTENT))
    assert.ok((await bytesOf(file)).equals(CONTENT))
    assert.ok(Buffer.from(await file.arrayBuffer()).equals(CONTENT))
    assert.equal(file.progress, 1)
    await letGo(torrent)
  })
})

for (const [name, open] of WAYS) {
  describe(name, () => {
    test('is of the bytes from start to end, the last included, and fetches no other piece', async t => {
      const { file, events } = await fetching(t)
      const end = 40 * PIECE - 1
      assert.ok(
        (await bytesOf(open(file, { start: 3 * PIECE, end }))).equals(CONTENT.subarray(3 * PIECE, end + 1)),
      )
      assert.equal(events.length, 37)
      for (const [span, expected] of [
        [{ start: 5, end: 5 }, CONTENT.subarray(5, 6)],
        [{ start: CONTENT.length - 3 }, CONTENT.subarray(-3)],
        [{ start: CONTENT.length - 3, end: 1e9 }, CONTENT.subarray(-3)],
        [{ start: CONTENT.length }, Buffer.alloc(0)],
      ] as const) {
        assert.ok((await bytesOf(open(file, span))).equals(expected), JSON.stringify(span))
      }
    })

    test('refuses what cannot be a start, an end, a size or a readahead', async t => {
      const { file } = await fetching(t)
      const code = 'ERR_TORRENTFS_ARGUMENT'
      for (const span of [
        { start: -1 },
        { start: 0.5 },
        { end: -1 },
        { start: 5, end: 4 },
        { highWaterMark: 0 },
      ]) {
        assert.throws(() => open(file, span), { code }, JSON.stringify(span))
      }
      await assert.rejects(bytesOf(open(file, { readaheadBytes: -1 } as object)), { code })
    })

    test('fails with what its torrent ended with', async t => {
      const { file, fetcher, torrent } = await stalled(t)
      const reading = assert.rejects(bytesOf(open(file)), { code: 'ERR_TORRENTFS_REMOVED' })
      await until('it waits', 10_000, () => torrent.status().waitingReads > 0)
      await fetcher.remove(torrent)
      await reading
      await assert.rejects(bytesOf(open(file)), { code: 'ERR_TORRENTFS_REMOVED' })
    })

    test('fails with ERR_TORRENTFS_ABORTED when its signal is aborted, before and while it waits', async t => {
      const { file, torrent } = await stalled(t)
      const abort = new AbortController()
      const reading = assert.rejects(bytesOf(open(file, { signal: abort.signal } as object)), {
        code: 'ERR_TORRENTFS_ABORTED',
      })
      await until('it waits', 10_000, () => torrent.status().waitingReads > 0)
      abort.abort()
      await reading
      await letGo(torrent)
      await assert.rejects(bytesOf(open(file, { signal: abort.signal } as object)), {
        code: 'ERR_TORRENTFS_ABORTED',
      })
    })

    test('fails with ERR_TORRENTFS_READ_TIMEOUT when nothing comes for as long as it was told to wait', async t => {
      const { file, torrent } = await stalled(t)
      await assert.rejects(bytesOf(open(file, { timeoutMs: 200 } as object)), {
        code: 'ERR_TORRENTFS_READ_TIMEOUT',
      })
      await letGo(torrent)
    })

    test('fetches nothing before it is read, and closes its reader when a loop is left', async t => {
      const { file, torrent, events } = await fetching(t)
      const stream = open(file)
      await sleep(300)
      assert.deepEqual([events, torrent.status().openReaders], [[], 0])
      for await (const chunk of stream) {
        assert.ok(CONTENT.subarray(0, chunk.length).equals(chunk))
        break
      }
      await letGo(torrent)
    })
  })
}

describe('back-pressure', () => {
  const chunk = 2 * PIECE
  /** Two chunks, of which the second lies ready, and what is fetched ahead of them, in pieces. */
  const most = 2 * 2 + 8

  test('stops a download within the readahead of what a stream of Node was asked for', async t => {
    const { file, torrent, events } = await fetching(t)
    const stream = file.createReadStream({ highWaterMark: chunk, readaheadBytes: 8 * PIECE })
    await once(stream, 'readable')
    await sleep(1000)
    assert.ok(events.length >= 2 && events.length <= most, `${events.length} pieces`)
    assert.ok(stream.readableLength <= 2 * chunk)
    // So far that the window is open: it goes on, and stops again.
    let taken = 0
    while (taken < 40 * PIECE) {
      const bytes = stream.read() as Buffer | null
      if (bytes === null) await once(stream, 'readable')
      else taken += bytes.length
    }
    await sleep(1000)
    assert.ok(events.length * PIECE <= taken + most * PIECE, `${events.length} pieces after ${taken} bytes`)
    stream.destroy()
    await letGo(torrent)
  })

  test('lets a stream of the web fetch nothing but its readahead while nobody reads', async t => {
    const { file, torrent, events } = await fetching(t)
    const stream = file.stream({ readaheadBytes: 8 * PIECE })
    const reader = stream.getReader({ mode: 'byob' })
    let taken = 0
    while (taken < 40 * PIECE) {
      const { value } = await reader.read(new Uint8Array(3 * PIECE))
      assert.ok(value !== undefined && CONTENT.subarray(taken, taken + value.length).equals(value))
      assert.equal(value.length, 3 * PIECE, 'it fills what it is given')
      taken += value.length
    }
    await sleep(1000)
    assert.ok(events.length * PIECE <= taken + 9 * PIECE, `${events.length} pieces after ${taken} bytes`)
    await reader.cancel()
    await letGo(torrent)
  })

  test('holds a loop over a file', async t => {
    const { file, torrent, events } = await fetching(t)
    for await (const chunk of file) {
      assert.ok(CONTENT.subarray(0, chunk.length).equals(chunk))
      await sleep(500)
      assert.equal(events.length, chunk.length / PIECE, 'a first read opens no window')
      break
    }
    await letGo(torrent)
  })
})

describe('the whole file at once', () => {
  test('is given up with its signal', async t => {
    const { file, torrent } = await stalled(t)
    const abort = new AbortController()
    const reading = assert.rejects(file.arrayBuffer({ signal: abort.signal }), {
      code: 'ERR_TORRENTFS_ABORTED',
    })
    await until('it waits', 10_000, () => torrent.status().waitingReads > 0)
    abort.abort()
    await reading
    await letGo(torrent)
  })

  test('of no bytes is an empty buffer, and there from the start', async t => {
    const { metainfo, downloadDir } = await madeTorrent(t, { 'set/empty': 0, 'set/other': 5 })
    const torrent = (await clientOf(t, { downloadDir })).addNow({ metainfo })
    await torrent.whenReady()
    const empty = torrent.files.find(({ length }) => length === 0)!
    assert.equal((await empty.arrayBuffer()).byteLength, 0)
    assert.equal(empty.progress, 1)
    for (const [, open] of WAYS) assert.equal((await bytesOf(open(empty))).length, 0)
  })
})
