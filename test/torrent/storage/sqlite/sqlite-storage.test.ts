import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { loadSqlite } from '../../../../src/torrent/storage/sqlite/sqlite-module.js'
import { SqliteStorage } from '../../../../src/torrent/storage/sqlite/sqlite-storage.js'
import { describeStorage } from '../conformance.js'
import { atEnd, bitsOf, makeFixture, singleFixture, temporaryFolder } from '../fixture.js'
import { describeTransactional } from '../transactional.js'

describeStorage('sqlite', (_, folder) =>
  Promise.resolve(new SqliteStorage(join(folder, 'made', 'torrents.db'))),
)

describeTransactional('sqlite')

describe('rows that others have put into a sqlite storage', () => {
  it('are read as nothing when they are no bytes of the right length, and take no memory', async t => {
    const folder = await temporaryFolder(t)
    const path = join(folder, 'torrents.db')
    const { torrent, piece } = makeFixture({
      files: [{ path: ['a'], length: 400_000 }],
      pieceLength: 131_072,
    })
    const first = new SqliteStorage(path)
    const opened = await first.open(torrent)
    for (let index = 0; index < 4; index++) await opened.store!(index, piece(index))
    await first.close()
    const { DatabaseSync } = await loadSqlite()
    const database = new DatabaseSync(path)
    database.exec(`
      UPDATE part SET bytes = 'text' WHERE piece = 0 AND part = 1;
      UPDATE part SET bytes = x'00' WHERE piece = 1 AND part = 0;
      UPDATE part SET bytes = zeroblob(900000000) WHERE piece = 2 AND part = 1;
      INSERT INTO stored VALUES (1, -1), (1, 4), (1, 9223372036854775807)`)
    database.close()
    const storage = new SqliteStorage(path)
    atEnd(t, () => storage.close())
    const spoilt = await storage.open(torrent)
    assert.deepEqual(bitsOf(spoilt.stored), [0, 1, 2, 3])
    const before = process.memoryUsage.rss()
    const counts: number[] = []
    for (let index = 0; index < 4; index++) {
      counts.push(await spoilt.readAt(new Uint8Array(piece(index).length), index * 131_072))
    }
    assert.deepEqual(counts, [65_536, 0, 65_536, piece(3).length])
    assert.ok(process.memoryUsage.rss() - before < 300e6)
  })

  it('of a torrent with other pieces are deleted', async t => {
    const folder = await temporaryFolder(t)
    const storage = new SqliteStorage(join(folder, 'torrents.db'))
    atEnd(t, () => storage.close())
    const { torrent, piece } = singleFixture()
    const opened = await storage.open(torrent)
    await opened.store!(3, piece(3))
    await opened.close()
    const other = await storage.open({
      ...singleFixture('other', 200_000).torrent,
      infohash: torrent.infohash,
    })
    assert.equal(other.stored.count, 0)
    assert.equal(await other.readAt(new Uint8Array(10), 3 * 16_384), 0)
    await other.store!(0, piece(0))
    assert.deepEqual(bitsOf(other.stored), [0])
  })
})

describe('a database', () => {
  it('of another program is named, and left as it is', async t => {
    const path = join(await temporaryFolder(t), 'torrents.db')
    const { DatabaseSync } = await loadSqlite()
    const database = new DatabaseSync(path)
    database.exec('CREATE TABLE recipes (name TEXT)')
    database.close()
    const storage = new SqliteStorage(path)
    atEnd(t, () => storage.close())
    await assert.rejects(storage.open(singleFixture().torrent), {
      code: 'ERR_TORRENTFS_STORAGE',
      message: new RegExp(`${path}.*another program`),
    })
    await storage.close()
    const again = new DatabaseSync(path)
    assert.equal(again.prepare('SELECT count(*) AS n FROM sqlite_schema').get()!['n'], 1)
    again.close()
  })

  it('that a storage uses is refused to a second one, until the first is closed', async t => {
    const path = join(await temporaryFolder(t), 'torrents.db')
    const { torrent, piece } = singleFixture()
    const first = new SqliteStorage(path)
    await (
      await first.open(torrent)
    ).store!(0, piece(0))
    const second = new SqliteStorage(path)
    atEnd(t, () => second.close())
    await assert.rejects(second.open(torrent), {
      code: 'ERR_TORRENTFS_STORAGE',
      message: /another program uses it/,
    })
    await first.close()
    assert.deepEqual(bitsOf((await second.open(torrent)).stored), [0])
  })
})
