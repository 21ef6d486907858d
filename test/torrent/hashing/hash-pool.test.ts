import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import fc from 'fast-check'
import { ContentHasher, NO_DIGEST, type HashedFile } from '../../../src/torrent/hashing/content-hasher.js'
import { hashContent } from '../../../src/torrent/hashing/hash-pool.js'
import { Scope } from '../../support/scope.js'

const scope = new Scope()
after(() => scope.close())
const folder = scope.folder('torrentfs-hashing-')

let made = 0
function fileOf(bytes: Uint8Array): HashedFile {
  const path = join(folder, `file-${made++}`)
  writeFileSync(path, bytes)
  return { location: Buffer.from(path), length: bytes.length }
}

/** The digests by the plainest way there is. */
function digestsOf(bytes: Buffer, pieceLength: number): Buffer {
  const digests: Buffer[] = []
  for (let begin = 0; begin < bytes.length; begin += pieceLength) {
    const piece = bytes.subarray(begin, begin + pieceLength)
    digests.push(createHash('sha1').update(piece).digest())
  }
  return Buffer.concat(digests)
}

describe('ContentHasher', () => {
  it('hashes any run of pieces over any files as if they were one row of bytes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat({ max: 3000 }), { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 1, max: 2000 }),
        fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }),
        async (lengths, pieceLength, pads) => {
          const parts = lengths.map((length, index) =>
            pads[index] === true ? Buffer.alloc(length) : randomBytes(length),
          )
          const files = parts.map((part, index) =>
            pads[index] === true ? { location: undefined, length: part.length } : fileOf(part),
          )
          const expected = digestsOf(Buffer.concat(parts), pieceLength)
          const hasher = new ContentHasher({ files, pieceLength, tolerant: false })
          const count = expected.length / 20
          const middle = Math.floor(count / 2)
          const halves = [await hasher.hash(0, middle), await hasher.hash(middle, count)]
          assert.deepEqual(Buffer.concat(halves), expected)
        },
      ),
      { numRuns: 60 },
    )
  })

  it('hashes pieces longer than a read, and files longer than a piece', async () => {
    const bytes = randomBytes(5_000_001)
    const files = [fileOf(bytes.subarray(0, 4_100_000)), fileOf(bytes.subarray(4_100_000))]
    for (const pieceLength of [65_536, 3_000_000, 8_000_000]) {
      const expected = digestsOf(bytes, pieceLength)
      const hasher = new ContentHasher({ files, pieceLength, tolerant: false })
      assert.deepEqual(Buffer.from(await hasher.hash(0, expected.length / 20)), expected)
    }
  })

  it('leaves out the pieces it cannot read, and those alone, when that is tolerated', async () => {
    const bytes = randomBytes(1000)
    const short = fileOf(bytes.subarray(300, 600))
    truncateSync(Buffer.from(short.location!), 150)
    const files = [
      fileOf(bytes.subarray(0, 300)),
      short,
      fileOf(bytes.subarray(600, 800)),
      { location: Buffer.from(join(folder, 'absent')), length: 100 },
      fileOf(bytes.subarray(900)),
    ]
    const expected = digestsOf(bytes, 100)
    // The short file ends at 450.
    for (const lost of [4, 5, 8]) expected.set(NO_DIGEST, lost * 20)
    const found = await new ContentHasher({ files, pieceLength: 100, tolerant: true }).hash(0, 10)
    assert.deepEqual(Buffer.from(found), expected)
    await assert.rejects(new ContentHasher({ files, pieceLength: 100, tolerant: false }).hash(0, 10), {
      code: 'ERR_TORRENTFS_STORAGE',
      message: /changed while it was read/,
    })
  })
})

describe('hashContent', { timeout: 60_000 }, () => {
  const bytes = randomBytes(20_000_123)
  const files = [fileOf(bytes.subarray(0, 7_000_000)), fileOf(bytes.subarray(7_000_000))]
  const content = { files, pieceLength: 262_144, tolerant: false }

  it('gives the same digests with any number of threads, and tells how far it is', async () => {
    const expected = digestsOf(bytes, content.pieceLength)
    for (const workers of [1, 3]) {
      const seen: number[] = []
      const onProgress = (hashed: number, total: number): void => {
        assert.equal(total, bytes.length)
        seen.push(hashed)
      }
      assert.deepEqual(Buffer.from(await hashContent({ ...content, workers, onProgress })), expected)
      assert.deepEqual(
        seen,
        seen.toSorted((a, b) => a - b),
      )
      assert.equal(seen.at(-1), bytes.length)
    }
  })

  it('ends its threads when it is aborted, or told of a failure', async () => {
    const abort = new AbortController()
    const aborted = hashContent({
      ...content,
      workers: 2,
      signal: abort.signal,
      onProgress: () => abort.abort(),
    })
    await assert.rejects(aborted, { code: 'ERR_TORRENTFS_ABORTED' })
    await assert.rejects(hashContent({ ...content, signal: abort.signal }), { code: 'ERR_TORRENTFS_ABORTED' })
    const missing = { location: Buffer.from(join(folder, 'gone')), length: 1000 }
    await assert.rejects(hashContent({ ...content, workers: 2, files: [...files, missing] }), {
      code: 'ERR_TORRENTFS_STORAGE',
      message: /cannot read .*gone/,
    })
  })

  it('refuses a number of threads that makes no sense', async () => {
    for (const workers of [0, -1, 1.5, 65, NaN])
      await assert.rejects(hashContent({ ...content, workers }), { code: 'ERR_TORRENTFS_ARGUMENT' })
  })
})
