import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { basename } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { S3Client } from '../../../../src/torrent/storage/s3/s3-client.js'
import { S3Objects } from '../../../../src/torrent/storage/s3/s3-objects.js'
import { s3Place, type S3StorageOptions } from '../../../../src/torrent/storage/s3/s3-options.js'
import { S3Storage } from '../../../../src/torrent/storage/s3/s3-storage.js'
import { s3Options } from '../../../support/s3-server.js'
import { Scope } from '../../../support/scope.js'
import { openStore } from '../../data/store-fixture.js'
import { describeStorage } from '../conformance.js'
import { atEnd, bitsOf, makeFixture, singleFixture } from '../fixture.js'

const scope = new Scope()
const run = randomBytes(4).toString('hex')
let server: S3StorageOptions

before(async () => {
  server = await s3Options(scope)
})
after(() => scope.close())

describeStorage('s3', async (_t, folder) => {
  return new S3Storage({ ...server, prefix: `${run}/${basename(folder)}/` })
})

describe('a storage in a bucket', () => {
  const place = (name: string): S3StorageOptions => ({ ...server, prefix: `${run}/${name}/` })
  const WRITE = { method: 'PUT', doing: 'write', accept: [], mostBytes: 65536 } as const

  /** Puts an object there, past the storage. */
  async function put(name: string, hash: Uint8Array, body: Uint8Array): Promise<void> {
    const key = Buffer.from(hash).toString('hex')
    const client = new S3Client(s3Place(place(name)))
    await client.ask({ ...WRITE, key: `${key.slice(0, 2)}/${key.slice(2)}`, body })
  }

  it('finds what is there by its listing, whoever put it, and serves it only if it is right', async t => {
    const { torrent, piece } = singleFixture()
    const hash = (index: number): Uint8Array => torrent.pieceHashes.subarray(index * 20, index * 20 + 20)
    await put('found', hash(1), piece(1))
    await put('found', hash(2), piece(3))
    await put('found', hash(4), piece(4).subarray(1))
    await put('found', hash(5), new Uint8Array(100_000))
    const { storage, put: store } = await openStore(t, new S3Storage(place('found')), torrent)
    assert.deepEqual(bitsOf(storage.stored), [1, 2], 'those of another size do not count')
    const target = new Uint8Array(16384)
    assert.equal(await storage.readAt(target, 16384), 16384)
    assert.deepEqual(target, piece(1).slice())
    assert.equal(await storage.readAt(target, 2 * 16384), 0, 'another content under its name')
    assert.equal((await store(2, piece(2))).kind, 'stored')
    assert.equal((await store(4, piece(4))).kind, 'stored')
    assert.equal(await storage.readAt(target, 2 * 16384), 16384)
    assert.deepEqual(target, piece(2).slice())
    // Changed after it was found right: seen at the next request.
    await put('found', hash(4), piece(5))
    assert.equal(await storage.readAt(target, 4 * 16384), 0)
  })

  it('reads ranges, many at a time, of pieces that are in no memory', async t => {
    const fixture = makeFixture({ files: [{ path: ['many'], length: 60 * 65536 - 5 }], pieceLength: 65536 })
    const { torrent, content } = fixture
    const parts = new S3Storage({ ...place('many'), cacheBytes: 0 })
    const { storage, put: store } = await openStore(t, parts, torrent)
    const outcomes = await Promise.all([...Array(60).keys()].map(index => store(index, fixture.piece(index))))
    assert.ok(outcomes.every(({ kind }) => kind === 'stored'))
    const reads = Array.from({ length: 200 }, (_, i) => (i * 7919 * 131) % (content.length - 30_000))
    await Promise.all(
      reads.map(async offset => {
        const target = new Uint8Array(30_000)
        assert.equal(await storage.readAt(target, offset), target.length)
        assert.ok(Buffer.from(content.subarray(offset, offset + 30_000)).equals(target), `at ${offset}`)
      }),
    )
  })

  it('lists more objects than one answer names', async t => {
    const client = new S3Client(s3Place(place('long')))
    const objects = new S3Objects(s3Place(place('long')), { page: 20 })
    atEnd(t, () => client.close())
    const names = [...Array(110).keys()].map(index => `ab/${index.toString(16).padStart(38, '0')}`)
    await Promise.all(names.map(key => client.ask({ ...WRITE, key, body: new Uint8Array(3) })))
    const found = await objects.list('ab')
    assert.equal(found.size, 110)
    assert.ok([...found].every(([name, size]) => /^ab0{30,}/.test(name) && size === 3))
    assert.equal((await objects.list('ac')).size, 0)
    await Promise.all([...found.keys()].map(name => objects.remove(name)))
    assert.equal((await objects.list('ab')).size, 0)
  })

  it('says which bucket, which object and what the server answered', async t => {
    const { torrent } = singleFixture()
    for (const [options, told] of [
      [{ ...place('x'), bucket: 'no-such-bucket' }, /s3:\/\/no-such-bucket\/.* at http.*: 404 NoSuchBucket/],
      [{ ...place('x'), secretAccessKey: 'wrong' }, /s3:\/\/.*: 403 SignatureDoesNotMatch .*keys/],
    ] as const) {
      const storage = new S3Storage(options)
      atEnd(t, () => storage.close())
      await assert.rejects(storage.open(torrent), { code: 'ERR_TORRENTFS_STORAGE', message: told })
    }
  })
})
