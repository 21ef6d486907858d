import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { TestContext } from 'node:test'
import { FileStorage } from '../../../src/torrent/storage/file/file-storage.js'
import { MemoryStorage } from '../../../src/torrent/storage/memory/memory-storage.js'
import type { Storage } from '../../../src/torrent/storage/storage.js'
import { until } from '../../support/fs-process.js'
import { bitsOf, makeFixture, mixedFixture, singleFixture, temporaryFolder } from '../storage/fixture.js'
import { openStore } from './store-fixture.js'

const kinds: [string, (t: TestContext) => Promise<Storage>][] = [
  ['files', async t => new FileStorage({ root: join(await temporaryFolder(t), 'downloads') })],
  ['memory', () => Promise.resolve(new MemoryStorage())],
]

for (const [kind, make] of kinds) {
  describe(`the piece store over ${kind}`, () => {
    it('stores good pieces, all asked for at once, so that the storage reads them', async t => {
      const { torrent, content, piece } = mixedFixture()
      const { storage, put } = await openStore(t, await make(t), torrent)
      const pieces = [...Array(torrent.geometry.pieceCount).keys()]
      const outcomes = await Promise.all(pieces.map(index => put(index, piece(index))))
      assert.ok(outcomes.every(outcome => outcome.kind === 'stored'))
      assert.equal(storage.stored.full, true)
      const all = new Uint8Array(content.length)
      assert.equal(await storage.readAt(all, 0), all.length)
      assert.deepEqual(all, content)
    })

    it('writes nothing of a piece that does not match, and gives the digest of each block', async t => {
      const wide = makeFixture({ files: [{ path: ['wide.bin'], length: 100_000 }], pieceLength: 65_536 })
      const { storage, put } = await openStore(t, await make(t), wide.torrent)
      const bytes = wide.piece(1).slice()
      bytes[20_000]! ^= 1
      const outcome = await put(1, bytes)
      assert.ok(outcome.kind === 'mismatch')
      const blocks = [0, 16_384, 32_768].map(at => bytes.subarray(at, at + 16_384))
      const digests = blocks.map(block => createHash('sha1').update(block).digest())
      assert.deepEqual(Buffer.from(outcome.blockDigests), Buffer.concat(digests))
      assert.equal(storage.stored.count, 0)
      assert.equal(await storage.readAt(new Uint8Array(1), 65_536), 0)
      const good = await put(1, wide.piece(1), { blockDigests: true })
      assert.ok(good.kind === 'stored' && good.blockDigests?.length === 60)
      const plain = await put(0, wide.piece(0))
      assert.deepEqual(plain, { kind: 'stored' })
    })

    it('zeroes what belongs to pad files before it hashes', async t => {
      const { torrent, piece } = makeFixture({
        files: [
          { path: ['padded', 'a'], length: 20_000 },
          { path: ['padded', '.pad', '0'], length: 12_768, pad: true },
          { path: ['padded', 'b'], length: 5000 },
        ],
      })
      const { put } = await openStore(t, await make(t), torrent)
      const bytes = piece(1).slice()
      bytes.fill(0xee, 20_000 - 16_384)
      assert.equal((await put(1, bytes)).kind, 'stored')
    })

    it('verifies what is there, and marks it', async t => {
      const { torrent, content } = singleFixture()
      const { store, storage, target } = await openStore(t, await make(t), torrent)
      await storage.writeAt(content.subarray(0, 50_000), 0)
      assert.equal(await store.verify(target, 1), 'good')
      assert.equal(storage.stored.get(1), true)
      await storage.writeAt(new Uint8Array(5), 16_384)
      assert.equal(await store.verify(target, 1), 'bad')
      assert.equal(storage.stored.get(1), false)
      assert.equal(await store.verify(target, 7), 'bad')
    })

    it('fails for a piece the torrent does not have and after the target was detached', async t => {
      const { torrent, piece } = singleFixture()
      const { store, target, put } = await openStore(t, await make(t), torrent)
      const beyond = await store.verify(target, 10)
      assert.ok(typeof beyond === 'object' && beyond.error.code === 'ERR_TORRENTFS_ARGUMENT')
      const running = put(0, piece(0))
      await store.detach(target)
      assert.equal((await running).kind, 'stored')
      const late = await put(1, piece(1))
      assert.ok(late.kind === 'failed' && late.error.code === 'ERR_TORRENTFS_CLOSED')
    })

    it('finishes what is under way when it is closed, and does nothing afterwards', async t => {
      const { torrent, piece } = singleFixture()
      const { store, put } = await openStore(t, await make(t), torrent)
      const running = [0, 1, 2, 3].map(index => put(index, piece(index)))
      await store.close()
      for (const outcome of await Promise.all(running)) assert.equal(outcome.kind, 'stored')
      assert.equal((await put(5, piece(5))).kind, 'failed')
    })
  })
}

describe('the piece store over files', () => {
  it('journals what it stores: a process that ends at once loses nothing and hashes nothing again', async t => {
    const root = await temporaryFolder(t)
    const { torrent, piece } = mixedFixture()
    const first = await openStore(t, new FileStorage({ root }), torrent)
    for (const index of [0, 3, 6, 9]) await first.put(index, piece(index))
    const second = await openStore(t, new FileStorage({ root }), torrent)
    assert.deepEqual(bitsOf(second.storage.stored), [0, 3, 6, 9])
    assert.equal(second.storage.suspect.count, 0)
  })

  it('sorts the suspect pieces of a changed file into good and bad, for good', async t => {
    const root = await temporaryFolder(t)
    const { torrent, piece } = singleFixture()
    const first = await openStore(t, new FileStorage({ root }), torrent)
    for (let index = 0; index < 5; index++) await first.put(index, piece(index))
    writeFileSync(join(root, 'single.bin'), 'changed', { flag: 'r+' })
    const second = await openStore(t, new FileStorage({ root }), torrent)
    assert.deepEqual(bitsOf(second.storage.suspect), [0, 1, 2, 3, 4])
    const outcomes = [0, 1, 2].map(index => second.store.verify(second.target, index))
    assert.deepEqual(await Promise.all(outcomes), ['bad', 'good', 'good'])
    await second.close()
    const third = await openStore(t, new FileStorage({ root }), torrent)
    assert.deepEqual(bitsOf(third.storage.stored), [1, 2])
    assert.deepEqual(bitsOf(third.storage.suspect), [3, 4])
  })

  it('goes on through checkpoints while it stores', async t => {
    const root = await temporaryFolder(t)
    const { torrent, piece } = makeFixture({ files: [{ path: ['t'], length: 16_384 * 400 }] })
    const parts = new FileStorage({ root, checkpointMs: 2, quietMs: 0 })
    const { put } = await openStore(t, parts, torrent)
    for (let begin = 0; begin < 400; begin += 20) {
      await Promise.all([...Array(20).keys()].map(index => put(begin + index, piece(begin + index))))
      await new Promise(resolve => setTimeout(resolve, 3))
    }
    const second = await openStore(t, new FileStorage({ root }), torrent)
    assert.equal(second.storage.stored.full, true)
  })

  it('has a journal, and a thread, before the first piece comes when that was announced', async t => {
    const root = await temporaryFolder(t)
    const { torrent, piece } = mixedFixture()
    const { store, target, put } = await openStore(t, new FileStorage({ root }), torrent)
    store.prepare(target)
    const journal = join(root, '.torrentfs', `${torrent.infohash}.1.journal`)
    await until('the journal is there', 5000, () => existsSync(journal))
    assert.equal(existsSync(join(root, 'mixed')), false, 'nothing of the content is')
    assert.equal((await put(9, piece(9))).kind, 'stored')
  })

  it('stores when what stood in the way of preparing is gone', async t => {
    const root = await temporaryFolder(t)
    const { torrent, piece } = mixedFixture()
    const { store, target, put } = await openStore(t, new FileStorage({ root }), torrent)
    writeFileSync(join(root, '.torrentfs'), 'in the way')
    store.prepare(target)
    assert.equal((await put(9, piece(9))).kind, 'failed')
    rmSync(join(root, '.torrentfs'))
    assert.equal((await put(9, piece(9))).kind, 'stored')
  })

  it('uses few messages for many pieces asked for in one turn', async t => {
    const root = await temporaryFolder(t)
    const { torrent, piece } = makeFixture({ files: [{ path: ['t'], length: 16_384 * 64 }] })
    const { store, put } = await openStore(t, new FileStorage({ root }), torrent)
    await put(0, piece(0))
    const { sent } = store.stats
    await Promise.all([...Array(63).keys()].map(index => put(index + 1, piece(index + 1))))
    assert.ok(store.stats.sent - sent <= 3, `${store.stats.sent - sent} messages`)
  })

  it('fails, naming it, for a file that is a symbolic link, and stores the rest', async t => {
    const root = await temporaryFolder(t)
    const { torrent, piece } = mixedFixture()
    const { put } = await openStore(t, new FileStorage({ root }), torrent)
    assert.equal((await put(9, piece(9))).kind, 'stored')
    const outside = await temporaryFolder(t)
    writeFileSync(join(outside, 'victim'), 'precious')
    symlinkSync(join(outside, 'victim'), join(root, 'mixed', 'large.bin'))
    const outcome = await put(0, piece(0))
    assert.ok(outcome.kind === 'failed' && outcome.error.code === 'ERR_TORRENTFS_STORAGE')
    assert.match(outcome.error.message, /large\.bin.*symbolic link/)
    assert.equal(readFileSync(join(outside, 'victim'), 'utf8'), 'precious')
    assert.equal((await put(7, piece(7))).kind, 'stored')
  })

  it('fails when a folder of the torrent is a file, and recovers when that is gone', async t => {
    const root = await temporaryFolder(t)
    const { torrent, piece } = mixedFixture()
    const { put } = await openStore(t, new FileStorage({ root }), torrent)
    assert.equal((await put(0, piece(0))).kind, 'stored')
    writeFileSync(join(root, 'mixed', 'folder'), 'in the way')
    assert.equal((await put(7, piece(7))).kind, 'failed')
    rmSync(join(root, 'mixed', 'folder'))
    assert.equal((await put(7, piece(7))).kind, 'stored')
  })

  it('fails what is under way when its worker crashes, and goes on with a new one', async t => {
    const root = await temporaryFolder(t)
    const { torrent, piece } = singleFixture()
    const { store, put, storage } = await openStore(t, new FileStorage({ root }), torrent)
    assert.equal((await put(0, piece(0))).kind, 'stored')
    // A slab whose memory is no memory: the worker throws while it takes the message.
    const broken = { id: 1e9, bytes: { buffer: -1, length: 16_384 } as unknown as Uint8Array }
    const target = store.attach({ ...torrent }, storage)
    const running = put(1, piece(1))
    const crashed = await store.store(target, 2, broken)
    assert.ok(crashed.kind === 'failed' && crashed.error.code === 'ERR_TORRENTFS_STORAGE')
    assert.equal((await running).kind, 'failed')
    assert.equal((await put(1, piece(1))).kind, 'stored')
    assert.equal((await put(2, piece(2))).kind, 'stored')
  })

  it('does not call a hole good, nor a file that is too short', async t => {
    const root = await temporaryFolder(t)
    const { torrent, piece } = singleFixture()
    const { store, target, put, storage } = await openStore(t, new FileStorage({ root }), torrent)
    await put(0, piece(0))
    assert.equal(await store.verify(target, 5), 'bad')
    truncateSync(join(root, 'single.bin'), 1000)
    assert.equal(await store.verify(target, 0), 'bad')
    assert.equal(storage.stored.get(0), false)
  })

  it('lets the process end by itself when nothing is under way', () => {
    const module = new URL('../../../src/torrent/data/piece-store.js', import.meta.url).href
    const memory = new URL('../../../src/torrent/storage/memory/memory-storage.js', import.meta.url).href
    const fixture = new URL('../storage/fixture.js', import.meta.url).href
    const program = `
      const { PieceStore } = await import(${JSON.stringify(module)})
      const { MemoryStorage } = await import(${JSON.stringify(memory)})
      const { singleFixture } = await import(${JSON.stringify(fixture)})
      const { torrent, piece } = singleFixture()
      const store = new PieceStore()
      const target = store.attach(torrent, await new MemoryStorage().open(torrent))
      const slab = store.acquireSlab(16384)
      slab.bytes.set(piece(0))
      console.log((await store.store(target, 0, slab)).kind)`
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', program], { timeout: 20_000 })
    assert.equal(child.stdout.toString().trim(), 'stored')
    assert.equal(child.status, 0)
  })
})
