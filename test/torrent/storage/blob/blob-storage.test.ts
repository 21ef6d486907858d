import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { BlobStorage } from '../../../../src/torrent/storage/blob/blob-storage.js'
import { openStore } from '../../data/store-fixture.js'
import { describeStorage } from '../conformance.js'
import type { Fixture } from '../fixture.js'
import { atEnd, bitsOf, makeFixture, singleFixture, smallDisk, temporaryFolder } from '../fixture.js'

describeStorage('blob', async (_t, folder) => new BlobStorage({ folder: join(folder, 'objects') }))

const PIECE = 16384

function pathOf({ torrent }: Fixture, piece: number): string {
  const name = Buffer.from(torrent.pieceHashes.subarray(piece * 20, piece * 20 + 20)).toString('hex')
  return join(name.slice(0, 2), name.slice(2))
}

function objectsIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(path => /^..\/.{38}$/.test(path))
}

describe('a storage of objects in a folder', () => {
  it('keeps a piece of two torrents once, until neither needs it', async t => {
    const folder = await temporaryFolder(t)
    const one = singleFixture('one', 5 * PIECE, 1)
    const two = singleFixture('two', 3 * PIECE, 1)
    assert.equal(pathOf(one, 2), pathOf(two, 2))
    const storage = new BlobStorage({ folder })
    atEnd(t, () => storage.close())
    const first = await storage.open(one.torrent)
    await Promise.all([0, 1, 2, 3, 4].map(index => first.store!(index, one.piece(index))))
    assert.equal(objectsIn(folder).length, 5)
    const second = await storage.open(two.torrent)
    assert.deepEqual(bitsOf(second.stored), [0, 1, 2], 'it has what the other one has')

    await first.evict!(2)
    assert.deepEqual(bitsOf(first.stored), [0, 1, 3, 4])
    const target = new Uint8Array(PIECE)
    assert.equal(await second.readAt(target, 2 * PIECE), PIECE)
    assert.deepEqual(target, two.piece(2).slice())
    await second.evict!(2)
    assert.equal(await second.readAt(target, 2 * PIECE), 0)
    assert.equal(objectsIn(folder).length, 4)

    await second.close()
    await storage.remove(two.torrent)
    assert.equal(
      await first.readAt(target, PIECE),
      PIECE,
      'removing a torrent leaves what another one shares',
    )
    await first.close()
    await storage.remove(one.torrent)
    assert.deepEqual(objectsIn(folder), [])
  })

  it('keeps a piece that a torrent has twice until it needs neither', async t => {
    const folder = await temporaryFolder(t)
    const zeros = makeFixture({
      files: [
        { path: ['zeros', 'a'], length: 1 },
        { path: ['zeros', 'pad'], length: 4 * PIECE - 1, pad: true },
      ],
    })
    const storage = new BlobStorage({ folder })
    atEnd(t, () => storage.close())
    const opened = await storage.open(zeros.torrent)
    await opened.store!(1, new Uint8Array(PIECE))
    await opened.store!(3, new Uint8Array(PIECE))
    assert.equal(objectsIn(folder).length, 1)
    await opened.evict!(1)
    assert.equal(objectsIn(folder).length, 1)
    await opened.evict!(3)
    assert.equal(objectsIn(folder).length, 0)
  })

  it('serves nothing that is not what its name says, and removes it', async t => {
    const folder = await temporaryFolder(t)
    const fixture = singleFixture()
    const { torrent, piece } = fixture
    const storage = new BlobStorage({ folder })
    const first = await storage.open(torrent)
    for (let index = 0; index < 8; index++) await first.store!(index, piece(index))
    await storage.close()

    const path = (index: number): string => join(folder, pathOf(fixture, index))
    writeFileSync(path(1), piece(2))
    writeFileSync(path(2), piece(2).subarray(0, 100))
    writeFileSync(path(3), new Uint8Array(3 * PIECE))
    rmSync(path(4))
    symlinkSync(path(0), path(4))
    rmSync(path(5))
    mkdirSync(path(5))
    writeFileSync(join(folder, pathOf(fixture, 0).slice(0, 2), 'x'.repeat(38)), 'not ours')
    const again = await openStore(t, new BlobStorage({ folder }), torrent)
    const target = new Uint8Array(PIECE)
    for (const index of [1, 2, 3, 4, 5]) {
      assert.equal(await again.storage.readAt(target, index * PIECE), 0, `piece ${index}`)
    }
    for (const index of [0, 6, 7]) {
      assert.equal(await again.storage.readAt(target, index * PIECE), PIECE)
      assert.deepEqual(target, piece(index).slice())
    }
    for (const index of [1, 2, 3, 4]) {
      assert.equal((await again.put(index, piece(index))).kind, 'stored', `piece ${index}`)
      assert.equal(await again.storage.readAt(target, index * PIECE), PIECE)
      assert.deepEqual(target, piece(index).slice())
    }
    // Replaced while it is open: the next read sees it.
    writeFileSync(`${path(7)}.new`, piece(6))
    renameSync(`${path(7)}.new`, path(7))
    const middle = new Uint8Array(100)
    for (let reads = 0; reads < 3; reads++) {
      const count = await again.storage.readAt(middle, 7 * PIECE + 50)
      if (count > 0) assert.deepEqual(middle, piece(7).slice(50, 150))
    }
  })

  it('clears away what a killed process had half written, and nothing of one that lives', async t => {
    const folder = await temporaryFolder(t)
    const { torrent, piece } = singleFixture()
    mkdirSync(join(folder, 'tmp'))
    for (const name of ['999999999-1', `${process.ppid}-1`, 'other'])
      writeFileSync(join(folder, 'tmp', name), '')
    const { put } = await openStore(t, new BlobStorage({ folder }), torrent)
    assert.equal((await put(0, piece(0))).kind, 'stored')
    assert.deepEqual(readdirSync(join(folder, 'tmp')).sort(), [`${process.ppid}-1`, 'other'].sort())
  })

  it('tells of a full disk by the path, leaves no half object, and goes on when there is room', async t => {
    const disk = await smallDisk(t, '2m')
    if (disk === undefined) return
    writeFileSync(join(disk, 'filler'), new Uint8Array(1_700_000))
    const fixture = makeFixture({ files: [{ path: ['full'], length: 1_500_000 }], pieceLength: 65536 })
    const { put, storage } = await openStore(t, new BlobStorage({ folder: disk }), fixture.torrent)
    const kinds: string[] = []
    for (let index = 0; index < 20; index++) {
      const outcome = await put(index, fixture.piece(index))
      kinds.push(outcome.kind)
      if (outcome.kind !== 'failed') continue
      assert.equal(outcome.error.code, 'ERR_TORRENTFS_DISK_FULL')
      assert.ok(outcome.error.message.includes(join(disk, pathOf(fixture, index))), outcome.error.message)
    }
    assert.ok(kinds.includes('stored') && kinds.includes('failed'))
    assert.equal(storage.stored.count, kinds.filter(kind => kind === 'stored').length)
    assert.deepEqual(readdirSync(join(disk, 'tmp')), [])
    for (const path of objectsIn(disk)) assert.equal(statSync(join(disk, path)).size, 65536)
    rmSync(join(disk, 'filler'))
    assert.equal((await put(19, fixture.piece(19))).kind, 'stored')
  })

  it('keeps bytes that match no hash to itself, and not without end', async t => {
    const folder = await temporaryFolder(t)
    const fixture = makeFixture({
      files: [{ path: ['large'], length: 20 << 22 }],
      pieceLength: 1 << 22,
      seed: 3,
    })
    const storage = new BlobStorage({ folder })
    atEnd(t, () => storage.close())
    const opened = await storage.open(fixture.torrent)
    const wrong = new Uint8Array(1 << 22).fill(1)
    for (let index = 0; index < 16; index++) await opened.writeAt(wrong, index << 22)
    await assert.rejects(opened.writeAt(wrong, 16 << 22), {
      code: 'ERR_TORRENTFS_STORAGE',
      message: /does not match its hash/,
    })
    const target = new Uint8Array(100)
    assert.equal(await opened.readAt(target, 5 << 22), 100)
    assert.ok(target.every(byte => byte === 1))
    await opened.writeAt(fixture.piece(5), 5 << 22)
    await opened.writeAt(wrong, 16 << 22)
    await opened.close()
    const again = await storage.open(fixture.torrent)
    assert.deepEqual(bitsOf(again.stored), [5])
  })
})
