import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { createTorrent } from '../../src/torrent/create.js'
import { parseMetainfo } from '../../src/torrent/metainfo/metainfo.js'

describe('createTorrent', () => {
  let folder: string

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'torrentfs-create-'))
  })

  after(() => rmSync(folder, { recursive: true, force: true }))

  it('hashes the files of a folder as one row of bytes, in the order of the bytes of their paths', async () => {
    const root = join(folder, 'tree')
    const parts: [string | Buffer, Buffer][] = [
      ['B', randomBytes(3)],
      ['a.txt', randomBytes(40_000)],
      ['a/x', randomBytes(1_100_000)],
      ['a/empty', Buffer.alloc(0)],
      ['é', randomBytes(70_000)],
    ]
    mkdirSync(join(root, 'a', 'empty folder'), { recursive: true })
    for (const [path, bytes] of parts) writeFileSync(join(root, path.toString()), bytes)
    // A name that is not UTF-8: only its bytes can open it.
    writeFileSync(Buffer.concat([Buffer.from(`${root}/`), Buffer.of(0xff)]), 'last')
    symlinkSync('/etc/passwd', join(root, 'link'))

    const { info } = parseMetainfo(await createTorrent(root, { pieceLength: 65536 }))
    assert.equal(info.name, 'tree')
    assert.deepEqual(
      info.files.map(file => file.path.join('/')),
      ['B', 'a.txt', 'a/empty', 'a/x', 'é', '\ufffd'],
    )
    const bytes = Buffer.concat([parts[0]![1], parts[1]![1], parts[2]![1], parts[4]![1], Buffer.from('last')])
    const digests: Buffer[] = []
    for (let begin = 0; begin < bytes.length; begin += 65536) {
      digests.push(
        createHash('sha1')
          .update(bytes.subarray(begin, begin + 65536))
          .digest(),
      )
    }
    assert.deepEqual(Buffer.from(info.pieceHashes), Buffer.concat(digests))
  })

  it('makes the same of the same, and another infohash with another source', async () => {
    const file = join(folder, 'same.bin')
    writeFileSync(file, randomBytes(50_000))
    const first = await createTorrent(file)
    assert.deepEqual(await createTorrent(file), first)
    const other = await createTorrent(file, { source: 'x' })
    assert.notEqual(parseMetainfo(other).info.infohash, parseMetainfo(first).info.infohash)
    assert.equal(parseMetainfo(await createTorrent(file, { name: 'other' })).info.name, 'other')
    assert.equal(parseMetainfo(first).info.name, basename(file))
  })

  it('chooses longer pieces for larger content', async () => {
    const lengths: number[] = []
    for (const size of [0, 1_000_000, 100_000_000]) {
      const file = join(folder, `size-${size}`)
      writeFileSync(file, Buffer.alloc(size))
      lengths.push(parseMetainfo(await createTorrent(file)).info.pieceLength)
    }
    assert.deepEqual(lengths, [16384, 16384, 65536])
  })

  it('tells how far it is, and stops when told to', async () => {
    const file = join(folder, 'long.bin')
    writeFileSync(file, Buffer.alloc(5_000_000))
    const seen: [number, number][] = []
    await createTorrent(file, { onProgress: (hashed, total) => seen.push([hashed, total]) })
    assert.deepEqual(seen.at(-1), [5_000_000, 5_000_000])
    assert.ok(seen.length >= 4)

    const controller = new AbortController()
    const aborted = createTorrent(file, { signal: controller.signal, onProgress: () => controller.abort() })
    await assert.rejects(aborted, { code: 'ERR_TORRENTFS_ABORTED' })
  })

  it('notices a file that changes while it is read', async () => {
    const file = join(folder, 'growing.bin')
    writeFileSync(file, Buffer.alloc(3_000_000))
    let grown = false
    const growing = createTorrent(file, {
      onProgress: () => {
        if (!grown) appendFileSync(file, 'more')
        grown = true
      },
    })
    await assert.rejects(growing, { code: 'ERR_TORRENTFS_STORAGE', message: /growing\.bin changed/ })
  })

  it('refuses what it can make nothing of', async () => {
    const empty = join(folder, 'nothing', 'in', 'it')
    mkdirSync(empty, { recursive: true })
    await assert.rejects(createTorrent(join(folder, 'nothing')), { code: 'ERR_TORRENTFS_ARGUMENT' })
    await assert.rejects(createTorrent('/dev/null'), { code: 'ERR_TORRENTFS_ARGUMENT' })
    await assert.rejects(createTorrent(join(folder, 'absent')), {
      code: 'ERR_TORRENTFS_STORAGE',
      message: /absent/,
    })
    const file = join(folder, 'file')
    writeFileSync(file, 'x')
    for (const pieceLength of [0, -1, 1.5, 2 ** 40]) {
      await assert.rejects(createTorrent(file, { pieceLength }), { code: 'ERR_TORRENTFS_ARGUMENT' })
    }
  })
})
