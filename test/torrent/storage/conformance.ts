/** The suite that every TorrentStorage is held to. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { TestContext } from 'node:test'
import fc from 'fast-check'
import type { Storage } from '../../../src/torrent/storage/storage.js'
import { atEnd, bitsOf, makeFixture, mixedFixture, noise, singleFixture } from './fixture.js'

/** Registers the suite for one kind of storage; `make` gives a new and empty one. */
export function describeStorage(kind: string, make: (t: TestContext) => Promise<Storage>): void {
  const opened = async (t: TestContext): Promise<Storage> => {
    const storage = await make(t)
    atEnd(t, () => storage.close())
    return storage
  }

  describe(`a ${kind} storage`, () => {
    it('has nothing stored at first, and reads end where nothing exists', async t => {
      const { torrent } = mixedFixture()
      const storage = await (await opened(t)).open(torrent)
      assert.equal(storage.stored.length, torrent.geometry.pieceCount)
      assert.equal(storage.stored.count, 0)
      assert.equal(storage.suspect.count, 0)
      assert.equal(await storage.readAt(new Uint8Array(10), 0), 0)
    })

    it('returns what was written, across files and pieces', async t => {
      const { torrent, content } = mixedFixture()
      const storage = await (await opened(t)).open(torrent)
      await storage.writeAt(content, 0)
      const all = new Uint8Array(content.length)
      assert.equal(await storage.readAt(all, 0), content.length)
      assert.deepEqual(all, content)
      const part = new Uint8Array(40_010)
      assert.equal(await storage.readAt(part, 99_999), part.length)
      assert.deepEqual(part, content.slice(99_999, 99_999 + part.length))
    })

    it('keeps the bytes of ranges written in any order and overlap', async t => {
      const { torrent, content } = mixedFixture()
      const parts = await opened(t)
      const range = fc.tuple(fc.nat(content.length), fc.nat(30_000))
      let run = 0
      await fc.assert(
        fc.asyncProperty(fc.array(range, { minLength: 1, maxLength: 8 }), async ranges => {
          const own = { ...torrent, infohash: (++run).toString(16).padStart(40, '0') }
          const storage = await parts.open({
            ...own,
            files: torrent.files.map(file => ({ ...file, path: [`run ${run}`, ...file.path.slice(1)] })),
          })
          const model = new Uint8Array(content.length)
          const written = new Uint8Array(content.length)
          for (const [index, [begin, length]] of ranges.entries()) {
            const bytes = noise(Math.min(length, content.length - begin), index)
            await storage.writeAt(bytes, begin)
            model.set(bytes, begin)
            written.fill(1, begin, begin + bytes.length)
          }
          for (const [begin, length] of ranges) {
            const target = new Uint8Array(Math.min(length, content.length - begin))
            assert.equal(await storage.readAt(target, begin), target.length)
            assert.deepEqual(target, model.slice(begin, begin + target.length))
          }
          await storage.close()
        }),
        { numRuns: 25 },
      )
    })

    it('reads pad files as zeros and drops what is written to them', async t => {
      const { torrent } = makeFixture({
        files: [
          { path: ['padded', 'a'], length: 20_000 },
          { path: ['padded', '.pad', '0'], length: 12_768, pad: true },
          { path: ['padded', 'b'], length: 5000 },
        ],
      })
      const storage = await (await opened(t)).open(torrent)
      await storage.writeAt(new Uint8Array(torrent.geometry.length).fill(7), 0)
      const target = new Uint8Array(torrent.geometry.length).fill(9)
      assert.equal(await storage.readAt(target, 0), target.length)
      assert.ok(target.subarray(0, 20_000).every(byte => byte === 7))
      assert.ok(target.subarray(20_000, 32_768).every(byte => byte === 0))
      assert.ok(target.subarray(32_768).every(byte => byte === 7))
      assert.ok(!(storage.locate?.(0, target.length) ?? []).some(range => range.file === 1))
    })

    it('reads short only at the end of the torrent once all is there', async t => {
      const { torrent, content } = singleFixture()
      const storage = await (await opened(t)).open(torrent)
      await storage.writeAt(content, 0)
      assert.equal(await storage.readAt(new Uint8Array(100), content.length - 30), 30)
      assert.equal(await storage.readAt(new Uint8Array(100), content.length), 0)
    })

    it('refuses to write outside the torrent', async t => {
      const { torrent, content } = singleFixture()
      const storage = await (await opened(t)).open(torrent)
      const refused = { code: 'ERR_TORRENTFS_STORAGE' }
      await assert.rejects(storage.writeAt(new Uint8Array(10), content.length - 9), refused)
      await assert.rejects(storage.writeAt(new Uint8Array(10), -1), refused)
    })

    it('marks pieces stored and missing, twice as well as once', async t => {
      const { torrent, content } = singleFixture()
      const storage = await (await opened(t)).open(torrent)
      await storage.writeAt(content, 0)
      const live = storage.stored
      for (const piece of [3, 3, 0, 9]) storage.markStored(piece)
      for (const piece of [0, 0, 5]) storage.markMissing(piece)
      assert.deepEqual(bitsOf(live), [3, 9])
      assert.equal(live, storage.stored)
    })

    it('remembers what is stored when the torrent is closed and opened again', async t => {
      const { torrent, content } = mixedFixture()
      const storage = await opened(t)
      const first = await storage.open(torrent)
      await first.writeAt(content, 0)
      for (let piece = 0; piece < torrent.geometry.pieceCount; piece++) first.markStored(piece)
      first.markMissing(4)
      await first.close()
      await first.close()
      const second = await storage.open(torrent)
      assert.deepEqual(bitsOf(second.stored), [0, 1, 2, 3, 5, 6, 7, 8, 9])
      assert.equal(second.suspect.count, 0)
      const all = new Uint8Array(content.length)
      assert.equal(await second.readAt(all, 0), all.length)
      assert.deepEqual(all, content)
    })

    it('refuses to open a torrent twice at a time', async t => {
      const { torrent } = singleFixture()
      const storage = await opened(t)
      const [first, second] = await Promise.allSettled([storage.open(torrent), storage.open(torrent)])
      assert.equal(first.status, 'fulfilled')
      assert.equal(second.status, 'rejected')
    })

    it('opens nothing after it was closed', async t => {
      const storage = await opened(t)
      await storage.close()
      await storage.close()
      await assert.rejects(storage.open(singleFixture().torrent), { code: 'ERR_TORRENTFS_CLOSED' })
    })

    it('refuses writes to a torrent that was closed', async t => {
      const { torrent, content } = singleFixture()
      const storage = await (await opened(t)).open(torrent)
      await storage.close()
      await assert.rejects(storage.writeAt(content, 0), { code: 'ERR_TORRENTFS_CLOSED' })
    })

    it('keeps two torrents of one name apart', async t => {
      const one = mixedFixture('same', 1)
      const two = mixedFixture('same', 2)
      const storage = await opened(t)
      const [first, second] = await Promise.all([storage.open(one.torrent), storage.open(two.torrent)])
      await first.writeAt(one.content, 0)
      await second.writeAt(two.content, 0)
      for (const [opened, { content }] of [[first, one] as const, [second, two] as const]) {
        const all = new Uint8Array(content.length)
        await opened.readAt(all, 0)
        assert.deepEqual(all, content)
      }
    })
  })
}
