/**
 * The engine between a core and a storage that do not learn of things at the same moment.
 */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { MemoryStorage } from '../../src/torrent/storage/memory/memory-storage.js'
import type { StorageTorrent, TorrentStorage } from '../../src/torrent/storage/storage.js'
import { testBytes } from '../support/fs-fixture.js'
import { until } from '../support/fs-process.js'
import { twoClients } from './two-clients.js'

const PIECE = 16384
const CONTENT = testBytes(3 * PIECE, 1)

/** Doubts a piece as soon as it was marked stored, as often as it is told, before anyone can have heard of it. */
class DoubtingStorage extends MemoryStorage {
  opened: TorrentStorage | undefined
  doubts = 0

  override async open(torrent: StorageTorrent): Promise<TorrentStorage> {
    const storage = await super.open(torrent)
    this.opened = storage
    const mark = storage.markStored.bind(storage)
    const store = storage.store!.bind(storage)
    storage.markStored = piece => {
      mark(piece)
      this.#marked(piece)
    }
    storage.store = async (piece, bytes) => {
      await store(piece, bytes)
      this.#marked(piece)
    }
    return storage
  }

  doubt(piece: number): void {
    this.opened!.markMissing(piece)
    this.opened!.onDoubt!([piece])
  }

  #marked(piece: number): void {
    if (this.doubts === 0) return
    this.doubts--
    queueMicrotask(() => this.doubt(piece))
  }
}

describe('the engine', () => {
  test('tells of no piece as stored that the storage has doubted again meanwhile', async t => {
    const storage = new DoubtingStorage()
    const { torrent, events } = await twoClients(t, CONTENT, PIECE, storage)
    const wrong: number[] = []
    torrent.on('stored', piece => {
      if (!storage.opened!.stored.get(piece)) wrong.push(piece)
    })
    const reader = torrent.files[0]!.createReader()
    t.after(() => reader.close())
    storage.doubts = 2
    await reader.available(0, PIECE)
    assert.equal(storage.doubts, 0)
    storage.doubt(0)
    storage.doubts = 2
    await reader.available(0, PIECE)
    assert.equal(storage.doubts, 0)
    assert.deepEqual(wrong, [])
    assert.deepEqual(events, ['stored 0', 'doubted 0', 'stored 0'])
  })

  test('has the journal ready before a peer sends anything, and writes nothing while nothing is wanted', async t => {
    const { torrent, path } = await twoClients(t, CONTENT, PIECE, undefined, {
      seeder: { disableUpload: true },
    })
    await until('there is a peer', 5000, () => torrent.status().peers.length === 1)
    const state = join(dirname(path), '.torrentfs')
    assert.equal(existsSync(state), false)
    torrent.download()
    await until('the journal is there', 5000, () => existsSync(join(state, `${torrent.infohash}.1.journal`)))
    assert.equal(torrent.status().usefulBytes, 0)
    assert.equal(existsSync(path), false)
  })
})
