/**
 * What only our own session promises: readers that are interrupted whatever way they read, crowds of blocked reads, huge
 * folders and files, a cache that is kept, and an end without hangs when it fails.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import {
  kernelBackend,
  mountTorrents,
  type FilePort,
  type Mount,
  type TorrentPort,
} from '../../src/fs/index.js'
import { mountAt } from '../../src/fs/mount-table.js'
import { whyNoFuse } from '../support/fs-backends.js'
import { DiskTorrents, testBytes } from '../support/fs-fixture.js'
import { output, python, run, sleep, start, until } from '../support/fs-process.js'

const MiB = 1 << 20
const TiB = 2 ** 40
const reason = whyNoFuse('kernel')

/** A torrent made by hand: its files answer what `read` says. */
function handMade(
  name: string,
  files: readonly { path: string[]; length: number }[],
  read: (target: Uint8Array, position: number) => Promise<number>,
): TorrentPort {
  const ports = files.map(({ path, length }): FilePort => ({
    path,
    length,
    pad: false,
    storedBytes: 0,
    createReader: () => ({
      readAt: read,
      available: async () => {},
      note() {},
      lowerPriority() {},
      close() {},
    }),
  }))
  return Object.assign(new EventEmitter(), {
    infohash: createHash('sha1').update(name).digest('hex'),
    name,
    info: { multiFile: true },
    files: ports,
    ready: true,
    creationDate: undefined,
  })
}

/** Blocks until the reader that is told does, or a second has passed. */
const BLOCKING = {
  'a buffered read': 'os.read(fd, 65536)',
  'a positioned read': 'os.pread(fd, 4096, 8192)',
  'an O_DIRECT read': `os.preadv(os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECT), [mmap.mmap(-1, 65536)], 0)`,
  'a read of a mapping': 'mmap.mmap(fd, 65536, prot=mmap.PROT_READ)[100]',
  'a sendfile': `os.sendfile(os.open('/dev/null', os.O_WRONLY), fd, 0, 65536)`,
}
const PRELUDE = 'import os, sys, mmap, signal, time\nfd = os.open(sys.argv[1], os.O_RDONLY)\n'

function suite(): void {
  let base: string
  let fixture: DiskTorrents
  let mount: Mount
  let serial = 0
  const at = (...path: string[]): string => join(mount.mountDir, ...path)

  async function show(name: string, size: number, stored: boolean) {
    const files = [{ path: [name], content: testBytes(size, ++serial) }]
    const torrent = await fixture.add({ name, multiFile: false, stored, files })
    mount.add(torrent.port)
    return { ...torrent, content: files[0]!.content }
  }
  const isBlocked = (name: string): boolean => mount.fs.blockedNames(0).has(name)

  before(async () => {
    base = await mkdtemp(join(tmpdir(), 'torrentfs-kernel-'))
    fixture = await DiskTorrents.create()
    mount = await mountTorrents({ mountDir: join(base, 'mount'), backend: kernelBackend })
  })
  after(async () => {
    await mount?.unmount()
    await fixture?.close()
    await rm(base, { recursive: true, force: true })
  })

  for (const [way, code] of Object.entries(BLOCKING)) {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGKILL'] as const) {
      test(`${signal} ends a process blocked in ${way}, and its request`, async () => {
        const name = `${signal} ${way}`.replaceAll(' ', '-')
        const torrent = await show(name, MiB, false)
        const reader = start('/usr/bin/python3', [
          '-c',
          `${PRELUDE}signal.signal(signal.SIGINT, signal.SIG_DFL)\n${code}`,
          at(name),
        ])
        await until('it blocks', 5000, () => isBlocked(name))
        await sleep(50)
        const begin = performance.now()
        reader.child.kill(signal)
        assert.equal((await reader.outcome).signal, signal)
        assert.ok(performance.now() - begin < 1000, `${performance.now() - begin} ms`)
        await until('no request is left', 2000, () => !isBlocked(name))
        await fixture.remove(torrent.port.infohash)
      })
    }

    if (way === 'a read of a mapping') continue
    test(`an alarm with a handler interrupts ${way}`, async () => {
      const name = `alarm ${way}`.replaceAll(' ', '-')
      const torrent = await show(name, MiB, false)
      const program = `${PRELUDE}
class Alarm(Exception): pass
def ring(*_): raise Alarm()
signal.signal(signal.SIGALRM, ring)
signal.setitimer(signal.ITIMER_REAL, 0.5)
begin = time.time()
try: ${code}
except Alarm: print(time.time() - begin)`
      const seconds = Number(await python(program, [at(name)]))
      assert.ok(seconds > 0.4 && seconds < 2, `${seconds} s`)
      torrent.release(0)
      assert.deepEqual(await output('cat', [at(name)]), Buffer.from(torrent.content))
      await fixture.remove(torrent.port.infohash)
    })
  }

  test('a signal with a handler does not kill the reader of a mapping', async () => {
    const torrent = await show('mapped', MiB, false)
    const program = `${PRELUDE}
signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
import hashlib
print(hashlib.sha1(mmap.mmap(fd, 0, prot=mmap.PROT_READ)).hexdigest())`
    const reader = start('/usr/bin/python3', ['-c', program, at('mapped')])
    await until('it blocks', 5000, () => isBlocked('mapped'))
    await sleep(1000)
    torrent.release(0)
    const { stdout, signal, stderr } = await reader.outcome
    assert.equal(signal, null, stderr)
    assert.equal(stdout.toString().trim(), createHash('sha1').update(torrent.content).digest('hex'))
    await fixture.remove(torrent.port.infohash)
  })

  test('a reader that is killed disturbs no other reader of the same bytes', async () => {
    const torrent = await show('shared', 2 * MiB, false)
    const readers = Array.from({ length: 10 }, () => start('cat', [at('shared')], 20_000))
    await until('it blocks', 5000, () => isBlocked('shared'))
    await sleep(300)
    for (const { child } of readers.slice(0, 5)) child.kill('SIGKILL')
    await sleep(500)
    torrent.release(0)
    for (const reader of readers.slice(5)) {
      const { code, stdout, stderr } = await reader.outcome
      assert.equal(code, 0, stderr)
      assert.deepEqual(stdout, Buffer.from(torrent.content))
    }
    await fixture.remove(torrent.port.infohash)
  })

  test('a second pass over a file asks nothing', async () => {
    const torrent = await show('twice', 4 * MiB, true)
    const reads: number[] = []
    const read = mount.fs.read.bind(mount.fs)
    mount.fs.read = (handle, target, position, signal) => {
      reads.push(position)
      return read(handle, target, position, signal)
    }
    try {
      await output('cat', [at('twice')])
      assert.ok(reads.length > 0)
      reads.length = 0
      assert.deepEqual(await output('cat', [at('twice')]), Buffer.from(torrent.content))
      await python(`${PRELUDE}bytes(mmap.mmap(fd, 0, prot=mmap.PROT_READ))`, [at('twice')])
      assert.deepEqual(reads, [])
    } finally {
      mount.fs.read = read
      await fixture.remove(torrent.port.infohash)
    }
  })

  test('10,000 blocked reads take no thread, and end when their bytes come', async () => {
    // An ordinary user is given fewer by the system.
    const limit = Number(await readFile('/sys/module/fuse/parameters/max_user_bgreq', 'utf8'))
    const count = process.getuid!() === 0 ? 10_000 : Math.min(10_000, limit - 100)
    let release!: () => void
    const released = new Promise<void>(resolve => (release = resolve))
    let waiting = 0
    const files = Array.from({ length: count }, (_, i) => ({ path: [`${i}`], length: 4096 }))
    const torrent = handMade('crowd', files, async target => {
      waiting++
      await released
      target.fill(7)
      return target.length
    })
    mount.add(torrent)
    const before = (await readdir('/proc/self/task')).length
    // The kernel asks for what will be read and lets the process go on.
    const program = `
import os, sys, resource
resource.setrlimit(resource.RLIMIT_NOFILE, (11000, 11000))
fds = [os.open('%s/%d' % (sys.argv[1], i), os.O_RDONLY) for i in range(${count})]
for fd in fds: os.posix_fadvise(fd, 0, 4096, os.POSIX_FADV_WILLNEED)
print('asked', flush=True); sys.stdin.readline()
assert all(os.pread(fd, 4096, 0) == b'\\7' * 4096 for fd in fds)`
    const reader = start('/usr/bin/python3', ['-c', program, at('crowd')], 60_000)
    await until('all are blocked', 30_000, () => waiting >= count)
    await until('the reader goes on', 5000, () => reader.said('asked'))
    assert.ok((await readdir('/proc/self/task')).length <= before + 1)
    assert.ok((await run('ls', [mount.mountDir])).ms < 1000)
    release()
    reader.child.stdin!.end('go\n')
    const { code, stderr } = await reader.outcome
    assert.equal(code, 0, stderr)
    mount.remove(torrent.infohash)
  })

  test('100,000 entries are listed, each once, by programs that stop and go on', async () => {
    const files = Array.from({ length: 100_000 }, (_, i) => ({ path: [`entry ${i}`], length: i }))
    const torrent = handMade('huge', files, async () => 0)
    mount.add(torrent)
    const program = `
import os, sys
with os.scandir(sys.argv[1]) as it: sizes = {e.name: e.stat().st_size for e in it}
assert len(sizes) == 100000, len(sizes)
assert all(sizes['entry %d' % i] == i for i in range(100000))`
    await python(program, [at('huge')], 60_000)
    mount.remove(torrent.infohash)
  })

  test('a file of 8 TiB is read at its end', async () => {
    const torrent = handMade('long', [{ path: ['file'], length: 8 * TiB }], async (target, position) => {
      for (let i = 0; i < target.length; i++) target[i] = Math.floor((position + i) / TiB)
      return target.length
    })
    mount.add(torrent)
    const program = `${PRELUDE}
assert os.fstat(fd).st_size == 8 << 40
for tib in range(8): assert os.pread(fd, 2, (tib << 40) + 12345) == bytes([tib, tib])
assert os.pread(fd, 10, (8 << 40) - 4) == b'\\7' * 4`
    await python(program, [at('long', 'file')])
    mount.remove(torrent.infohash)
  })

  test('a child process inherits nothing of the connection', async () => {
    const open = (await output('ls', ['-l', '/proc/self/fd'])).toString()
    assert.doesNotMatch(open, /fuse|eventfd|mountinfo/)
  })

  test('others are let in if that is asked for and allowed, and told what is missing if not', async () => {
    const mountDir = join(base, 'others')
    const conf = await readFile('/etc/fuse.conf', 'utf8').catch(() => '')
    const mounting = mountTorrents({ mountDir, backend: kernelBackend, allowOther: true })
    if (process.getuid!() !== 0 && !/^user_allow_other/m.test(conf)) {
      await assert.rejects(mounting, { code: 'ERR_TORRENTFS_MOUNT', message: /user_allow_other/ })
      return
    }
    const open = await mounting
    const options = (await output('findmnt', ['-no', 'FS-OPTIONS', mountDir])).toString()
    await open.unmount()
    assert.match(options, /allow_other/)
  })

  test('a session that fails ends its readers and takes its mount away', async t => {
    const own = await mountTorrents({ mountDir: join(base, 'failing'), backend: kernelBackend })
    t.after(() => own.unmount())
    const torrent = await fixture.add({
      name: 'stuck',
      multiFile: false,
      stored: false,
      files: [{ path: ['stuck'], content: testBytes(MiB, 3) }],
    })
    own.add(torrent.port)
    const reader = start('cat', [join(own.mountDir, 'stuck')])
    await until('it blocks', 5000, () => own.fs.blockedNames(0).has('stuck'))
    // A place that is no number: the session's thread throws when it counts what is stored.
    const poison = Object.assign(
      handMade('poison', [{ path: ['x'], length: MiB }], async () => 0) as EventEmitter & TorrentPort,
      {
        storedFiles: {
          pieceLength: MiB,
          pieceCount: 1,
          bitfield: () => new Uint8Array(1),
          offset: () => 0n as unknown as number,
          path: () => '',
          check: () => undefined,
        },
      },
    )
    own.add(poison)
    await output('stat', [join(own.mountDir, 'poison', 'x')])
    poison.emit('stored', 0)
    const failure = await own.closed
    assert.equal(failure?.code, 'ERR_TORRENTFS_MOUNT')
    assert.equal((await reader.outcome).code, 1)
    assert.equal(await mountAt(own.mountDir), undefined)
    await fixture.remove(torrent.port.infohash)
  })
}

if (reason === undefined) describe('our own session', suite)
else test('our own session', { skip: `SKIP: ${reason}` }, () => {})
