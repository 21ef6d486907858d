/**
 * System calls through koffi, against what Node says of the same.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { createRequire } from 'node:module'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { loadSyscalls, nameOf, PollSet } from '../../../../src/fs/backends/kernel/syscalls.js'

const { EAGAIN, EBADF, EINVAL, ENODEV, ENOENT, ENOTTY, EOPNOTSUPP, EPERM } = constants.errno
const O_NONBLOCK = 0o4000
const O_CLOEXEC = 0o2000000
const POLLIN = 1

describe('system calls', () => {
  const folder = mkdtempSync(join(tmpdir(), 'torrentfs-syscalls-'))
  const path = join(folder, 'file')
  const content = Buffer.from(Array.from({ length: 10_000 }, (_, i) => i & 0xff))
  writeFileSync(path, content)
  const syscalls = loadSyscalls()
  after(() => rmSync(folder, { recursive: true, force: true }))

  test('read and write files, and answer failures with negative errnos', () => {
    const fd = openSync(path, 'r')
    const buffer = syscalls.alignedBuffer(8192)
    assert.equal(syscalls.read(fd, buffer, 100), 100)
    assert.deepEqual(Buffer.from(buffer.subarray(0, 100)), content.subarray(0, 100))
    assert.equal(syscalls.pread(fd, buffer, 8192, 9_000), 1000)
    assert.deepEqual(Buffer.from(buffer.subarray(0, 1000)), content.subarray(9_000))
    assert.equal(syscalls.pread(fd, buffer, 10, 2 ** 40), 0)
    for (const target of [buffer, buffer.subarray(4096)]) {
      const count = syscalls.preadNoWait(fd, target, 50, 777)
      if (count === -EOPNOTSUPP || count === -EAGAIN) continue
      assert.equal(count, 50)
      assert.deepEqual(Buffer.from(target.subarray(0, 50)), content.subarray(777, 827))
    }
    closeSync(fd)
    assert.equal(syscalls.read(-1, buffer, 1), -EBADF)
    assert.equal(nameOf(-EBADF), 'EBADF')
    const out = openSync(join(folder, 'out'), 'w')
    assert.equal(syscalls.write(out, content, 5), 5)
    closeSync(out)
    assert.deepEqual(readFileSync(join(folder, 'out')), content.subarray(0, 5))
  })

  test('never pass the end of a buffer, nor read backwards', () => {
    const fd = openSync(path, 'r')
    const memory = Buffer.alloc(64)
    for (const length of [9, 2 ** 31, 2 ** 40, -1, NaN]) {
      const buffer = memory.subarray(0, 8)
      assert.equal(syscalls.read(fd, buffer, length), -EINVAL)
      assert.equal(syscalls.write(fd, buffer, length), -EINVAL)
      assert.equal(syscalls.pread(fd, buffer, length, 1), -EINVAL)
      assert.equal(syscalls.preadNoWait(fd, buffer, length, 1), -EINVAL)
    }
    assert.deepEqual(memory, Buffer.alloc(64))
    assert.equal(syscalls.pread(fd, memory, 1, -1), -EINVAL)
    closeSync(fd)
  })

  test('find bytes behind the first 4 GiB', () => {
    const far = join(folder, 'far')
    const position = 2 ** 33 + 5
    const fd = openSync(far, 'w+')
    writeSync(fd, 'there', position)
    const buffer = Buffer.alloc(8)
    assert.equal(syscalls.pread(fd, buffer, 8, position - 1), 6)
    assert.deepEqual(buffer, Buffer.from('\0there\0\0'))
    const count = syscalls.preadNoWait(fd, buffer, 5, position)
    if (count !== -EOPNOTSUPP) assert.deepEqual([count, buffer.toString('latin1', 0, 5)], [5, 'there'])
    closeSync(fd)
  })

  test('do not read without waiting where that cannot be told', () => {
    const fd = openSync('/proc/self/status', 'r')
    assert.equal(syscalls.preadNoWait(fd, Buffer.alloc(8), 8, 0), -EOPNOTSUPP)
    assert.equal(syscalls.pread(fd, Buffer.alloc(8), 8, 0), 8)
    closeSync(fd)
  })

  test('read into the buffer they were given, whatever it is a part of', () => {
    const seed = Date.now() % 2 ** 31
    let state = seed
    const random = (below: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0
      return (state >>> 8) % below
    }
    const fd = openSync(path, 'r')
    const probe = syscalls.preadNoWait(fd, Buffer.alloc(1), 1, 0)
    let previous: Uint8Array = new Uint8Array(8)
    for (let i = 0; i < 3000; i++) {
      // Small ones live on the engine's heap until someone asks for their address.
      const whole = random(2) === 0 ? new Uint8Array(1 + random(100)) : Buffer.allocUnsafe(1 + random(9000))
      const start = random(whole.length)
      const buffer =
        random(4) === 0 ? previous : whole.subarray(start, start + random(whole.length - start) + 1)
      const [length, position] = [random(buffer.length + 1), random(content.length - 9100)]
      buffer.fill(0)
      const noWait = probe === 1 && random(2) === 0
      const count = noWait
        ? syscalls.preadNoWait(fd, buffer, length, position)
        : syscalls.pread(fd, buffer, length, position)
      assert.equal(count, length, `seed ${seed}, step ${i}`)
      const expected = Buffer.concat([
        content.subarray(position, position + length),
        Buffer.alloc(buffer.length - length),
      ])
      assert.ok(expected.equals(buffer), `seed ${seed}, step ${i}`)
      previous = buffer
    }
    closeSync(fd)
  })

  test('have memory that starts a page', () => {
    const { address } = createRequire(import.meta.url)('koffi') as { address(of: Uint8Array): bigint }
    for (const length of [1, 4096, 5000, 1 << 20]) {
      const buffer = syscalls.alignedBuffer(length)
      assert.equal(buffer.length, length)
      assert.equal(BigInt(address(buffer)) % 4096n, 0n)
    }
  })

  test('make descriptors that do not wait, and that no child inherits', () => {
    const flagsOf = (fd: number): number =>
      parseInt(/^flags:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))![1]!, 8)
    const wake = syscalls.eventfd()
    const [one, other] = syscalls.socketpair()
    for (const fd of [wake, one, other]) assert.ok(flagsOf(fd) & O_CLOEXEC)
    assert.ok(flagsOf(wake) & O_NONBLOCK)
    assert.equal(flagsOf(one) & O_NONBLOCK, 0)
    assert.equal(syscalls.setNonBlocking(one), 0)
    assert.ok(flagsOf(one) & O_NONBLOCK)
    assert.equal(syscalls.read(one, Buffer.alloc(1), 1), -EAGAIN)
    for (const fd of [wake, one, other]) assert.equal(syscalls.close(fd), 0)
    assert.equal(syscalls.setNonBlocking(one), -EBADF)
    assert.equal(syscalls.close(one), -EBADF)
  })

  test('fail where the kernel refuses, with its reason', () => {
    const fd = openSync(path, 'r')
    // Not the device: it knows no such request.
    for (const result of [syscalls.backingOpen(fd, fd), syscalls.backingClose(fd, 1)])
      assert.equal(result, -ENOTTY)
    closeSync(fd)
    const missing = join(folder, 'missing')
    for (const lazy of [false, true])
      assert.ok([-ENOENT, -EPERM].includes(syscalls.unmount(missing, { lazy })))
    assert.ok([-ENODEV, -ENOENT, -EPERM].includes(syscalls.mount('x', missing, 'no-such-type', 0, '')))
  })

  test('are missed without koffi only when they are asked for', () => {
    const module = new URL('../../../../src/fs/backends/kernel/syscalls.js', import.meta.url).href
    const hook = `const m = require('node:module'); const found = m._resolveFilename
      m._resolveFilename = (name, ...more) => {
        if (name === 'koffi') throw new Error('there is no koffi')
        return found(name, ...more)
      }
      import(${JSON.stringify(module)}).then(({ whyNoSyscalls, loadSyscalls }) => {
        console.log(whyNoSyscalls())
        try { loadSyscalls() } catch (error) { console.log(error.code) }
      })`
    const { stdout, stderr } = spawnSync(process.execPath, ['-e', hook], { encoding: 'utf8' })
    assert.equal(stdout, 'the kernel backend needs koffi: there is no koffi\nERR_TORRENTFS_MOUNT\n', stderr)
  })

  test('wait for events no longer than told', () => {
    const wake = syscalls.eventfd()
    const set = new PollSet([{ fd: wake, events: POLLIN }])
    assert.equal(syscalls.poll(set, 0), 0)
    assert.equal(set.ready(0), 0)
    assert.equal(syscalls.read(wake, Buffer.alloc(8), 8), -EAGAIN)
    assert.equal(syscalls.write(wake, Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]), 8), 8)
    assert.equal(syscalls.poll(set, -1), 1)
    assert.equal(set.ready(0), POLLIN)
    assert.equal(syscalls.close(wake), 0)
  })

  test('receive no descriptor where none was sent', () => {
    const [one, other] = syscalls.socketpair()
    assert.equal(syscalls.receiveDescriptor(one), -EAGAIN)
    assert.equal(syscalls.write(other, Buffer.from('plain words'), 11), 11)
    assert.equal(syscalls.receiveDescriptor(one), -EAGAIN)
    syscalls.close(one)
    syscalls.close(other)
  })

  test('work in another thread', async () => {
    const module = new URL('../../../../src/fs/backends/kernel/syscalls.js', import.meta.url).href
    const code = `import(${JSON.stringify(module)}).then(({ loadSyscalls }) => {
      const { parentPort } = require('node:worker_threads')
      const syscalls = loadSyscalls()
      // Failures of both threads at once: each has an errno of its own.
      const wrong = new Set()
      for (let i = 0; i < 50000; i++) wrong.add(syscalls.read(-1, Buffer.alloc(8), 8))
      parentPort.postMessage([syscalls.threadId(), ...wrong])
    })`
    const worker = new Worker(code, { eval: true })
    const answer = new Promise<number[]>((resolve, reject) => {
      worker.once('message', resolve)
      worker.once('error', reject)
    })
    const wake = syscalls.eventfd()
    const wrong = new Set<number>()
    let told: number[] | undefined
    void answer.then(
      message => (told = message),
      () => (told = []),
    )
    while (told === undefined) {
      for (let i = 0; i < 5000; i++) wrong.add(syscalls.read(wake, Buffer.alloc(8), 8))
      await new Promise(resolve => setImmediate(resolve))
    }
    syscalls.close(wake)
    const [thread, ...theirs] = await answer
    assert.deepEqual([theirs, [...wrong]], [[-EBADF], [-EAGAIN]])
    assert.notEqual(thread, syscalls.threadId())
    assert.equal(syscalls.threadId(), process.pid)
  })
})
