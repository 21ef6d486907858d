/**
 * Stored bytes as files on a disk, and waiting for them without reading.
 */
import assert from 'node:assert/strict'
import { mkdtemp, open, readFile, rename, rm, truncate, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { Client, createTorrent, type Torrent } from '../../src/torrent/index.js'
import { MemoryStorage } from '../../src/torrent/storage/memory/memory-storage.js'
import { testBytes } from '../support/fs-fixture.js'
import { until } from '../support/fs-process.js'
import { twoClients } from './two-clients.js'

const PIECE = 16384
const CONTENT = testBytes(5 * PIECE + 10, 8)

describe('stored files', () => {
  let base: string
  let data: string
  let client: Client
  let torrent: Torrent
  let events: string[]

  before(async () => {
    base = await mkdtemp(join(tmpdir(), 'torrentfs-stored-'))
  })
  after(() => rm(base, { recursive: true, force: true }))

  beforeEach(async () => {
    data = await mkdtemp(join(base, 'data-'))
    await writeFile(join(data, 'file'), CONTENT)
    const metainfo = await createTorrent(join(data, 'file'), { pieceLength: PIECE })
    client = new Client({ downloadDir: data, disableTrackers: true, disableDht: true })
    torrent = client.addNow({ metainfo })
    await torrent.whenReady()
    events = []
    torrent.on('stored', piece => events.push(`stored ${piece}`))
    torrent.on('doubted', piece => events.push(`doubted ${piece}`))
    torrent.download()
    await until('all is verified', 60_000, () => torrent.files[0]!.storedBytes === CONTENT.length)
  })
  afterEach(() => client.close())

  test('tell where each file lies and which pieces are stored', () => {
    const stored = torrent.storedFiles!
    assert.equal(stored.path(0), join(data, 'file'))
    assert.deepEqual([stored.offset(0), stored.pieceLength, stored.pieceCount], [0, PIECE, 6])
    assert.deepEqual([...stored.bitfield()], [0b1111_1100])
    stored.bitfield().fill(0)
    assert.deepEqual([...stored.bitfield()], [0b1111_1100], 'it was a copy')
  })

  test('that are as they were are told with their stamp, and nothing is doubted', () => {
    events.length = 0
    assert.equal(torrent.storedFiles!.check(0)?.size, BigInt(CONTENT.length))
    assert.deepEqual(events, [])
  })

  const changes = [
    // With the bytes it had: it is hashed at once, and wrong ones would be found missing for good.
    ['written to', (file: string) => change(file, CONTENT[0])],
    ['cut short', (file: string) => writeFile(file, CONTENT.subarray(0, 100))],
    ['removed', (file: string) => unlink(file)],
  ] as const
  for (const [what, make] of changes) {
    test(`that were ${what} are doubted before the check returns, and hashed again`, async () => {
      await make(join(data, 'file'))
      events.length = 0
      assert.equal(torrent.storedFiles!.check(0), undefined)
      assert.deepEqual(
        events,
        [0, 1, 2, 3, 4, 5].map(piece => `doubted ${piece}`),
      )
      assert.equal(torrent.storedFiles!.check(0), undefined, 'it is not complete')
      if (what !== 'written to') return
      await until('it is verified again', 60_000, () => torrent.files[0]!.storedBytes === CONTENT.length)
    })
  }

  test('are hashed again though nothing else has been under way for a while', async () => {
    await new Promise(resolve => setTimeout(resolve, 500))
    await change(join(data, 'file'), CONTENT[0])
    assert.equal(torrent.storedFiles!.check(0), undefined)
    await until('it is verified again', 30_000, () => torrent.files[0]!.storedBytes === CONTENT.length)
  })

  test('in a file that is not complete are not checked', async () => {
    await change(join(data, 'file'))
    torrent.storedFiles!.check(0)
    events.length = 0
    torrent.storedFiles!.check(0)
    assert.ok(!events.some(event => event.startsWith('doubted')), events.join())
  })

  test('are waited for without being read', async t => {
    // A wait that nobody can end must not keep a program alive; this one is to see its end.
    const alive = setInterval(() => {}, 1000)
    t.after(() => clearInterval(alive))
    const reader = torrent.files[0]!.createReader()
    await reader.available(0, CONTENT.length)
    await reader.available(CONTENT.length, 10)
    await change(join(data, 'file'))
    torrent.storedFiles!.check(0)
    // The first piece is wrong now, and no peer has it.
    const ends = new AbortController()
    const wait = reader.available(100, 10, { signal: ends.signal })
    await reader.available(PIECE, PIECE)
    ends.abort()
    await assert.rejects(wait, { code: 'ERR_TORRENTFS_ABORTED' })
    const closed = reader.available(100, 10)
    reader.close()
    await assert.rejects(closed, { code: 'ERR_TORRENTFS_READER_CLOSED' })
    reader.note(0, 10)
    const late = torrent.files[0]!.createReader().available(100, 10, { timeoutMs: 50 })
    await assert.rejects(late, { code: 'ERR_TORRENTFS_READ_TIMEOUT' })
  })
})

describe('stored files beside a peer', () => {
  const exchanges = [
    ['removed', (path: string) => unlink(path)],
    [
      'replaced',
      async (path: string) => {
        await writeFile(`${path}.new`, testBytes(CONTENT.length, 9))
        await rename(`${path}.new`, path)
      },
    ],
  ] as const
  for (const [what, exchange] of exchanges) {
    test(`whose file was ${what} are doubted before a piece of the new file is stored`, async t => {
      const { torrent, path, events } = await twoClients(t, CONTENT, PIECE)
      const reader = torrent.files[0]!.createReader()
      t.after(() => reader.close())
      await reader.available(0, 3 * PIECE)
      assert.deepEqual(events.splice(0).sort(), ['stored 0', 'stored 1', 'stored 2'])
      await exchange(path)
      await reader.available(4 * PIECE, PIECE)
      assert.deepEqual(events, ['doubted 0', 'doubted 1', 'doubted 2', 'stored 4'])
      const all = Buffer.alloc(CONTENT.length)
      assert.equal(await reader.readAt(all, 0), CONTENT.length)
      assert.ok(all.equals(CONTENT))
    })
  }

  test('that were changed in place are right again only when they were hashed or fetched again', async t => {
    const { torrent, path, events } = await twoClients(t, CONTENT, PIECE)
    const reader = torrent.files[0]!.createReader()
    t.after(() => reader.close())
    await reader.available(0, CONTENT.length)
    await change(path)
    events.length = 0
    assert.equal(torrent.storedFiles!.check(0), undefined)
    const doubted = [0, 1, 2, 3, 4, 5].map(piece => `doubted ${piece}`)
    assert.deepEqual(events, doubted)
    const first = Buffer.alloc(PIECE)
    assert.equal(await reader.readAt(first, 0), PIECE)
    assert.ok(first.equals(CONTENT.subarray(0, PIECE)))
    assert.ok(events.includes('stored 0'), events.join())
    await reader.available(0, CONTENT.length)
    assert.ok((await readFile(path)).equals(CONTENT))
    assert.notEqual(torrent.storedFiles!.check(0), undefined)
  })

  test('are told by events and by the bitfield alike while a piece is doubted', async t => {
    const { torrent, path, events } = await twoClients(t, CONTENT, PIECE)
    const reader = torrent.files[0]!.createReader()
    t.after(() => reader.close())
    await reader.available(0, CONTENT.length)
    await truncate(path, 2 * PIECE)
    let seen: number[] | undefined
    torrent.once('doubted', () => (seen = [...torrent.storedFiles!.bitfield()]))
    events.length = 0
    const third = Buffer.alloc(PIECE)
    // It comes up short, which no one has looked for.
    assert.equal(await reader.readAt(third, 2 * PIECE), PIECE)
    assert.equal(events[0], 'doubted 2')
    assert.deepEqual(seen, [0b1101_1100])
    assert.ok(third.equals(CONTENT.subarray(2 * PIECE, 3 * PIECE)))
  })

  test('are none when the storage keeps no files', async t => {
    const { torrent } = await twoClients(t, CONTENT, PIECE, new MemoryStorage())
    assert.equal(torrent.ready, true)
    assert.equal(torrent.storedFiles, undefined)
  })
})

/** Writes the first byte of the file at `path`, by default a wrong one. */
async function change(path: string, byte = CONTENT[0]! ^ 1): Promise<void> {
  const file = await open(path, 'r+')
  await file.write(Uint8Array.of(byte), 0, 1, 0)
  await file.close()
}
