/** What becomes of pieces that nobody reads, by the wishes for all, for files and for pieces. */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test, type TestContext } from 'node:test'

import { Client, createTorrent, MemoryStorage, type Torrent } from '../../src/torrent/index.js'
import { testBytes } from '../support/fs-fixture.js'
import { until } from '../support/fs-process.js'

const PIECE = 16384
/** Their boundaries lie within pieces: `b` has pieces 1 and 2, of which 1 is `a`'s, too, and 2 is `c`'s. */
const LENGTHS = { a: PIECE + 100, b: PIECE, c: 2 * PIECE, d: PIECE }

describe('what is fetched though nobody reads it', () => {
  let base: string
  let metainfo: Uint8Array
  let seeder: Client
  before(async () => {
    base = await mkdtemp(join(tmpdir(), 'torrentfs-wishes-'))
    const folder = join(base, 'seed', 'folder')
    await mkdir(folder, { recursive: true })
    let seed = 1
    for (const [name, length] of Object.entries(LENGTHS))
      await writeFile(join(folder, name), testBytes(length, seed++))
    metainfo = await createTorrent(folder, { pieceLength: PIECE })
    seeder = new Client({ downloadDir: join(base, 'seed'), ...ALONE })
    await seeder.listen()
    const seeded = seeder.addNow({ metainfo })
    seeded.download()
    await until('all is verified', 60_000, () => seeded.status().storedBytes === seeded.info!.length)
  })
  after(async () => {
    await seeder.close()
    await rm(base, { recursive: true, force: true })
  })

  async function fetcher(t: TestContext): Promise<{ torrent: Torrent; stored: () => string }> {
    const client = new Client({ storage: new MemoryStorage(), ...ALONE })
    t.after(() => client.close())
    const torrent = client.addNow({ metainfo })
    await torrent.whenReady()
    const stored = new Set<number>()
    torrent.on('stored', piece => stored.add(piece))
    return { torrent, stored: () => [...stored].sort((x, y) => x - y).join() }
  }

  const connect = (torrent: Torrent): void => torrent.pinPeer({ host: '127.0.0.1', port: seeder.port })

  test('is a selected file with the pieces it shares, and nothing else', async t => {
    const { torrent, stored } = await fetcher(t)
    connect(torrent)
    torrent.files[1]!.select()
    await until('the file is there', 30_000, () => torrent.files[1]!.storedBytes === LENGTHS.b)
    assert.equal(stored(), '1,2')
    assert.deepEqual(
      torrent.files.map(file => file.priority),
      ['none', 'normal', 'none', 'none'],
    )
  })

  test('keeps a piece that a deselected file shares with one that is selected', async t => {
    const { torrent, stored } = await fetcher(t)
    torrent.files[0]!.select()
    torrent.files[1]!.select()
    torrent.files[0]!.deselect()
    connect(torrent)
    await until('the file is there', 30_000, () => torrent.files[1]!.storedBytes === LENGTHS.b)
    assert.equal(stored(), '1,2')
  })

  test('is everything but a file that is not wanted', async t => {
    const { torrent, stored } = await fetcher(t)
    torrent.files[2]!.deselect()
    torrent.download()
    connect(torrent)
    const done = new Promise<void>(resolve => torrent.once('complete', resolve))
    await done
    assert.equal(stored(), '0,1,2,4,5')
    assert.equal(torrent.files[2]!.priority, 'none')
  })

  test('comes in order on request, and what has high priority first', async t => {
    const { torrent } = await fetcher(t)
    const order: number[] = []
    torrent.on('stored', piece => order.push(piece))
    torrent.files[3]!.priority = 'high'
    torrent.download({ sequential: true })
    connect(torrent)
    await until('all is there', 30_000, () => order.length === 6)
    // Pieces are hashed one after another, in the order they were whole.
    assert.deepEqual(order, [4, 5, 0, 1, 2, 3])
  })

  test('takes no word that is no priority', async t => {
    const { torrent } = await fetcher(t)
    assert.throws(() => (torrent.files[0]!.priority = 'urgent' as never), {
      code: 'ERR_TORRENTFS_ARGUMENT',
      message: /"urgent" is none of none, normal, high/,
    })
  })
})

const ALONE = {
  disableTrackers: true,
  disableDht: true,
  disableLsd: true,
  listenAddr: { host: '127.0.0.1', port: 0 },
}
