import assert from 'node:assert/strict'
import { rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { FileStorage } from '../../../src/torrent/storage/file/file-storage.js'
import { bitsOf, makeFixture, smallDisk } from '../storage/fixture.js'
import { openStore } from './store-fixture.js'

const fixture = makeFixture({
  files: [
    { path: ['full', 'a'], length: 4_000_000 },
    { path: ['full', 'b'], length: 4_000_000 },
  ],
  pieceLength: 65_536,
})

describe('a full disk', () => {
  it('fails the store with the path, keeps what is stored, and stores again when there is space', async t => {
    const disk = await smallDisk(t, '4m')
    if (disk === undefined) return
    const filler = join(disk, 'filler')
    writeFileSync(filler, new Uint8Array(2_000_000))
    const root = join(disk, 'downloads')
    const { torrent, piece } = fixture
    const first = await openStore(t, new FileStorage({ root }), torrent)
    const stored: number[] = []
    const failed: number[] = []
    for (let index = 0; index < 50; index++) {
      const outcome = await first.put(index, piece(index))
      if (outcome.kind === 'stored') stored.push(index)
      else {
        failed.push(index)
        assert.ok(outcome.kind === 'failed')
        assert.equal(outcome.error.code, 'ERR_TORRENTFS_DISK_FULL')
        assert.ok(outcome.error.message.includes(disk), outcome.error.message)
      }
    }
    assert.ok(stored.length > 10 && failed.length > 10)
    assert.deepEqual(bitsOf(first.storage.stored), stored)
    // The sparse file has its full length all the same: a hole is not a piece.
    assert.equal(statSync(join(root, 'full', 'a')).size, 4_000_000)
    const target = new Uint8Array(65_536)
    assert.equal(await first.storage.readAt(target, torrent.geometry.pieceOffset(stored[5]!)), 65_536)
    assert.deepEqual(target, piece(stored[5]!).slice())

    // Killed now: nothing that failed may be trusted, everything stored must still be known.
    const second = await openStore(t, new FileStorage({ root }), torrent)
    for (const index of stored)
      assert.ok(second.storage.stored.get(index) || second.storage.suspect.get(index))
    for (const index of failed) assert.ok(!second.storage.stored.get(index))
    for (const index of bitsOf(second.storage.suspect)) {
      assert.equal(await second.store.verify(second.target, index), stored.includes(index) ? 'good' : 'bad')
    }
    const [again] = failed
    assert.equal((await second.put(again!, piece(again!))).kind, 'failed')

    rmSync(filler)
    for (const index of failed.slice(0, 8)) {
      const outcome = await second.put(index, piece(index))
      assert.equal(outcome.kind, 'stored', JSON.stringify(outcome))
    }
    await second.close()
    const third = await openStore(t, new FileStorage({ root }), torrent)
    for (const index of [...stored, ...failed.slice(0, 8)])
      assert.ok(third.storage.stored.get(index), `piece ${index}`)
  })

  it('fails the first store when not even the resume state can be begun, and recovers', async t => {
    const disk = await smallDisk(t, '1m')
    if (disk === undefined) return
    const filler = join(disk, 'filler')
    try {
      writeFileSync(filler, new Uint8Array(2_000_000))
    } catch {
      // Full, as wanted.
    }
    const { torrent, piece } = fixture
    const { put, storage } = await openStore(t, new FileStorage({ root: disk }), torrent)
    const outcome = await put(0, piece(0))
    assert.ok(outcome.kind === 'failed' && outcome.error.code === 'ERR_TORRENTFS_DISK_FULL')
    assert.equal(storage.stored.count, 0)
    rmSync(filler)
    assert.equal((await put(0, piece(0))).kind, 'stored')
  })
})
