import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { open, type Database } from 'lmdb'
import { KvStorage } from '../../../../src/torrent/storage/kv/kv-storage.js'
import { describeStorage } from '../conformance.js'
import { atEnd, bitsOf, makeFixture, temporaryFolder } from '../fixture.js'
import { describeTransactional } from '../transactional.js'

describeStorage('kv', (_, folder) => Promise.resolve(new KvStorage(join(folder, 'made', 'torrents.kv'))))

describeTransactional('kv')

describe('values that others have put into a kv storage', () => {
  it('are read as nothing when they have another length', async t => {
    const path = join(await temporaryFolder(t), 'torrents.kv')
    const { torrent, piece } = makeFixture({
      files: [{ path: ['a'], length: 400_000 }],
      pieceLength: 131_072,
    })
    const first = new KvStorage(path)
    const opened = await first.open(torrent)
    for (let index = 0; index < 4; index++) await opened.store!(index, piece(index))
    await first.close()
    const root = open<Uint8Array, Uint8Array>({ path, noSubdir: true, maxDbs: 3 })
    const table = (name: string): Database<Uint8Array, Uint8Array> =>
      root.openDB<Uint8Array, Uint8Array>({ name, encoding: 'binary', keyEncoding: 'binary' })
    const key = (...numbers: number[]): Buffer =>
      Buffer.concat([
        Buffer.from(torrent.infohash, 'hex'),
        ...numbers.map(number => Buffer.from(number.toString(16).padStart(8, '0'), 'hex')),
      ])
    table('parts').putSync(key(0, 1), Buffer.from('text'))
    table('parts').putSync(key(1, 0), Buffer.alloc(0))
    table('parts').putSync(key(2, 1), Buffer.alloc(20e6))
    table('stored').putSync(key(4), Buffer.from([1]))
    table('stored').putSync(key(2, 2), Buffer.from([1]))
    await root.close()
    const storage = new KvStorage(path)
    atEnd(t, () => storage.close())
    const spoilt = await storage.open(torrent)
    assert.deepEqual(bitsOf(spoilt.stored), [0, 1, 2, 3])
    const counts: number[] = []
    for (let index = 0; index < 4; index++) {
      counts.push(await spoilt.readAt(new Uint8Array(piece(index).length), index * 131_072))
    }
    assert.deepEqual(counts, [65_536, 0, 65_536, piece(3).length])
  })
})
