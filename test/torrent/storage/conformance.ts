/** The suite that every TorrentStorage is held to. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { TestContext } from 'node:test'
import fc from 'fast-check'
import type { Storage, TorrentStorage } from '../../../src/torrent/storage/storage.js'
import {
  atEnd,
  bitsOf,
  mixedFixture,
  noise,
  paddedFixture,
  singleFixture,
  temporaryFolder,
} from './fixture.js'
import type { Fixture } from './fixture.js'

/** What a kind of storage is not held to. */
export interface Allowances {
  /** Nothing of it outlives the object: a new one on the same folder is empty. */
  readonly forgetful?: boolean
}

/**
 * Registers the suite for one kind of storage; `make` gives one on `folder`, which is empty at first, and the same one again
 * when it is called again with the same folder.
 */
export function describeStorage(
  kind: string,
  make: (t: TestContext, folder: string) => Promise<Storage>,
  o: Allowances = {},
): void {
  const openedAt = async (t: TestContext, folder: string): Promise<Storage> => {
    const storage = await make(t, folder)
    atEnd(t, () => storage.close())
    return storage
  }
  const opened = async (t: TestContext): Promise<Storage> => openedAt(t, await temporaryFolder(t))

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
      const { torrent } = paddedFixture()
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
      const fixture = mixedFixture()
      const { torrent, content } = fixture
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
      // What became of the bytes of the missing one is the storage's affair.
      for (const piece of bitsOf(second.stored)) {
        assert.deepEqual(
          await readPiece(second, fixture, piece),
          fixture.piece(piece).slice(),
          `piece ${piece}`,
        )
      }
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

    it('forgets a torrent that is removed, and leaves another of the same name alone', async t => {
      const one = mixedFixture('same', 1)
      const two = mixedFixture('same', 2)
      const storage = await opened(t)
      if (storage.remove === undefined) return
      const first = await storage.open(one.torrent)
      const second = await storage.open(two.torrent)
      for (const [opened, { content }] of [[first, one] as const, [second, two] as const]) {
        await opened.writeAt(content, 0)
        opened.markStored(0)
      }
      await assert.rejects(storage.remove(one.torrent), { code: 'ERR_TORRENTFS_STORAGE' })
      await first.close()
      await storage.remove(one.torrent)
      await storage.remove(one.torrent)
      const all = new Uint8Array(two.content.length)
      assert.equal(await second.readAt(all, 0), all.length)
      assert.deepEqual(all, two.content)
      assert.deepEqual(bitsOf(second.stored), [0])
      const again = await storage.open(one.torrent)
      assert.deepEqual([again.stored.count, again.suspect.count], [0, 0])
      assert.equal(await again.readAt(all, 0), 0)
      await storage.close()
      await assert.rejects(storage.remove(one.torrent), { code: 'ERR_TORRENTFS_CLOSED' })
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

    it('keeps pads zeros in pieces that are written in parts', async t => {
      const { torrent } = paddedFixture()
      const storage = await (await opened(t)).open(torrent)
      await storage.writeAt(new Uint8Array(100).fill(5), 19_950)
      await storage.writeAt(new Uint8Array(100).fill(6), 32_700)
      const target = new Uint8Array(12_968).fill(9)
      assert.equal(await storage.readAt(target, 19_900), target.length)
      assert.ok(target.subarray(50, 100).every(byte => byte === 5))
      assert.ok(target.subarray(100, 12_868).every(byte => byte === 0))
      assert.ok(target.subarray(12_868, 12_900).every(byte => byte === 6))
    })

    it('stores whole pieces with their marks, in any order, several at a time', async t => {
      const folder = await temporaryFolder(t)
      const fixture = mixedFixture()
      const { torrent } = fixture
      const storage = await openedAt(t, folder)
      const first = await storage.open(torrent)
      await Promise.all([9, 0, 4, 7, 1].map(piece => storePiece(first, fixture, piece)))
      assert.deepEqual(bitsOf(first.stored), [0, 1, 4, 7, 9])
      await first.close()
      if (o.forgetful === true) return
      await storage.close()
      const second = await (await openedAt(t, folder)).open(torrent)
      assert.deepEqual(bitsOf(second.stored), [0, 1, 4, 7, 9])
      assert.equal(second.suspect.count, 0)
      for (const piece of [0, 1, 4, 7, 9])
        assert.deepEqual(await readPiece(second, fixture, piece), fixture.piece(piece))
    })

    it('reads at once, if at all, what it reads otherwise', async t => {
      const fixture = mixedFixture()
      const storage = await (await opened(t)).open(fixture.torrent)
      for (let piece = 0; piece < 9; piece++) await storePiece(storage, fixture, piece)
      await storage.evict?.(4)
      for (const offset of [0, 16_000, 99_990, 9 * 16_384 - 5]) {
        const [now, later] = [new Uint8Array(40_000), new Uint8Array(40_000)]
        const count = storage.readNow?.(now, offset)
        if (count === undefined) continue
        assert.equal(await storage.readAt(later, offset), count)
        assert.deepEqual(now.subarray(0, count), later.subarray(0, count))
      }
    })

    it('refuses to store what is no whole piece', async t => {
      const { torrent, content } = singleFixture()
      const storage = await (await opened(t)).open(torrent)
      if (storage.store === undefined) return
      const refused = { code: 'ERR_TORRENTFS_STORAGE' }
      await assert.rejects(storage.store(0, content.subarray(0, 16_383)), refused)
      await assert.rejects(storage.store(torrent.geometry.pieceCount, content.subarray(0, 16_384)), refused)
      await assert.rejects(storage.store(-1, content.subarray(0, 16_384)), refused)
      assert.equal(storage.stored.count, 0)
    })

    it('reads whole pieces while others are written', async t => {
      const fixture = singleFixture('busy.bin', 40 * 16_384)
      const storage = await (await opened(t)).open(fixture.torrent)
      const count = fixture.torrent.geometry.pieceCount
      const readBack = async (piece: number): Promise<void> => {
        assert.deepEqual(await readPiece(storage, fixture, piece), fixture.piece(piece), `piece ${piece}`)
      }
      const one = async (piece: number): Promise<void> => {
        await storePiece(storage, fixture, piece)
        await Promise.all([readBack(piece), readBack(piece)])
      }
      await Promise.all(Array.from({ length: count }, (_, piece) => one((piece * 17) % count)))
      assert.ok(storage.stored.full)
    })

    it('keeps what was being stored when the torrent is closed, or says that it did not', async t => {
      const fixture = singleFixture('hasty.bin', 20 * 16_384)
      const storage = await opened(t)
      const first = await storage.open(fixture.torrent)
      // Else the mark is a second step, which nobody takes any more.
      if (first.store === undefined) return
      const storing = Array.from({ length: 20 }, (_, piece) => storePiece(first, fixture, piece))
      await first.close()
      const outcomes = await Promise.allSettled(storing)
      const kept = outcomes.flatMap((outcome, piece) => (outcome.status === 'fulfilled' ? [piece] : []))
      const second = await storage.open(fixture.torrent)
      for (const piece of kept)
        assert.ok(second.stored.get(piece) || second.suspect.get(piece), `piece ${piece}`)
      for (const piece of bitsOf(second.stored)) {
        assert.deepEqual(await readPiece(second, fixture, piece), fixture.piece(piece), `piece ${piece}`)
      }
    })

    it('gives up a piece for good, and that one alone', async t => {
      const folder = await temporaryFolder(t)
      const fixture = mixedFixture()
      const { torrent } = fixture
      const storage = await openedAt(t, folder)
      const first = await storage.open(torrent)
      if (first.evict === undefined) return
      for (let piece = 0; piece < torrent.geometry.pieceCount; piece++)
        await storePiece(first, fixture, piece)
      const evicting = first.evict(3)
      assert.equal(first.stored.get(3), false, 'it is missing from the call on')
      await evicting
      await first.evict(3)
      await first.evict(8)
      await storePiece(first, fixture, 8)
      const check = async (opened: TorrentStorage): Promise<void> => {
        assert.deepEqual(bitsOf(opened.stored), [0, 1, 2, 4, 5, 6, 7, 8, 9])
        for (const piece of bitsOf(opened.stored)) {
          assert.deepEqual(await readPiece(opened, fixture, piece), fixture.piece(piece), `piece ${piece}`)
        }
      }
      await check(first)
      await first.close()
      if (o.forgetful === true) return check(await storage.open(torrent))
      await storage.close()
      await check(await (await openedAt(t, folder)).open(torrent))
    })

    it('stores and gives up nothing after the torrent was closed', async t => {
      const fixture = singleFixture()
      const storage = await (await opened(t)).open(fixture.torrent)
      await storage.close()
      const refused = { code: 'ERR_TORRENTFS_CLOSED' }
      if (storage.store !== undefined) await assert.rejects(storage.store(0, fixture.piece(0)), refused)
      if (storage.evict !== undefined) await assert.rejects(storage.evict(0), refused)
    })
  })
}

/** As the engine does it. */
async function storePiece(
  storage: TorrentStorage,
  { torrent, piece }: Fixture,
  index: number,
): Promise<void> {
  if (storage.store !== undefined) return storage.store(index, piece(index))
  await storage.writeAt(piece(index), torrent.geometry.pieceOffset(index))
  storage.markStored(index)
}

async function readPiece(storage: TorrentStorage, { torrent }: Fixture, index: number): Promise<Uint8Array> {
  const target = new Uint8Array(torrent.geometry.pieceSize(index))
  return target.subarray(0, await storage.readAt(target, torrent.geometry.pieceOffset(index)))
}
