/**
 * The session as its engine's side sees it end.
 */
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { KernelSession } from '../../../../src/fs/backends/kernel/kernel-session.js'
import { mountFuse } from '../../../../src/fs/backends/kernel/mounting.js'
import { loadSyscalls } from '../../../../src/fs/backends/kernel/syscalls.js'
import { unmount } from '../../../../src/fs/mount-point.js'
import { TorrentFs } from '../../../../src/fs/torrent-fs.js'
import { silentLogger } from '../../../../src/torrent/index.js'
import { whyNoFuse } from '../../../support/fs-backends.js'
import { Scope } from '../../../support/scope.js'

const reason = whyNoFuse('kernel')
const skip = reason === undefined ? false : `SKIP: ${reason}`

/** Longer than a thread takes to start and to end. */
const BUSY_MS = 1500

test('an unmount is no failure, however busy the engine is when it is told', { skip }, async t => {
  const scope = new Scope()
  t.after(() => scope.close())
  const mountDir = join(scope.folder(), 'mnt')
  mkdirSync(mountDir)
  const device = await mountFuse({ mountDir, allowOther: false })
  assert.equal(await unmount(mountDir, { lazy: false }), undefined)
  const session = new KernelSession({
    fs: new TorrentFs({ logger: silentLogger }),
    device,
    syscalls: loadSyscalls(),
    uid: 0,
    gid: 0,
    passthrough: false,
    logger: silentLogger,
    mountsChanged: () => {},
  })
  // The thread finds the mount gone and ends while this thread hears nothing.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BUSY_MS)
  assert.equal(await session.ended, undefined)
})
