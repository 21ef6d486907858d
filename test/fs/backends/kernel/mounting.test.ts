/**
 * Making a mount, as root by ourselves and as anyone else through fusermount3 (test/fs/ordinary-user.test.ts runs this file
 * as such a user). Nobody serves these mounts: the first request is read, and no more.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import * as fs from 'node:fs'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { mountFuse } from '../../../../src/fs/backends/kernel/mounting.js'
import { loadSyscalls, PollSet } from '../../../../src/fs/backends/kernel/syscalls.js'
import { MOUNT_TYPE, unmount } from '../../../../src/fs/mount-point.js'
import { mountAt } from '../../../../src/fs/mount-table.js'
import { eventually } from '../../../support/child.js'
import { whyNoFuse } from '../../../support/fs-backends.js'
import { start } from '../../../support/fs-process.js'
import { has } from '../../../support/project.js'
import { Scope } from '../../../support/scope.js'

const POLLIN = 1
const INIT = 26
const LIMIT_MS = 10_000
const O_NONBLOCK = 0o4000
const O_CLOEXEC = 0o2000000

const run = promisify(execFile)
const asRoot = process.getuid?.() === 0
const reason = whyNoFuse('kernel')

function descriptors(): string[] {
  return readdirSync('/proc/self/fd').flatMap(fd => {
    try {
      return [fs.readlinkSync(`/proc/self/fd/${fd}`)]
    } catch {
      // The one the folder was listed through.
      return []
    }
  })
}

function countOf(pattern: RegExp): number {
  return descriptors().filter(target => pattern.test(target)).length
}

/** The fields of the mount's line behind its place: options, and those of the filesystem behind the dash. */
function optionsOf(mountDir: string): { mount: string[]; filesystem: string[]; source: string } {
  const fields = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map(line => line.split(' '))
    .find(parts => parts[4] === mountDir)
  assert.ok(fields, `nothing is mounted on ${mountDir}`)
  const dash = fields.indexOf('-')
  return {
    mount: fields[5]!.split(','),
    source: fields[dash + 2]!,
    filesystem: fields[dash + 3]!.split(','),
  }
}

if (reason !== undefined) {
  test('a mount is made', { skip: `SKIP: ${reason}` }, () => {})
} else {
  describe(`a mount made by ${asRoot ? 'root' : 'an ordinary user'}`, () => {
    const syscalls = loadSyscalls()
    const open = new Set<number>()
    let scope: Scope
    let mountDir: string
    let path: string | undefined

    beforeEach(() => {
      scope = new Scope()
      mountDir = join(scope.folder(), 'mnt')
      mkdirSync(mountDir)
      path = process.env['PATH']
    })
    afterEach(async () => {
      process.env['PATH'] = path
      await scope.close()
    })

    /** Mounts; whatever the test does, nothing stays. */
    async function mount(dir = mountDir, allowOther = false): Promise<number> {
      const fd = await mountFuse({ mountDir: dir, allowOther })
      open.add(fd)
      scope.defer(async () => {
        close(fd)
        if (await mountAt(dir)) assert.equal(await unmount(dir, { lazy: true }), undefined)
      })
      return fd
    }

    /** Once: its number may be another's already. */
    function close(fd: number): void {
      if (open.delete(fd)) syscalls.close(fd)
    }

    async function refusal(dir: string, allowOther = false): Promise<string> {
      const error = await mount(dir, allowOther).then(
        () => assert.fail(`mounted on ${dir}`),
        (thrown: unknown) => thrown as { code: string; message: string },
      )
      assert.equal(error.code, 'ERR_TORRENTFS_MOUNT')
      const opening = `cannot mount on "${dir}": `
      assert.ok(error.message.startsWith(opening), error.message)
      return error.message.slice(opening.length)
    }

    /** PATH with nothing but these programs (name -> script, or an absolute path to stand for). */
    function programs(found: Record<string, string>): void {
      const folder = scope.folder()
      for (const [name, content] of Object.entries(found)) {
        const file = join(folder, name)
        if (content.startsWith('/')) fs.symlinkSync(content, file)
        else {
          writeFileSync(file, `#!/bin/sh\nPATH='${path}'\n${content}\n`)
          fs.chmodSync(file, 0o755)
        }
      }
      process.env['PATH'] = folder
    }

    test('has a connection that carries the first request of the kernel', async () => {
      const fd = await mount()
      const set = new PollSet([{ fd, events: POLLIN }])
      assert.equal(syscalls.poll(set, LIMIT_MS), 1)
      assert.equal(set.ready(0), POLLIN)
      const request = Buffer.alloc(1 << 17)
      const length = syscalls.read(fd, request, request.length)
      assert.ok(length >= 40 + 16, `${length} bytes`)
      assert.equal(request.readUInt32LE(0), length)
      assert.equal(request.readUInt32LE(4), INIT)
      assert.equal(request.readUInt32LE(40), 7, 'the major version')
      close(fd)
      assert.equal(await unmount(mountDir, { lazy: false }), undefined)
      assert.equal(await mountAt(mountDir), undefined)
    })

    test('is read-only, gives no rights, and checks permissions for its owner alone', async () => {
      await mount()
      assert.equal((await mountAt(mountDir))?.type, MOUNT_TYPE)
      const { mount: flags, filesystem, source } = optionsOf(mountDir)
      assert.equal(source, 'torrentfs')
      for (const flag of ['ro', 'nosuid', 'nodev']) assert.ok(flags.includes(flag), `${flag} of ${flags}`)
      for (const option of [`user_id=${process.getuid!()}`, `group_id=${process.getgid!()}`])
        assert.ok(filesystem.includes(option), `${option} of ${filesystem}`)
      assert.ok(filesystem.includes('default_permissions'))
      assert.ok(!filesystem.includes('allow_other'))
    })

    test('does not wait, and is not inherited', async () => {
      const before = countOf(/^\/dev\/fuse$/)
      const fd = await mount()
      assert.equal(countOf(/^\/dev\/fuse$/), before + 1)
      const flags = parseInt(
        /^flags:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))![1]!,
        8,
      )
      assert.equal(flags & O_NONBLOCK, O_NONBLOCK)
      assert.equal(flags & O_CLOEXEC, O_CLOEXEC)
      const { stdout } = await run('ls', ['-l', '/proc/self/fd'])
      assert.match(stdout, /-> /)
      assert.doesNotMatch(stdout, /\/dev\/fuse/)
    })

    test('leaves no other descriptor open, whether it succeeds or fails', async () => {
      // The first child opens what stays open: the loop's own.
      close(await mount(join(mountDir, '.')))
      await unmount(mountDir, { lazy: true })
      const before = countOf(/./)
      const fd = await mount()
      assert.equal(countOf(/./), before + 1)
      close(fd)
      await unmount(mountDir, { lazy: true })
      await refusal(join(mountDir, 'missing'))
      assert.equal(countOf(/./), before)
    })

    for (const name of [
      'with space',
      'a,b=c',
      '$(touch x) `y` "z" \'w\'',
      '-o rw',
      'tab\tand\nline',
      '\\040',
      'ü🦊',
    ]) {
      test(`takes any name: ${JSON.stringify(name)}`, async () => {
        const dir = join(mountDir, name)
        mkdirSync(dir)
        await mount(dir)
        assert.equal((await mountAt(dir))?.type, MOUNT_TYPE)
        assert.deepEqual(readdirSync(mountDir), [name])
      })
    }

    test('can be detached while someone waits for it', async () => {
      const fd = await mount()
      // Waits for the answer to the first request.
      const reader = start('stat', ['--', mountDir], LIMIT_MS)
      scope.defer(() => reader.child.kill('SIGKILL'))
      const pid = reader.child.pid!
      await eventually('the reader waits in the kernel', LIMIT_MS, () => {
        return /fuse|request_wait/.test(readFileSync(`/proc/${pid}/wchan`, 'utf8')) || undefined
      })
      assert.match((await unmount(mountDir, { lazy: false })) ?? 'unmounted', /busy/)
      assert.equal(await unmount(mountDir, { lazy: true }), undefined)
      assert.equal(await mountAt(mountDir), undefined)
      close(fd)
      assert.notEqual((await reader.outcome).code, 0)
    })

    test('is refused where there is no folder, saying why', async () => {
      assert.match(await refusal(join(mountDir, 'missing')), /ENOENT|No such file/)
    })

    if (asRoot) rootAlone()
    else ordinaryUserAlone()

    function rootAlone(): void {
      test('lets other users in when told to', async () => {
        await mount(mountDir, true)
        assert.ok(optionsOf(mountDir).filesystem.includes('allow_other'))
      })

      test('needs no other program, not even to go', async () => {
        programs({ umount: existsSync('/usr/bin/umount') ? '/usr/bin/umount' : '/bin/umount' })
        for (const lazy of [false, true]) {
          // With nobody behind it: `umount` looks at the folder, and would wait for the first answer.
          close(await mount())
          assert.equal(await unmount(mountDir, { lazy }), undefined)
          assert.equal(await mountAt(mountDir), undefined)
        }
      })

      const module = new URL('../../../../src/fs/backends/kernel/mounting.js', import.meta.url).href
      const attempt = `const { mountFuse } = await import(${JSON.stringify(module)})
        await mountFuse({ mountDir: process.argv[1], allowOther: false }).then(
          () => console.log('mounted'), error => console.log(error.code + ' ' + error.message))`
      /** What an attempt of a process of its own says. */
      async function said(wrapping: string[]): Promise<string> {
        const node = [process.execPath, '--input-type=module', '-e', attempt, mountDir]
        const { stdout, stderr } = await start(wrapping[0]!, [...wrapping.slice(1), ...node], LIMIT_MS)
          .outcome
        assert.equal(stderr, '')
        return stdout.toString().trim()
      }
      const skip = has('namespaces') ? false : 'SKIP: this machine has no setpriv'

      test('is refused where the system has no FUSE', { skip }, async () => {
        const hide = 'mount -t tmpfs none /dev && exec "$@"'
        const reply = await said(['unshare', '-m', '--propagation', 'private', 'sh', '-c', hide, 'sh'])
        assert.equal(reply, `ERR_TORRENTFS_MOUNT cannot mount on "${mountDir}": there is no /dev/fuse here`)
      })

      test('is tried by fusermount3 where root may not mount', { skip }, async () => {
        const weak = ['setpriv', '--bounding-set', '-sys_admin', '--inh-caps', '-sys_admin', '--']
        assert.match(await said(weak), /^ERR_TORRENTFS_MOUNT .*: fusermount3: .*Operation not permitted/)
        programs({ setpriv: '/usr/bin/setpriv' })
        assert.match(await said(weak), /may not mount by itself, and neither fusermount3 nor fusermount/)
      })
    }

    function ordinaryUserAlone(): void {
      test('lets other users in only if the system allows that', async () => {
        const allowed = /^\s*user_allow_other\s*$/m.test(
          existsSync('/etc/fuse.conf') ? readFileSync('/etc/fuse.conf', 'utf8') : '',
        )
        if (allowed) await mount(mountDir, true)
        else assert.match(await refusal(mountDir, true), /\/etc\/fuse\.conf has a line "user_allow_other"/)
        assert.equal((await mountAt(mountDir)) !== undefined, allowed)
      })

      test('is refused without a program that mounts', async () => {
        programs({})
        assert.match(await refusal(mountDir), /neither fusermount3 nor fusermount is installed/)
      })

      test('is made by fusermount where there is no fusermount3', async () => {
        const { stdout } = await run('sh', ['-c', 'command -v fusermount || command -v fusermount3'])
        programs({ fusermount: stdout.trim() })
        await mount()
        assert.equal(await unmount(mountDir, { lazy: false }), undefined)
      })

      test('is refused in the words of the program that mounts', async () => {
        programs({ fusermount3: 'echo "fusermount3: the moon is not full" >&2; exit 1' })
        assert.equal(await refusal(mountDir), 'fusermount3: the moon is not full')
      })

      test('is refused when that program says nothing', async () => {
        for (const [end, told] of [
          ['exit 7', 'fusermount3 ended with status 7'],
          ['kill -9 $$', 'fusermount3 ended with SIGKILL'],
          ['exit 0', 'fusermount3 sent no connection (EAGAIN)'],
        ]) {
          programs({ fusermount3: end! })
          assert.equal(await refusal(mountDir), told)
        }
      })

      test('does not stay when its connection was lost', async () => {
        const { stdout } = await run('sh', ['-c', 'command -v fusermount3'])
        // Sends the connection to a socket of its own.
        const lose = `[ "$1" = -uz ] && exec ${stdout.trim()} "$@"
          exec python3 -c 'import os, socket, sys
one, other = socket.socketpair()
os.set_inheritable(other.fileno(), True)
os.environ["_FUSE_COMMFD"] = str(other.fileno())
sys.exit(os.spawnv(os.P_WAIT, "${stdout.trim()}", ["fusermount3"] + sys.argv[1:]))' "$@"`
        programs({ fusermount3: lose })
        assert.equal(await refusal(mountDir), 'fusermount3 sent no connection (EAGAIN)')
        assert.equal(await mountAt(mountDir), undefined)
      })
    }
  })
}
