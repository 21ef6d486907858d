/** What a program sees of a torrent: its metadata, its pieces, pausing it, hashing it, and when it is done. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { open, writeFile } from 'node:fs/promises'
import { describe, test } from 'node:test'

import { Client, formatMagnet, MemoryStorage } from '../../src/torrent/index.js'
import { testBytes } from '../support/fs-fixture.js'
import { until } from '../support/fs-process.js'
import { twoClients } from './two-clients.js'

const PIECE = 16384
const CONTENT = testBytes(5 * PIECE + 10, 21)
const PIECES = 6

describe('a torrent', () => {
  test('gives its metadata when a peer has sent it, and is done when everything selected is stored', async t => {
    const { seeded, port } = await twoClients(t, CONTENT, PIECE)
    const client = new Client({ storage: new MemoryStorage(), disableTrackers: true, disableDht: true })
    t.after(() => client.close())
    const torrent = client.addNow({ magnet: formatMagnet({ infohash: seeded.infohash, trackers: [] }) })
    const heard: string[] = []
    torrent.on('metadata', info => heard.push(info.name))
    assert.equal(torrent.pieces.length, 0)
    torrent.addPeer({ host: '127.0.0.1', port })
    const info = await torrent.metadata
    assert.equal(info.name, 'file')
    assert.deepEqual(heard, ['file'])
    assert.equal((await torrent.metadata).infohash, seeded.infohash)
    await torrent.whenReady()
    assert.equal(torrent.complete, false, 'nothing is selected')
    torrent.download()
    await torrent.done
    assert.equal(torrent.complete, true)
    await torrent.done
  })

  test('that ends before leaves nobody waiting, and no error that nobody asked for', async () => {
    const client = new Client({ storage: new MemoryStorage(), disableTrackers: true, disableDht: true })
    const torrent = client.addNow({ magnet: formatMagnet({ infohash: 'ab'.repeat(20), trackers: [] }) })
    // This one is never looked at: it must not end the process.
    void torrent.done
    const metadata = torrent.metadata
    await client.close()
    await assert.rejects(metadata, { code: 'ERR_TORRENTFS_CLOSED' })
    await assert.rejects(torrent.done, { code: 'ERR_TORRENTFS_CLOSED' })
  })

  test('shows its pieces, one by one and in runs, and tells what becomes of them', async t => {
    const { torrent } = await twoClients(t, CONTENT, PIECE)
    assert.deepEqual(torrent.pieces.runs(), [{ begin: 0, end: PIECES, state: 'missing', priority: 'none' }])
    const last = torrent.pieces.at(PIECES - 1)
    assert.deepEqual([last.index, last.offset, last.length], [5, 5 * PIECE, 10])
    assert.throws(() => torrent.pieces.at(PIECES), { code: 'ERR_TORRENTFS_ARGUMENT', message: /no piece 6/ })
    const states: string[] = []
    torrent.on('piece', (index, state) => states.push(`${index} ${state}`))
    torrent.pieces.at(2).priority = 'high'
    torrent.pieces.at(3).priority = 'normal'
    await torrent.done
    assert.deepEqual(torrent.pieces.runs(), [
      { begin: 0, end: 2, state: 'missing', priority: 'none' },
      { begin: 2, end: 3, state: 'stored', priority: 'high' },
      { begin: 3, end: 4, state: 'stored', priority: 'normal' },
      { begin: 4, end: 6, state: 'missing', priority: 'none' },
    ])
    assert.deepEqual(
      [...torrent.pieces].map(piece => piece.state === 'stored'),
      [false, false, true, true, false, false],
    )
    for (const piece of [2, 3]) {
      const own = states.filter(state => state.startsWith(`${piece} `))
      assert.equal(own[0], `${piece} fetching`)
      assert.equal(own.at(-1), `${piece} stored`)
    }
    torrent.pieces.at(2).priority = 'none'
    assert.equal(torrent.pieces.at(2).priority, 'none')
  })

  test('that is paused exchanges nothing, and goes on where it was', async t => {
    const { torrent, seeded } = await twoClients(t, CONTENT, PIECE)
    await until('they are connected', 30_000, () => torrent.status().peers.length === 1)
    torrent.pause()
    assert.equal(torrent.paused, true)
    await until('nobody is connected', 30_000, () => torrent.status().peers.length === 0)
    await until('the other sees it, too', 30_000, () => seeded.status().peers.length === 0)
    const reader = torrent.files[0]!.createReader()
    t.after(() => reader.close())
    const read = reader.available(0, 10)
    torrent.download()
    // The one that seeds would call again, and a read waits: neither leads to a connection.
    await new Promise(resolve => setTimeout(resolve, 1500))
    assert.equal(torrent.status().peers.length, 0)
    assert.equal(torrent.status().storedBytes, 0)
    torrent.resume()
    await read
    await torrent.done
    assert.equal(torrent.paused, false)
  })

  test('finds by hashing what is there and what is not', async t => {
    const { torrent, path } = await twoClients(t, CONTENT, PIECE)
    torrent.pause()
    const progress: number[] = []
    const onProgress = ({ done, total }: { done: number; total: number }): void => {
      assert.equal(total, PIECES)
      progress.push(done)
    }
    assert.deepEqual(await torrent.verify({ onProgress }), { good: 0, bad: PIECES, failures: [] })
    assert.deepEqual(progress, [1, 2, 3, 4, 5, 6])
    const wrong = Buffer.from(CONTENT)
    wrong[2 * PIECE] = wrong[2 * PIECE]! ^ 1
    await writeFile(path, wrong)
    assert.deepEqual(await torrent.verify(), { good: 5, bad: 1, failures: [] })
    assert.equal(torrent.status().storedBytes, CONTENT.length - PIECE)
    assert.equal(await torrent.pieces.at(2).verify(), false)
    await writeFile(path, CONTENT)
    assert.equal(await torrent.pieces.at(2).verify(), true)
    // The file is not what it was: the others are hashed again, too.
    await until('everything is stored', 30_000, () => torrent.complete)
  })

  test('finds by hashing that a stored piece was spoilt, though its file looks the same', async t => {
    const { torrent, path } = await twoClients(t, CONTENT, PIECE)
    torrent.download()
    await torrent.done
    torrent.pause()
    assert.deepEqual(await torrent.verify(), { good: PIECES, bad: 0, failures: [] })
    execFileSync('cp', ['-p', path, `${path}.before`])
    const file = await open(path, 'r+')
    await file.write(Uint8Array.of(CONTENT[PIECE]! ^ 1), 0, 1, PIECE)
    await file.close()
    execFileSync('touch', ['-r', `${path}.before`, path])
    assert.deepEqual(await torrent.verify(), { good: PIECES - 1, bad: 1, failures: [] })
    assert.equal(torrent.status().storedBytes, CONTENT.length - PIECE)
    torrent.resume()
    await torrent.done
    assert.equal(await torrent.pieces.at(1).verify(), true)
  })

  test('is hashed no further when that is given up', async t => {
    const { torrent } = await twoClients(t, CONTENT, PIECE)
    const ends = new AbortController()
    const verifying = torrent.verify({ signal: ends.signal, onProgress: () => ends.abort() })
    await assert.rejects(verifying, { code: 'ERR_TORRENTFS_ABORTED' })
    await assert.rejects(torrent.verify({ begin: 3, end: 9 }), { code: 'ERR_TORRENTFS_ARGUMENT' })
  })
})
