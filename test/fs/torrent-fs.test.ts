/**
 * The filesystem without a mount: handles, and how reads end.
 */
import assert from 'node:assert/strict'
import { constants as fsConstants } from 'node:fs'
import { constants } from 'node:os'
import { after, before, beforeEach, describe, test } from 'node:test'
import { errnoOf } from '../../src/fs/errno.js'
import { TorrentFs } from '../../src/fs/torrent-fs.js'
import { TorrentError } from '../../src/torrent/errors.js'
import { DiskTorrents, testBytes, type FixtureTorrent } from '../support/fs-fixture.js'

const { EBADF, EINTR, EIO, EISDIR, EROFS, ENOSPC } = constants.errno
const LENGTH = 300_000

describe('the filesystem', () => {
  const content = testBytes(LENGTH, 1)
  let fixture: DiskTorrents
  let fs: TorrentFs
  let torrent: FixtureTorrent
  let serial = 0

  before(async () => {
    fixture = await DiskTorrents.create()
  })
  after(() => fixture.close())
  beforeEach(async () => {
    fs = new TorrentFs({ uid: 5, gid: 6 })
    const file = { path: ['f.bin'], content }
    torrent = await fixture.add({
      name: 'd',
      multiFile: true,
      stored: false,
      files: [file],
      salt: String(++serial),
    })
    fs.add(torrent.port, { mtimeMs: 1234.5 })
  })
  const open = (flags = 0): number => fs.open(fs.resolve('/d/f.bin')!, flags)

  test('finds the same node by path and by folder, with its attributes', () => {
    const folder = fs.resolve('/d')
    assert.ok(folder?.kind === 'directory')
    const node = fs.lookup(folder, 'f.bin')
    assert.equal(node, fs.resolve('/d/f.bin'))
    const { ino, ...rest } = fs.attributes(node!)
    assert.ok(ino > 1)
    assert.deepEqual(rest, {
      mode: 0o100444,
      nlink: 1,
      uid: 5,
      gid: 6,
      size: LENGTH,
      blocks: 0,
      mtimeMs: 1234,
    })
    torrent.release(0, 0, 16384)
    assert.equal(fs.attributes(node!).blocks, 32)
    assert.equal(fs.attributes(folder).mode, 0o40555)
    for (const path of ['/x', '/d/x', '/d/f.bin/x', '/d//f.bin']) assert.equal(fs.resolve(path), undefined)
  })

  test('tells of bytes that are there without reading them, and ends each wait by itself', async () => {
    const handle = open()
    const ends = new AbortController()
    const first = fs.available(handle, 0, 100, ends.signal)
    const second = fs.available(handle, 0, 100)
    assert.deepEqual([...fs.blockedNames(0).keys()], ['f.bin'])
    ends.abort()
    assert.equal(await first, -EINTR)
    torrent.release(0)
    assert.equal(await second, 0)
    assert.equal(await fs.available(999, 0, 1), -EBADF)
    fs.remove(torrent.port.infohash)
    assert.equal(await fs.available(handle, 0, 100), -EIO)
  })

  test('ends one read of several by its signal', async () => {
    const handle = open()
    const ends = new AbortController()
    const [one, other] = [Buffer.alloc(10), Buffer.alloc(10)]
    const first = fs.read(handle, one, 0, ends.signal)
    const second = fs.read(handle, other, 0)
    ends.abort()
    assert.equal(await first, -EINTR)
    torrent.release(0)
    assert.equal(await second, 10)
    assert.deepEqual([...one], new Array(10).fill(0), 'nothing is written once it has ended')
  })

  test('does not open a file of a torrent that is gone', () => {
    const node = fs.resolve('/d/f.bin')!
    fs.remove(torrent.port.infohash)
    assert.equal(fs.open(node, 0), -EIO)
  })

  test('tells observers what comes, is renamed and goes, in an order in which no name is had twice', async () => {
    const own = new TorrentFs()
    const events: string[] = []
    const unwatch = own.watch({
      shown: (entry, port) =>
        events.push(`shown ${entry.top.name} ${port.infohash === entry.torrent.infohash}`),
      renamed: entry => events.push(`renamed ${entry.top.name}`),
      removed: entry => events.push(`removed ${entry.top.name}`),
    })
    const twins = []
    for (const salt of ['a', 'b']) {
      const files = [{ path: ['t'], content }]
      twins.push(await fixture.add({ name: 't', multiFile: false, stored: true, files, salt }))
    }
    const [low, high] = twins.map(twin => twin.port).sort((a, b) => (a.infohash < b.infohash ? -1 : 1))
    const marked = `t [${high!.infohash.slice(0, 8)}]`
    own.add(high!)
    own.add(low!)
    own.remove(low!.infohash)
    unwatch()
    own.remove(high!.infohash)
    assert.deepEqual(events, ['shown t true', `renamed ${marked}`, 'shown t true', 'removed t', 'renamed t'])
  })

  test('hands out handles from 1, and refuses folders and writers', () => {
    assert.equal(open(), 1)
    assert.equal(open(), 2)
    assert.equal(fs.open(fs.resolve('/d')!, 0), -EISDIR)
    assert.equal(open(fsConstants.O_WRONLY), -EROFS)
    assert.equal(open(fsConstants.O_RDWR), -EROFS)
  })

  test('reads wait for their bytes, end short at the end of the file, and are nothing beyond it', async () => {
    const handle = open()
    const target = new Uint8Array(100_000)
    const waiting = fs.read(handle, target, 250_000)
    assert.deepEqual([...fs.blockedNames(0)], [['f.bin', false]])
    torrent.release(0)
    assert.equal(await waiting, 50_000)
    assert.deepEqual(target.subarray(0, 50_000), content.subarray(250_000))
    assert.equal(fs.blockedNames(0).size, 0)
    assert.equal(await fs.read(handle, target, LENGTH), 0)
    assert.equal(await fs.read(handle, target, 1e15), 0)
    assert.equal(await fs.read(99, target, 0), -EBADF)
  })

  test('an interrupted read ends with EINTR, and the handle goes on', async () => {
    const handle = open()
    const target = new Uint8Array(1000)
    const reads = [fs.read(handle, target, 0), fs.read(handle, new Uint8Array(1000), 100_000)]
    assert.equal(fs.interrupt('other'), 0)
    assert.equal(fs.interrupt('f.bin'), 1)
    assert.deepEqual(await Promise.all(reads), [-EINTR, -EINTR])
    const again = fs.read(handle, target, 0)
    torrent.release(0)
    assert.equal(await again, 1000)
  })

  test('only handles that wait for one page in the range, or are direct, are interrupted as unkillable', async () => {
    const [page, elsewhere, readahead] = [open(), open(), open()]
    const direct = open(fsConstants.O_DIRECT)
    const reads = [
      fs.read(page, new Uint8Array(4096), 8192),
      fs.read(direct, new Uint8Array(65536), 8192),
      fs.read(elsewhere, new Uint8Array(4096), 81920),
      fs.read(readahead, new Uint8Array(131072), 8192),
    ]
    assert.equal(fs.blockedNames(0).get('f.bin'), true)
    assert.equal(fs.interrupt('f.bin', { begin: 8192, end: 16384 }), 2)
    assert.deepEqual(await Promise.all(reads.slice(0, 2)), [-EINTR, -EINTR])
    torrent.release(0)
    assert.deepEqual(await Promise.all(reads.slice(2)), [4096, 131072])
  })

  test('removal ends the reads of its open files with EIO, now and later, and of no others', async () => {
    const other = await fixture.add({
      name: 'o',
      multiFile: false,
      stored: true,
      files: [{ path: ['o'], content }],
    })
    fs.add(other.port)
    const handle = open()
    const otherHandle = fs.open(fs.resolve('/o')!, 0)
    const waiting = fs.read(handle, new Uint8Array(10), 0)
    await fixture.remove(torrent.port.infohash)
    assert.equal(await waiting, -EIO)
    assert.equal(await fs.read(handle, new Uint8Array(10), 0), -EIO)
    assert.equal(fs.resolve('/d'), undefined)
    assert.equal(await fs.read(otherHandle, new Uint8Array(10), 0), 10)
    await fixture.remove(other.port.infohash)
  })

  test('release ends what waits, close ends everything and resolves when all is answered', async () => {
    const [first, second] = [open(), open()]
    const released = fs.read(first, new Uint8Array(10), 0)
    fs.release(first)
    assert.equal(await released, -EINTR)
    assert.equal(await fs.read(first, new Uint8Array(10), 0), -EBADF)
    const answers: number[] = []
    void fs.read(second, new Uint8Array(10), 0).then(answer => answers.push(answer))
    await fs.close()
    assert.deepEqual(answers, [-EIO])
    assert.equal(await fs.read(second, new Uint8Array(10), 0), -EIO)
    assert.equal(open(), -EIO)
    await fs.close()
  })

  test('a failed range fails again at once, and only for a while', async () => {
    const slow = new TorrentFs({ readTimeoutMs: 50 })
    slow.add(torrent.port)
    const handle = slow.open(slow.resolve('/d/f.bin')!, 0)
    assert.equal(await slow.read(handle, new Uint8Array(131072), 0), -EIO)
    torrent.release(0)
    const begin = performance.now()
    assert.equal(await slow.read(handle, new Uint8Array(4096), 4096), -EIO)
    assert.ok(performance.now() - begin < 40)
    assert.equal(await slow.read(handle, new Uint8Array(4096), 131072), 4096)
    await new Promise(resolve => setTimeout(resolve, 2100))
    assert.equal(await slow.read(handle, new Uint8Array(4096), 4096), 4096)
    await slow.close()
  })

  test('a torrent shows once it is ready, and is forgotten if it goes before', async () => {
    const late = await fixture.add({
      name: 'late',
      multiFile: false,
      stored: true,
      files: [{ path: ['late'], content }],
    })
    const port = Object.assign(late.port, { ready: false })
    fs.add(port)
    assert.equal(fs.resolve('/late'), undefined)
    Object.assign(port, { ready: true })
    ;(port as unknown as { emit(event: string): void }).emit('ready')
    assert.ok(fs.resolve('/late'))
    await fixture.remove(port.infohash)
    assert.equal(fs.resolve('/late'), undefined)
  })

  test('errors of the engine become the errno that tells most', () => {
    assert.equal(errnoOf(new TorrentError('ERR_TORRENTFS_ABORTED', '')), EINTR)
    assert.equal(errnoOf(new TorrentError('ERR_TORRENTFS_DISK_FULL', '')), ENOSPC)
    assert.equal(errnoOf(new TorrentError('ERR_TORRENTFS_READ_TIMEOUT', '')), EIO)
    assert.equal(errnoOf(new Error('anything')), EIO)
    assert.equal(errnoOf(undefined), EIO)
  })
})
