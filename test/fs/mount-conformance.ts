/**
 * The conformance suite of mounts: what every backend is held to, whatever torrents it is given.
 *
 * Bytes are withheld and released by a fixture, so that reads block exactly when a test wants them to. All readers are
 * child processes with deadlines; the mount is torn off in clean-up whatever happened.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, stat, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import {
  mountTorrents,
  type Mount,
  type MountBackend,
  type MountTorrentsOptions,
} from '../../src/fs/index.js'
import { mountAt } from '../../src/fs/mount-table.js'
import { testBytes, type FixtureFactory, type FixtureSpec, type MountFixture } from '../support/fs-fixture.js'
import { output, python, run, sleep, start, until } from '../support/fs-process.js'

const MiB = 1 << 20
const CREATED = Date.UTC(2021, 4, 6, 7, 8, 9)
const DAEMON = fileURLToPath(new URL('../support/fs-daemon.js', import.meta.url))

function sha1(bytes: Uint8Array): string {
  return createHash('sha1').update(bytes).digest('hex')
}

function single(name: string, content: Uint8Array, more: Partial<FixtureSpec> = {}): FixtureSpec {
  return {
    name,
    multiFile: false,
    stored: true,
    creationDate: CREATED,
    files: [{ path: [name], content }],
    ...more,
  }
}

function lazyUnmount(mountDir: string): Promise<void> {
  return new Promise(resolve => execFile('fusermount3', ['-uz', '--', mountDir], () => resolve()))
}

/** Names in a folder of a mount, sorted. */
async function list(folder: string): Promise<string[]> {
  const program = 'import os,sys\nsys.stdout.write("\\0".join(sorted(os.listdir(sys.argv[1]))))'
  const text = await python(program, [folder])
  return text === '' ? [] : text.split('\0')
}

export interface ConformanceOptions {
  backend: MountBackend
  fixture: FixtureFactory
}

export function mountConformance({ backend, fixture: makeFixture }: ConformanceOptions): void {
  let base: string
  let fixture: MountFixture
  let mount: Mount
  let serial = 0

  /** A mount of its own for tests that end it. */
  async function another(options: Partial<MountTorrentsOptions> = {}): Promise<Mount> {
    return mountTorrents({ mountDir: join(base, `mount-${++serial}`), backend, ...options })
  }
  const at = (...path: string[]): string => join(mount.mountDir, ...path)
  async function show(spec: FixtureSpec, on = mount) {
    const torrent = await fixture.add(spec)
    on.add(torrent.port)
    return torrent
  }
  /** Starts `cat FILE` and waits until its read is blocked. */
  async function blockedCat(path: string, on = mount, deadlineMs = 20_000) {
    const name = path.slice(path.lastIndexOf('/') + 1)
    const reader = start('cat', [path], deadlineMs)
    await until(`a read of ${name} blocks`, 5000, () => on.fs.blockedNames(0).has(name))
    return reader
  }

  before(async () => {
    base = await mkdtemp(join(tmpdir(), 'torrentfs-mount-'))
    fixture = await makeFixture()
    mount = await another()
  })
  after(async () => {
    await mount?.unmount()
    await fixture?.close()
    for (let i = 1; i <= serial; i++) await lazyUnmount(join(base, `mount-${i}`))
    await rm(base, { recursive: true, force: true })
  })

  describe('the tree', () => {
    const contents = new Map([
      ['album/one.bin', testBytes(3 * MiB + 17, 1)],
      ['album/disc 2/zwei.bin', testBytes(100, 2)],
      ['album/disc 2/empty', new Uint8Array(0)],
      ['single.bin', testBytes(MiB, 3)],
    ])
    before(async () => {
      const files = [...contents].filter(([path]) => path.startsWith('album/'))
      await show({
        name: 'album',
        multiFile: true,
        stored: true,
        creationDate: CREATED,
        files: [
          ...files.map(([path, content]) => ({ path: path.split('/').slice(1), content })),
          { path: ['.pad', '123'], content: new Uint8Array(123), pad: true },
        ],
      })
      await show(single('single.bin', contents.get('single.bin')!))
    })

    test('is read-only and of type fuse.torrentfs', async () => {
      assert.equal((await mountAt(mount.mountDir))?.type, 'fuse.torrentfs')
      const line = (await output('findmnt', ['-no', 'OPTIONS,SOURCE', mount.mountDir])).toString()
      assert.match(line, /^ro,/)
      assert.match(line, /torrentfs$/m)
    })

    test('find lists files and folders, and no pad file', async () => {
      const found = (await output('find', [mount.mountDir, '-printf', '%P:%y\n'])).toString().split('\n')
      for (const path of contents.keys()) assert.ok(found.includes(`${path}:f`), path)
      assert.ok(found.includes('album/disc 2:d'))
      assert.ok(!found.some(path => path.includes('.pad')))
    })

    test('stat tells exact sizes, modes, owners, times and blocks', async () => {
      for (const [path, content] of contents) {
        const text = (await output('stat', ['-c', '%s %a %u %g %Y %b %h', at(path)])).toString().trim()
        const blocks = Math.ceil(content.length / 512)
        assert.equal(
          text,
          `${content.length} 444 ${process.getuid!()} ${process.getgid!()} ${CREATED / 1000} ${blocks} 1`,
        )
      }
      const folder = (await output('stat', ['-c', '%F %a %Y %h', at('album')])).toString().trim()
      assert.equal(folder, `directory 555 ${CREATED / 1000} 3`)
    })

    test('a folder lists the inode number and type that stat tells', async () => {
      const program = `
import os, sys
for folder, _, _ in os.walk(sys.argv[1]):
    for entry in os.scandir(folder):
        s = os.lstat(entry.path)
        assert entry.inode() == s.st_ino, entry.path
        assert entry.is_dir(follow_symlinks=False) == (s.st_mode & 0o40000 != 0), entry.path
    assert set(['.', '..']) <= set(os.popen('ls -a "%s"' % folder).read().split()), folder`
      await python(program, [mount.mountDir])
    })

    test('reading yields the bytes', async () => {
      for (const [path, content] of contents) {
        assert.equal(sha1(await output('cat', [at(path)])), sha1(content), path)
      }
    })

    test('every write is refused with EROFS', async () => {
      const program = `
import os, sys, errno
root = sys.argv[1]; f = root + '/single.bin'; d = root + '/album'
def refused(what, call):
    try: call()
    except OSError as e: assert e.errno == errno.EROFS, (what, e)
    else: raise AssertionError(what)
refused('open w', lambda: os.open(f, os.O_WRONLY))
refused('open rw', lambda: os.open(f, os.O_RDWR))
refused('append', lambda: os.open(f, os.O_WRONLY | os.O_APPEND))
refused('create', lambda: os.open(root + '/new', os.O_WRONLY | os.O_CREAT))
refused('mkdir', lambda: os.mkdir(root + '/new'))
refused('rmdir', lambda: os.rmdir(d))
refused('unlink', lambda: os.unlink(f))
refused('rename', lambda: os.rename(f, root + '/new'))
refused('symlink', lambda: os.symlink('x', root + '/new'))
refused('link', lambda: os.link(f, root + '/new'))
refused('mknod', lambda: os.mknod(root + '/new'))
refused('chmod', lambda: os.chmod(f, 0o777))
refused('chown', lambda: os.chown(f, 1, 1))
refused('truncate', lambda: os.truncate(f, 0))
refused('utime', lambda: os.utime(f))
refused('setxattr', lambda: os.setxattr(f, 'user.a', b'b'))
refused('access', lambda: None if os.access(f, os.W_OK) else (_ for _ in ()).throw(OSError(errno.EROFS, '')))`
      await python(program, [mount.mountDir])
    })

    test('statfs tells the bytes of all files and that none is free', async () => {
      const text = (await output('stat', ['-f', '-c', '%s %b %f %a %d %l', mount.mountDir])).toString()
      const [size, blocks, free, available, inodesFree, nameMax] = text.trim().split(' ').map(Number)
      let total = 0
      for (const content of contents.values()) total += content.length
      assert.ok(size! * blocks! >= total && size! * blocks! < total + 64 * MiB, text)
      assert.deepEqual([free, available, inodesFree, nameMax], [0, 0, 0, 255])
    })

    test('mmap, O_DIRECT, random and out-of-range reads agree with the content', async () => {
      const content = contents.get('album/one.bin')!
      const program = `
import os, sys, mmap, random, hashlib
path, want = sys.argv[1], sys.argv[2]
fd = os.open(path, os.O_RDONLY); size = os.fstat(fd).st_size
m = mmap.mmap(fd, 0, prot=mmap.PROT_READ)
assert hashlib.sha1(m).hexdigest() == want
data = bytes(m)
rng = random.Random(5)
for _ in range(300):
    at = rng.randrange(size); n = rng.randrange(1, 200000)
    assert os.pread(fd, n, at) == data[at:at+n]
assert os.pread(fd, 10, size) == b'' and os.pread(fd, 10, size + 10**12) == b''
assert os.pread(fd, 100, size - 7) == data[-7:]
buffer = mmap.mmap(-1, 1 << 20)
direct = os.open(path, os.O_RDONLY | os.O_DIRECT)
at = 0
while True:
    n = os.preadv(direct, [buffer], at)
    if n == 0: break
    assert buffer[:n] == data[at:at+n]
    at += n
assert at == size`
      await python(program, [at('album/one.bin'), sha1(content)])
    })

    test('a missing name, and a file used as a folder, are refused', async () => {
      const program = `
import os, sys, errno
for path, want in (('none', errno.ENOENT), ('album/none', errno.ENOENT), ('single.bin/x', errno.ENOTDIR)):
    try: os.stat(sys.argv[1] + '/' + path)
    except OSError as e: assert e.errno == want, (path, e)
    else: raise AssertionError(path)`
      await python(program, [mount.mountDir])
    })

    test('names of 255 bytes and of any characters are listed and opened', async () => {
      const names = [
        'x'.repeat(255),
        'ü'.repeat(127),
        '日本語 ファイル',
        '-rf',
        'a\nb',
        '"$(touch x)"',
        '🎬.mkv',
        '\u0301e',
      ]
      const content = testBytes(5000, 9)
      const torrent = await show({
        name: 'names',
        multiFile: true,
        stored: true,
        files: names.map(name => ({ path: [name], content })),
      })
      // An engine may have made safer ones of them.
      const shown = torrent.port.files.map(file => file.path[0]!)
      assert.ok(shown.includes('ü'.repeat(127)) && shown.includes('🎬.mkv') && shown.includes('-rf'))
      assert.deepEqual(await list(at('names')), [...shown].sort(byCodePoint))
      for (const name of shown)
        assert.deepEqual(await output('cat', [at('names', name)]), Buffer.from(content))
      await fixture.remove(torrent.port.infohash)
    })

    test('two torrents of one name are both there, and one that leaves gives the name back', async () => {
      const first = await show(single('twin.mkv', testBytes(40_000, 21)))
      const second = await show(single('twin.mkv', testBytes(40_000, 22), { salt: '2' }))
      const twins = (await list(mount.mountDir)).filter(name => name.startsWith('twin'))
      assert.equal(twins.length, 2)
      const [low, high] = [first, second].sort((a, b) => (a.port.infohash < b.port.infohash ? -1 : 1))
      assert.deepEqual(twins, [`twin [${high!.port.infohash.slice(0, 8)}].mkv`, 'twin.mkv'])
      const content = (which: unknown): Uint8Array => testBytes(40_000, which === first ? 21 : 22)
      assert.equal(sha1(await output('cat', [at(twins[0]!)])), sha1(content(high)))
      assert.equal(sha1(await output('cat', [at('twin.mkv')])), sha1(content(low)))
      await fixture.remove(low!.port.infohash)
      await sleep(1100)
      assert.equal(sha1(await output('cat', [at('twin.mkv')])), sha1(content(high)))
      await fixture.remove(high!.port.infohash)
    })

    test('a torrent replaced by another of the same name, size and time is never read from the cache', async () => {
      for (let seed = 1; seed <= 3; seed++) {
        const content = testBytes(300_000, seed)
        const torrent = await show(single('replaced.bin', content, { salt: String(seed) }))
        assert.equal(sha1(await output('cat', [at('replaced.bin')])), sha1(content))
        await fixture.remove(torrent.port.infohash)
      }
    })

    test('10,000 files are listed with all their attributes', async () => {
      const content = testBytes(10, 1)
      const files = Array.from({ length: 10_000 }, (_, i) => ({ path: [`file ${i}`], content }))
      // Made by hand: ten thousand open files of a fixture would measure the fixture.
      const port = {
        infohash: 'f'.repeat(40),
        name: 'many',
        info: { multiFile: true },
        files: files.map(f => ({
          path: f.path,
          length: 10,
          pad: false,
          storedBytes: 0,
          createReader: undefined as never,
        })),
        ready: true,
        creationDate: CREATED,
        on() {},
        off() {},
      }
      mount.add(port)
      // How fast, the bench tells.
      const { stdout } = await run('ls', ['-la', at('many')], 30_000)
      assert.equal(stdout.toString().trim().split('\n').length, 10_003)
      mount.remove(port.infohash)
    })
  })

  describe('change', () => {
    test('a torrent that comes is seen at once, one that goes within 2 s, its open files read EIO', async () => {
      assert.equal((await run('stat', [at('coming.bin')])).code, 1)
      const content = testBytes(2 * MiB, 31)
      const torrent = await show(single('coming.bin', content, { stored: false }))
      torrent.release(0, 0, MiB)
      const program = `
import os, sys, errno
fd = os.open(sys.argv[1], os.O_RDONLY)
assert len(os.pread(fd, 1000, 0)) == 1000
print('open', flush=True); sys.stdin.readline()
for at in (1536 * 1024, 1900000):
    try: os.pread(fd, 1000, at)
    except OSError as e: assert e.errno == errno.EIO, e
    else: raise AssertionError(at)`
      const reader = start('/usr/bin/python3', ['-c', program, at('coming.bin')])
      const blocked = await blockedCat(at('coming.bin'))
      await until('the reader has it open', 5000, () => reader.said('open'))
      await fixture.remove(torrent.port.infohash)
      const begin = performance.now()
      assert.equal((await blocked.outcome).code, 1)
      assert.ok(performance.now() - begin < 1000)
      reader.child.stdin!.end('go\n')
      const outcome = await reader.outcome
      assert.equal(outcome.code, 0, outcome.stderr)
      await until('the name is gone', 2000, async () => (await run('stat', [at('coming.bin')])).code === 1)
      assert.ok(!(await list(mount.mountDir)).includes('coming.bin'))
    })

    test('du follows the stored bytes within 2 s', async () => {
      const torrent = await show(single('growing.bin', testBytes(4 * MiB, 32), { stored: false }))
      const blocks = async (): Promise<number> =>
        Number(await output('stat', ['-c', '%b', at('growing.bin')]))
      assert.equal(await blocks(), 0)
      torrent.release(0, 0, MiB)
      await until('1 MiB shows', 2000, async () => (await blocks()) === 2048)
      torrent.release(0)
      await until('4 MiB show', 2000, async () => (await blocks()) === 8192)
      await fixture.remove(torrent.port.infohash)
    })

    test('an open file stays open and right while its torrent is renamed by another of the same name', async () => {
      const content = testBytes(MiB, 33)
      const torrents = [await show(single('moving.bin', content, { stored: false }))]
      torrents[0]!.release(0, 0, 4096)
      const program = `
import os, sys
fd = os.open(sys.argv[1], os.O_RDONLY); sys.stdout.write('open'); sys.stdout.flush(); sys.stdin.readline()
data = b''
while len(data) < 1048576: data += os.pread(fd, 65536, len(data))
import hashlib; print(hashlib.sha1(data).hexdigest())`
      const reader = start('/usr/bin/python3', ['-c', program, at('moving.bin')])
      await until('the reader has it open', 5000, () => reader.said('open'))
      for (let salt = 1; salt <= 4; salt++) {
        torrents.push(await show(single('moving.bin', testBytes(MiB, 33 + salt), { salt: String(salt) })))
      }
      torrents[0]!.release(0)
      reader.child.stdin!.end('go\n')
      assert.equal((await reader.outcome).stdout.toString().trim(), `open${sha1(content)}`)
      for (const { port } of torrents) await fixture.remove(port.infohash)
    })
  })

  describe('blocked reads', () => {
    test('wait until the bytes come, through descriptors that were duplicated and inherited', async () => {
      const content = testBytes(2 * MiB, 41)
      const torrent = await show(single('waiting.bin', content, { stored: false }))
      const program = `
import os, sys, hashlib
fd = os.open(sys.argv[1], os.O_RDONLY)
os.close(os.dup(fd))
if os.fork() == 0: os._exit(0)
os.wait()
pid = os.fork()
data = b''
while len(data) < 2097152: data += os.pread(fd, 131072, len(data))
ok = hashlib.sha1(data).hexdigest() == sys.argv[2]
if pid == 0: os._exit(0 if ok else 1)
assert ok and os.wait()[1] == 0`
      const reader = start('/usr/bin/python3', ['-c', program, at('waiting.bin'), sha1(content)])
      const late = await blockedCat(at('waiting.bin'))
      for (let end = 0; end <= content.length; end += 256 * 1024) {
        await sleep(200)
        torrent.release(0, 0, end)
      }
      const outcome = await reader.outcome
      assert.equal(outcome.code, 0, outcome.stderr)
      assert.equal(sha1((await late.outcome).stdout), sha1(content))
      await fixture.remove(torrent.port.infohash)
    })

    test('do not end while a duplicate, an heir or a mapping of the descriptor lives', async () => {
      const content = testBytes(MiB, 42)
      const torrent = await show(single('inherited.bin', content, { stored: false }))
      const program = `
import os, sys, mmap, hashlib
fd = os.open(sys.argv[1], os.O_RDONLY)
m = mmap.mmap(fd, 0, prot=mmap.PROT_READ)
os.close(fd)
print(hashlib.sha1(m).hexdigest())`
      const mapped = start('/usr/bin/python3', ['-c', program, at('inherited.bin')])
      const heir = start('sh', [
        '-c',
        `exec 3<"$1"; (sleep 0.1; exec 3<&-) & exec cat <&3`,
        'sh',
        at('inherited.bin'),
      ])
      await until('it blocks', 3000, () => mount.fs.blockedNames(0).size > 0)
      await sleep(2500)
      assert.ok(mount.fs.blockedNames(1000).has('inherited.bin'))
      torrent.release(0)
      assert.equal((await mapped.outcome).stdout.toString().trim(), sha1(content))
      assert.equal(sha1((await heir.outcome).stdout), sha1(content))
      await fixture.remove(torrent.port.infohash)
    })

    test('let the same file be opened a second time, and its stored part be read', async () => {
      const content = testBytes(8 * MiB, 43)
      const torrent = await show(single('half.bin', content, { stored: false }))
      torrent.release(0, 6 * MiB)
      const reader = await blockedCat(at('half.bin'))
      const { ms, stdout, code } = await run('tail', ['-c', '1000000', at('half.bin')], 5000)
      assert.equal(code, 0)
      assert.deepEqual(stdout, Buffer.from(content.subarray(-1_000_000)))
      assert.ok(ms < 1000, `${ms} ms`)
      torrent.release(0)
      assert.equal(sha1((await reader.outcome).stdout), sha1(content))
      await fixture.remove(torrent.port.infohash)
    })

    for (const signal of ['SIGINT', 'SIGKILL'] as const) {
      test(`${signal} ends a blocked cat within 1 s, its requests soon after, and the file opens again at once`, async () => {
        const name = `killed-${signal}.bin`
        const content = testBytes(4 * MiB, 44)
        const torrent = await show(single(name, content, { stored: false }))
        for (let round = 0; round < 3; round++) {
          const reader = await blockedCat(at(name))
          // Where the page was tried before, the next reader waits for it by a request it cannot leave by itself.
          const second = start('cat', [at(name)])
          await sleep(round * 400)
          for (const each of [reader, second]) {
            const begin = performance.now()
            each.child.kill(signal)
            assert.equal((await each.outcome).signal, signal)
            const ms = performance.now() - begin
            assert.ok(ms < 1000, `${ms} ms`)
          }
          const opened = await python(
            'import os,sys,time\nt=time.time();os.open(sys.argv[1],0);print(time.time()-t)',
            [at(name)],
          )
          assert.ok(Number(opened) < 0.5, opened)
          await until('no request is left', 3000, () => !mount.fs.blockedNames(0).has(name))
          const late = await blockedCat(at(name))
          late.child.kill(signal)
          const begin = performance.now()
          assert.equal((await late.outcome).signal, signal)
          assert.ok(performance.now() - begin < 1000, 'a retried page')
          await until('no request is left', 3000, () => !mount.fs.blockedNames(0).has(name))
        }
        torrent.release(0)
        assert.equal(sha1(await output('cat', [at(name)])), sha1(content))
        await fixture.remove(torrent.port.infohash)
      })
    }

    for (const count of [100, 300]) {
      test(`of ${count} readers starve neither another file nor ls`, async () => {
        const size = 64 * MiB
        const live = await show(single('live.bin', testBytes(size, 45)))
        const drop =
          'import os,sys\nfd=os.open(sys.argv[1],0)\nos.posix_fadvise(fd,0,0,os.POSIX_FADV_DONTNEED)'
        const timed = async (): Promise<number> => {
          await python(drop, [at('live.bin')])
          return (await run('dd', [`if=${at('live.bin')}`, 'of=/dev/null', 'bs=1M'], 60_000)).ms
        }
        await timed()
        const alone = Math.min(await timed(), await timed())
        const dead = await show({
          name: 'dead',
          multiFile: true,
          stored: false,
          files: Array.from({ length: count }, (_, i) => ({
            path: [`${i}.bin`],
            content: testBytes(MiB, i),
          })),
        })
        const readers = Array.from({ length: count }, (_, i) =>
          start('cat', [at('dead', `${i}.bin`)], 240_000),
        )
        await until('all are blocked', 60_000, () => mount.fs.blockedNames(0).size >= count)
        const listing = `
import os, sys, time
times = []
for _ in range(50):
    t = time.time(); os.listdir(sys.argv[1]); [os.stat(sys.argv[1] + '/' + n) for n in os.listdir(sys.argv[1])]
    times.append(time.time() - t)
    time.sleep(0.01)
print(sorted(times)[44])`
        const slow = Number(await python(listing, [mount.mountDir]))
        const beside = Math.min(await timed(), await timed(), await timed())
        for (const { child } of readers) child.kill('SIGKILL')
        await Promise.all(readers.map(r => r.outcome))
        await until('no request is left', 10_000, () => mount.fs.blockedNames(0).size === 0)
        await fixture.remove(dead.port.infohash)
        await fixture.remove(live.port.infohash)
        // Starving is by orders of magnitude; how much slower it is exactly, the bench tells.
        assert.ok(slow < 0.5, `ls took ${slow * 1000} ms`)
        assert.ok(beside < alone * 10, `${beside} ms beside ${count} blocked readers, ${alone} ms alone`)
      })
    }

    test('fail with EIO when nothing came for the read timeout, and the bytes that are there go on', async () => {
      const timed = await another({ readTimeoutMs: 700 })
      const torrent = await show(single('timeout.bin', testBytes(4 * MiB, 46), { stored: false }), timed)
      torrent.release(0, 0, MiB)
      const file = join(timed.mountDir, 'timeout.bin')
      const { code, stderr, ms, stdout } = await run('cat', [file])
      assert.equal(code, 1)
      assert.match(stderr, /Input\/output error/)
      assert.ok(ms > 600 && ms < 3000, `${ms} ms`)
      assert.ok(stdout.length > 0 && stdout.length <= MiB)
      assert.equal((await output('head', ['-c', '500000', file])).length, 500_000)
      await fixture.remove(torrent.port.infohash)
      await timed.unmount()
    })
  })

  describe('mounting and unmounting', () => {
    test('makes a missing folder, follows a link to it, and runs nothing that is in its name', async () => {
      const folder = join(base, 'deep', `$(touch ${base}/ran) \`id\` "x', \\ü`)
      await mkdir(join(base, 'deep'))
      await symlink(folder, join(base, 'link'))
      const made = await another({ mountDir: folder })
      assert.deepEqual(await list(folder), [])
      await made.unmount()
      assert.equal(await mountAt(folder), undefined)
      const linked = await another({ mountDir: join(base, 'link') })
      assert.equal(linked.mountDir, folder)
      await linked.unmount()
      await assert.rejects(stat(join(base, 'ran')))
    })

    test('refuses a file, a full folder and a folder under which another torrentfs lives', async () => {
      const refused = (mountDir: string) =>
        assert.rejects(another({ mountDir }), { code: 'ERR_TORRENTFS_MOUNT' })
      await refused('/etc/hostname')
      await refused('/etc')
      await refused('/proc')
      const living = await another()
      await refused(living.mountDir)
      assert.deepEqual(await list(living.mountDir), [])
      await living.unmount()
    })

    test('unmount ends blocked readers with an error, even beside an open file, within 2 s', async () => {
      const own = await another()
      const torrent = await show(single('stuck.bin', testBytes(MiB, 51), { stored: false }), own)
      const file = join(own.mountDir, 'stuck.bin')
      const idle = start('sh', ['-c', 'exec 3<"$1"; read x', 'sh', file])
      const readers = []
      for (let i = 0; i < 10; i++) readers.push(await blockedCat(file, own))
      const begin = performance.now()
      await own.unmount()
      for (const { outcome } of readers) assert.equal((await outcome).code, 1)
      await own.closed
      assert.ok(performance.now() - begin < 2000, `${performance.now() - begin} ms`)
      assert.equal(await mountAt(own.mountDir), undefined)
      idle.child.stdin!.end('\n')
      assert.notEqual((await idle.outcome).code, null)
      await own.unmount()
      await fixture.remove(torrent.port.infohash)
    })

    test('an unmount by someone else is noticed, and ends blocked readers', async () => {
      const own = await another()
      const torrent = await show(single('lost.bin', testBytes(MiB, 52), { stored: false }), own)
      const reader = await blockedCat(join(own.mountDir, 'lost.bin'), own)
      await lazyUnmount(own.mountDir)
      await Promise.race([own.closed, sleep(2000).then(() => assert.fail('not noticed'))])
      assert.equal((await reader.outcome).code, 1)
      await own.unmount()
      await fixture.remove(torrent.port.infohash)
      const again = await another({ mountDir: own.mountDir })
      await again.unmount()
    })

    test('a mount whose daemon was killed is replaced', async () => {
      const folder = join(base, `mount-${++serial}`)
      for (let round = 0; round < 3; round++) {
        const daemon = start(process.execPath, [DAEMON, folder, base, backend.name], 30_000)
        await new Promise<void>((resolve, reject) => {
          daemon.child.stdout!.once('data', () => resolve())
          daemon.outcome.then(o => reject(new Error(o.stderr)), reject)
        })
        const reader = start('cat', [join(folder, 'blocked.bin')])
        await sleep(200)
        daemon.child.kill('SIGKILL')
        await daemon.outcome
        assert.notEqual((await reader.outcome).code, 0)
        assert.equal((await mountAt(folder))?.type, 'fuse.torrentfs')
      }
      const next = await another({ mountDir: folder })
      assert.deepEqual(await list(folder), [])
      const table = await readFile('/proc/self/mountinfo', 'utf8')
      assert.equal(table.split('\n').filter(line => line.includes(folder)).length, 1)
      await next.unmount()
    })
  })
}

function byCodePoint(a: string, b: string): number {
  const [x, y] = [Array.from(a), Array.from(b)]
  for (let i = 0; i < Math.min(x.length, y.length); i++) {
    const difference = x[i]!.codePointAt(0)! - y[i]!.codePointAt(0)!
    if (difference !== 0) return difference
  }
  return x.length - y.length
}
