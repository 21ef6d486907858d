import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { FileStorage } from '../../../../src/torrent/storage/file/file-storage.js'
import { partPaths } from '../../../../src/torrent/storage/file/part-name.js'
import { MmapStorage } from '../../../../src/torrent/storage/mmap/mmap-storage.js'
import { openStore } from '../../data/store-fixture.js'
import { describeStorage } from '../conformance.js'
import { bitsOf, mixedFixture, singleFixture, temporaryFolder } from '../fixture.js'

describeStorage('part file', async (_t, folder) => new FileStorage({ root: folder, partFiles: true }))
describeStorage('mapped part file', async (_t, root) => new MmapStorage({ root, partFiles: true }))

/** Names of the files of a download folder. */
function filesIn(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name).slice(root.length + 1))
    .filter(path => !path.startsWith('.torrentfs'))
    .sort()
}

describe('files that are parts until they are complete', () => {
  it('get their names one by one, and are read and located by the ones they have', async t => {
    const root = await temporaryFolder(t)
    const { torrent, piece, content } = mixedFixture()
    const { put, storage } = await openStore(t, new FileStorage({ root, partFiles: true }), torrent)
    const located = (): string[] => storage.locate!(0, content.length).map(({ path }) => path)
    for (const index of [0, 1, 2, 3, 4]) await put(index, piece(index))
    assert.deepEqual(filesIn(root), ['mixed/empty', 'mixed/large.bin.part'])
    assert.equal(located()[0], join(root, 'mixed', 'large.bin.part'))
    await put(5, piece(5))
    await put(6, piece(6))
    const names = ['mixed/empty', 'mixed/folder/inner.bin.part', 'mixed/large.bin', 'mixed/tiny']
    assert.deepEqual(filesIn(root), names)
    assert.equal(located()[0], join(root, 'mixed', 'large.bin'))
    const stamp = storage.intact!(0)
    assert.equal(stamp?.size, 100_000n)
    const target = new Uint8Array(110_000)
    assert.equal(await storage.readAt(target, 0), target.length)
    assert.deepEqual(target, content.slice(0, 110_000))
    for (const index of [7, 8, 9]) await put(index, piece(index))
    assert.ok(storage.stored.full)
    assert.ok(!filesIn(root).some(name => name.endsWith('.part')), filesIn(root).join())
    assert.deepEqual(
      new Uint8Array(readFileSync(join(root, 'mixed', 'large.bin'))),
      content.slice(0, 100_000),
    )
    // Stored once more: it keeps its name.
    assert.equal((await put(2, piece(2))).kind, 'stored')
    assert.ok(!filesIn(root).some(name => name.endsWith('.part')))
  })

  it('are freed where they lie when a piece of them is given up', async t => {
    const root = await temporaryFolder(t)
    const { torrent, piece } = mixedFixture()
    const { put, store, target, storage } = await openStore(
      t,
      new FileStorage({ root, partFiles: true }),
      torrent,
    )
    for (const index of [0, 1, 2]) await put(index, piece(index))
    const { pieceLength } = torrent.geometry
    const path = join(root, 'mixed', 'large.bin.part')
    const bytes = (): Uint8Array => readFileSync(path).subarray(pieceLength, 2 * pieceLength)
    assert.ok(bytes().some(byte => byte !== 0))
    assert.equal(await store.evict(target, 1), undefined)
    assert.ok(bytes().every(byte => byte === 0))
    assert.deepEqual(bitsOf(storage.stored), [0, 2])
    assert.deepEqual(filesIn(root), ['mixed/empty', 'mixed/large.bin.part'])
  })

  it('lose nothing when it is switched on or off between two runs, killed or not', async t => {
    for (const killed of [false, true]) {
      const root = await temporaryFolder(t)
      const { torrent, piece } = mixedFixture()
      const run = async (partFiles: boolean, pieces: number[]): Promise<number[]> => {
        const opened = await openStore(t, new FileStorage({ root, partFiles }), torrent)
        const found = bitsOf(opened.storage.stored)
        assert.equal(opened.storage.suspect.count, 0)
        for (const index of found) assert.equal(await opened.store.verify(opened.target, index), 'good')
        for (const index of pieces) assert.equal((await opened.put(index, piece(index))).kind, 'stored')
        if (!killed) await opened.close()
        return found
      }
      assert.deepEqual(await run(true, [0, 6]), [])
      assert.ok(filesIn(root).includes('mixed/large.bin.part'))
      assert.deepEqual(await run(false, [1, 9]), [0, 6])
      assert.ok(!filesIn(root).some(name => name.endsWith('.part')), 'without it they have their names')
      assert.deepEqual(await run(true, [2]), [0, 1, 6, 9])
      assert.ok(!filesIn(root).some(name => name.endsWith('.part')), 'what has its name keeps it')
      assert.deepEqual(await run(true, [3, 4, 5, 7, 8]), [0, 1, 2, 6, 9])
      assert.deepEqual(await run(false, []), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    }
  })

  it('get at the next start the name that a kill kept from them', async t => {
    const root = await temporaryFolder(t)
    const { torrent, piece } = singleFixture()
    const first = await openStore(t, new FileStorage({ root, partFiles: true }), torrent)
    for (let index = 0; index < 10; index++) await first.put(index, piece(index))
    await first.close()
    renameSync(join(root, 'single.bin'), join(root, 'single.bin.part'))
    const second = await openStore(t, new FileStorage({ root, partFiles: true }), torrent)
    assert.deepEqual(filesIn(root), ['single.bin'])
    assert.ok(second.storage.stored.full)
    assert.equal(await second.store.verify(second.target, 4), 'good')
  })

  it('are found by what they hold when the resume state is lost', async t => {
    const root = await temporaryFolder(t)
    const { torrent, piece } = singleFixture()
    const first = await openStore(t, new FileStorage({ root, partFiles: true }), torrent)
    for (const index of [1, 2]) await first.put(index, piece(index))
    await first.close()
    rmSync(join(root, '.torrentfs'), { recursive: true })
    const { storage, store, target } = await openStore(t, new FileStorage({ root, partFiles: true }), torrent)
    assert.equal(storage.suspect.count, 10)
    for (let index = 0; index < 10; index++) await store.verify(target, index)
    assert.deepEqual(bitsOf(storage.stored), [1, 2])
    assert.deepEqual(filesIn(root), ['single.bin.part'])
  })

  it('give way to what somebody puts under their name, which counts once it is hashed', async t => {
    const root = await temporaryFolder(t)
    const { torrent, piece, content } = singleFixture()
    const { put, storage, store, target } = await openStore(
      t,
      new FileStorage({ root, partFiles: true }),
      torrent,
    )
    for (let index = 0; index < 8; index++) await put(index, piece(index))
    const own = content.slice()
    own[3 * 16384] = own[3 * 16384]! ^ 1
    // The clocks of files tick in ms.
    await new Promise(resolve => setTimeout(resolve, 30))
    writeFileSync(join(root, 'single.bin'), own)
    assert.equal((await put(9, piece(9))).kind, 'stored')
    assert.deepEqual(bitsOf(storage.stored), [9])
    for (let index = 0; index < 9; index++) {
      assert.equal(await store.verify(target, index), index === 3 ? 'bad' : 'good')
    }
    assert.equal((await put(3, piece(3))).kind, 'stored')
    assert.ok(storage.stored.full)
    assert.deepEqual(new Uint8Array(readFileSync(join(root, 'single.bin'))), content)
    const all = new Uint8Array(content.length)
    assert.equal(await storage.readAt(all, 0), all.length)
    assert.deepEqual(all, content)
  })

  it('are deleted with their torrent', async t => {
    const root = await temporaryFolder(t)
    const { torrent, piece } = mixedFixture()
    const parts = new FileStorage({ root, partFiles: true })
    const { put, storage } = await openStore(t, parts, torrent)
    for (const index of [0, 1, 2, 3, 4, 5, 6, 9]) await put(index, piece(index))
    assert.equal(filesIn(root).filter(name => name.endsWith('.part')).length, 2)
    await storage.close()
    await parts.remove(torrent)
    assert.deepEqual(filesIn(root), [])
    assert.ok(!existsSync(join(root, 'mixed')))
  })

  it('have no other place where that would be too long or another file’s', () => {
    const long = 'x'.repeat(251)
    assert.deepEqual(
      partPaths([
        ['t', 'a'],
        ['t', 'a.part'],
        ['t', long],
        ['t', 'b.part', 'c'],
        ['t', 'b'],
      ]),
      [undefined, ['t', 'a.part.part'], undefined, ['t', 'b.part', 'c.part'], undefined],
    )
  })
})
