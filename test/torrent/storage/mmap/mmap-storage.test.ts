import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readdirSync, readlinkSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { FileStorage } from '../../../../src/torrent/storage/file/file-storage.js'
import { MmapStorage } from '../../../../src/torrent/storage/mmap/mmap-storage.js'
import { openStore } from '../../data/store-fixture.js'
import { describeStorage } from '../conformance.js'
import {
  atEnd,
  bitsOf,
  makeFixture,
  mixedFixture,
  singleFixture,
  smallDisk,
  temporaryFolder,
} from '../fixture.js'

describeStorage('mmap', (_, folder) => Promise.resolve(new MmapStorage({ root: join(folder, 'mapped') })))

const PIECE = 16384

/** Names below a folder that this process has open. */
function openBelow(folder: string): string[] {
  return readdirSync('/proc/self/fd')
    .flatMap(fd => {
      try {
        return [readlinkSync(`/proc/self/fd/${fd}`)]
      } catch {
        return []
      }
    })
    .filter(path => path.startsWith(folder) && !path.includes('.torrentfs'))
}

describe('a storage of mapped files', () => {
  it('lives when a file is cut short under it: what is gone is missing, not zeros', async t => {
    const root = await temporaryFolder(t)
    const { torrent, content, piece } = singleFixture()
    const { put, storage, store, target } = await openStore(t, new MmapStorage({ root }), torrent)
    for (let index = 0; index < torrent.geometry.pieceCount; index++) {
      assert.equal((await put(index, piece(index))).kind, 'stored')
    }
    const all = new Uint8Array(content.length)
    assert.equal(await storage.readAt(all, 0), content.length)
    assert.deepEqual(all, content)

    // Not at the end of a page: the rest of that one can be touched, and is zeros.
    const path = join(root, 'single.bin')
    truncateSync(path, 50_000)
    for (const read of [
      (offset: number) => storage.readAt(all, offset),
      async (offset: number) => storage.readNow!(all, offset)!,
    ]) {
      assert.equal(await read(0), 50_000)
      assert.equal(await read(49_990), 10)
      assert.equal(await read(50_010), 0)
      assert.equal(await read(150_000), 0)
    }
    // The file gets its length and its bytes back.
    assert.equal((await put(9, piece(9))).kind, 'stored')
    assert.deepEqual(bitsOf(storage.stored), [9])
    assert.equal(await store.verify(target, 0), 'good')
    assert.equal(await store.verify(target, 5), 'bad')
    assert.equal((await put(5, piece(5))).kind, 'stored')
    const target5 = new Uint8Array(PIECE)
    assert.equal(await storage.readAt(target5, 5 * PIECE), PIECE)
    assert.deepEqual(target5, piece(5).slice())
  })

  it('lives when a file is cut again and again while it is read and written', async t => {
    const root = await temporaryFolder(t)
    const { torrent, piece } = makeFixture({ files: [{ path: ['cut'], length: 2_000_000 }] })
    const { put, storage } = await openStore(t, new MmapStorage({ root }), torrent)
    assert.equal((await put(0, piece(0))).kind, 'stored')
    const path = join(root, 'cut')
    const end = performance.now() + 1500
    let [stored, failed, short] = [0, 0, 0]
    const child = spawn('sh', [
      '-c',
      'while :; do truncate -s 100 "$0"; truncate -s 2000000 "$0"; done',
      path,
    ])
    atEnd(t, () => child.kill('SIGKILL'))
    const all = new Uint8Array(2_000_000)
    for (let index = 1; performance.now() < end; index = (index + 7) % torrent.geometry.pieceCount) {
      const { kind } = await put(index, piece(index))
      if (kind === 'stored') stored++
      else failed++
      try {
        if ((await storage.readAt(all, 0)) < all.length) short++
        storage.readNow!(all, 0)
      } catch {
        short++
      }
    }
    t.diagnostic(`${stored} stored, ${failed} failed, ${short} short reads`)
    assert.ok(stored + failed > 10)
  })

  it('tells of a full disk, and goes on when there is room', async t => {
    const disk = await smallDisk(t, '4m')
    if (disk === undefined) return
    const filler = join(disk, 'filler')
    writeFileSync(filler, new Uint8Array(2_500_000))
    const { torrent, piece } = makeFixture({
      files: [{ path: ['full'], length: 3_000_000 }],
      pieceLength: 65536,
    })
    const { put, storage } = await openStore(t, new MmapStorage({ root: disk }), torrent)
    const kinds = new Map<string, number>()
    for (let index = 0; index < torrent.geometry.pieceCount; index++) {
      const outcome = await put(index, piece(index))
      kinds.set(outcome.kind, (kinds.get(outcome.kind) ?? 0) + 1)
      if (outcome.kind !== 'failed') continue
      assert.equal(outcome.error.code, 'ERR_TORRENTFS_DISK_FULL')
      assert.ok(outcome.error.message.includes(join(disk, 'full')), outcome.error.message)
    }
    assert.ok(kinds.get('stored')! > 10 && kinds.get('failed')! > 10, JSON.stringify([...kinds]))
    await assert.rejects(storage.writeAt(piece(40), 40 * 65536), { code: 'ERR_TORRENTFS_DISK_FULL' })
    rmSync(filler)
    assert.equal((await put(40, piece(40))).kind, 'stored')
    const target = new Uint8Array(65536)
    assert.equal(await storage.readAt(target, 40 * 65536), target.length)
    assert.deepEqual(target, piece(40).slice())
  })

  it('reads what was put in the place of a file only after it was hashed', async t => {
    const root = await temporaryFolder(t)
    const { torrent, content, piece } = singleFixture()
    const { put, storage, store, target } = await openStore(t, new MmapStorage({ root }), torrent)
    assert.equal((await put(3, piece(3))).kind, 'stored')
    const one = new Uint8Array(PIECE)
    assert.equal(await storage.readAt(one, 3 * PIECE), PIECE)
    writeFileSync(join(root, 'other'), new Uint8Array(content.length).fill(1))
    renameSync(join(root, 'other'), join(root, 'single.bin'))
    // What was read is told to be gone: that has the piece hashed.
    assert.equal(await storage.readAt(one, 3 * PIECE), 0)
    assert.equal(await store.verify(target, 3), 'bad')
    assert.ok(!storage.stored.get(3))
  })

  it('keeps no descriptor open of what it reads', async t => {
    const root = await temporaryFolder(t)
    const { torrent, content } = mixedFixture()
    const first = new FileStorage({ root })
    const files = await first.open(torrent)
    await files.writeAt(content, 0)
    for (let index = 0; index < torrent.geometry.pieceCount; index++) files.markStored(index)
    await first.close()

    const mapped = new MmapStorage({ root })
    atEnd(t, () => mapped.close())
    const storage = await mapped.open(torrent)
    assert.equal(storage.stored.count, torrent.geometry.pieceCount, 'what the file storage stored counts')
    const all = new Uint8Array(content.length)
    assert.equal(storage.readNow(all, 0), undefined)
    assert.equal(await storage.readAt(all, 0), all.length)
    assert.equal(storage.readNow(all, 0), all.length)
    assert.deepEqual(all, content)
    assert.deepEqual(openBelow(root), [])
  })

  it('keeps what it stored, synced, for the file storage as well', async t => {
    const root = await temporaryFolder(t)
    const { torrent, piece } = mixedFixture()
    const mapped = await openStore(t, new MmapStorage({ root, checkpointMs: 10, quietMs: 0 }), torrent)
    for (const index of [0, 6, 9]) assert.equal((await mapped.put(index, piece(index))).kind, 'stored')
    const resume = join(root, '.torrentfs', `${torrent.infohash}.resume`)
    for (let tries = 0; !readdirSync(join(root, '.torrentfs')).some(name => resume.endsWith(name)); tries++) {
      assert.ok(tries < 1000, 'a checkpoint is written')
      await new Promise(resolve => setTimeout(resolve, 10))
    }
    await mapped.close()
    const files = await openStore(t, new FileStorage({ root }), torrent)
    assert.deepEqual(bitsOf(files.storage.stored), [0, 6, 9])
    assert.equal(files.storage.suspect.count, 0)
    for (const index of [0, 6, 9]) assert.equal(await files.store.verify(files.target, index), 'good')
  })
})
