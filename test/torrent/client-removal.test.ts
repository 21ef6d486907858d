/**
 * Removing torrents, with and without what they downloaded.
 */
import assert from 'node:assert/strict'
import { cp, readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import {
  formatMagnet,
  MemoryStorage,
  type Client,
  type Storage,
  type Torrent,
} from '../../src/torrent/index.js'
import { until } from '../support/fs-process.js'
import { clientOf, madeTorrent } from './client-fixture.js'

/** Everything of it is verified. */
async function complete(torrent: Torrent): Promise<void> {
  await torrent.whenReady()
  torrent.download()
  await until('all of it is stored', 20_000, () => torrent.status().storedBytes === torrent.info?.length)
}

/** A torrent that has everything. @param beside lies in its download folder as well */
async function seeded(
  t: TestContext,
  beside?: string,
): Promise<{ client: Client; torrent: Torrent; folder: string }> {
  const { metainfo, downloadDir } = await madeTorrent(t)
  if (beside !== undefined) await cp(beside, join(downloadDir, basename(beside)), { recursive: true })
  const client = await clientOf(t, { downloadDir })
  const torrent = client.addNow(metainfo)
  await complete(torrent)
  return { client, torrent, folder: downloadDir }
}

describe('removing a torrent', () => {
  it('keeps its data, and has it again when it is added again', async t => {
    const { client, torrent, folder } = await seeded(t)
    await client.remove(torrent.infohash.toUpperCase())
    assert.deepEqual((await readdir(join(folder, 'set'))).sort(), ['a', 'b'])
    assert.equal(client.get(torrent.infohash), undefined)
    const again = client.addNow({ metainfo: await metainfoOf(torrent) })
    await again.whenReady()
    assert.equal(again.status().storedBytes, 110_000)
  })

  it('deletes its data when it is told to, and nothing of another torrent or of the user', async t => {
    const other = await madeTorrent(t, { 'other/x': 50_000 })
    const { client, torrent, folder } = await seeded(t, join(other.downloadDir, 'other'))
    const kept = client.addNow(other.metainfo)
    await complete(kept)
    await client.remove(torrent, { deleteData: true })
    assert.deepEqual((await readdir(folder)).sort(), ['.torrentfs', 'other'])
    assert.deepEqual(
      (await readdir(join(folder, '.torrentfs'))).filter(name => name.startsWith(torrent.infohash)),
      [],
    )
    assert.equal(kept.status().storedBytes, 50_000)
    const head = Buffer.alloc(50_000)
    const reader = kept.files[0]!.createReader()
    await reader.readAt(head, 0)
    reader.close()
    assert.ok(head.equals(await readFile(join(other.downloadDir, 'other/x'))))
  })

  it('begins from nothing when it is added again while its data is being deleted', async t => {
    const { client, torrent } = await seeded(t)
    const metainfo = await metainfoOf(torrent)
    const removed = client.remove(torrent, { deleteData: true })
    const again = client.addNow(metainfo)
    await removed
    await again.whenReady()
    assert.equal(again.status().storedBytes, 0)
    assert.notEqual(again, torrent)
  })

  it('forgets the metadata that a magnet got from peers', async t => {
    const { metainfo, infohash, downloadDir } = await madeTorrent(t)
    const seeder = await clientOf(t, { downloadDir })
    await complete(seeder.addNow(metainfo))
    const client = await clientOf(t, { testPeers: [{ host: '127.0.0.1', port: seeder.port }] })
    const torrent = client.addNow(formatMagnet({ infohash }))
    await complete(torrent)
    await client.remove(torrent, { deleteData: true })
    const again = client.addNow(infohash)
    assert.equal(again.info, undefined)
    await again.whenReady(AbortSignal.timeout(20_000))
    assert.equal(again.status().storedBytes, 0)
  })

  it('ends waiting reads, does nothing for an unknown one, and is done twice as well as once', async t => {
    const { metainfo } = await madeTorrent(t)
    const client = await clientOf(t)
    const torrent = client.addNow(metainfo)
    await torrent.whenReady()
    const reader = torrent.files[0]!.createReader()
    const read = assert.rejects(reader.readAt(Buffer.alloc(10), 0), { code: 'ERR_TORRENTFS_REMOVED' })
    await Promise.all([client.remove(torrent, { deleteData: true }), client.remove(torrent)])
    await read
    await client.remove('0'.repeat(40), { deleteData: true })
  })

  it('says so, and removes nothing, when the storage cannot delete', async t => {
    const { metainfo } = await madeTorrent(t)
    const memory = new MemoryStorage()
    const storage: Storage = { open: torrent => memory.open(torrent), close: () => memory.close() }
    const client = await clientOf(t, { storage })
    const torrent = client.addNow(metainfo)
    await assert.rejects(client.remove(torrent, { deleteData: true }), {
      code: 'ERR_TORRENTFS_ARGUMENT',
      message: /deleteData/,
    })
    assert.equal(client.get(torrent.infohash), torrent)
  })

  it('is told when the data cannot be deleted, and is removed even so', async t => {
    const { metainfo } = await madeTorrent(t)
    const memory = new MemoryStorage()
    const storage: Storage = {
      open: torrent => memory.open(torrent),
      remove: () => Promise.reject(new Error('no luck')),
      close: () => memory.close(),
    }
    const client = await clientOf(t, { storage })
    const torrent = client.addNow(metainfo)
    await torrent.whenReady()
    await assert.rejects(client.remove(torrent, { deleteData: true }), {
      code: 'ERR_TORRENTFS_STORAGE',
      message: /set: its data: no luck/,
    })
    assert.equal(client.get(torrent.infohash), undefined)
    await client.addNow(metainfo).whenReady()
  })
})

describe('await using a client', () => {
  it('closes it at the end of the block', async t => {
    const { metainfo } = await madeTorrent(t)
    let kept: Client
    {
      await using client = await clientOf(t)
      client.addNow(metainfo)
      kept = client
    }
    assert.throws(() => kept.addNow(metainfo), { code: 'ERR_TORRENTFS_CLOSED' })
    await kept.close()
  })
})

/** A torrent file of its info dictionary alone. */
function metainfoOf(torrent: Torrent): Promise<Uint8Array> {
  return Promise.resolve(Buffer.concat([Buffer.from('d4:info'), torrent.info!.raw, Buffer.from('e')]))
}
