import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { buildMetainfo } from '../../src/torrent/metainfo/create.js'
import { eventually, within } from '../support/child.js'
import { Daemon, mountsAt } from '../support/daemon.js'
import { daemonEntry, skipWithout } from '../support/project.js'
import { Scope } from '../support/scope.js'

function scoped(t: TestContext): Scope {
  const scope = new Scope()
  t.after(() => scope.close())
  return scope
}

/** The file of a torrent that nobody has the data of. */
function deadTorrent(scope: Scope, name: string): string {
  const file = join(scope.folder(), `${name}.torrent`)
  const fields = { name, pieceLength: 16384, length: 1 << 20, pieceHashes: randomBytes(20 * 64) }
  writeFileSync(file, buildMetainfo(fields))
  return file
}

async function portInUse(scope: Scope): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  scope.defer(() => server.close())
  return (server.address() as { port: number }).port
}

describe('the daemon', { skip: skipWithout('fuse', 'daemon'), timeout: 180_000 }, () => {
  it('says that it is ready in one line, once the tree shows what the folder holds', async t => {
    const scope = scoped(t)
    const daemon = await Daemon.start(scope, {
      listenPort: 0,
      torrents: [deadTorrent(scope, 'one'), deadTorrent(scope, 'two')],
    })
    const ls = await daemon.reader('ls', [daemon.mountDir])
    assert.deepEqual(ls.stdout.trim().split('\n'), ['one', 'two'])
    assert.equal(daemon.child.stderr.trimEnd().split('\n').length, 1, daemon.child.stderr)
    assert.match(daemon.child.stderr, /ready: 2 torrents mounted at /)
    assert.equal(daemon.child.stdout, '')
  })

  it('says it as a JSON object, at any level, when it is told to log JSON', async t => {
    const scope = scoped(t)
    const daemon = await Daemon.start(scope, {
      listenPort: 0,
      args: ['-logFormat=json', '-logLevel', 'silent'],
    })
    const line = JSON.parse(daemon.child.stderr) as Record<string, unknown>
    assert.equal(line['mountDir'], daemon.mountDir)
    assert.equal(line['torrents'], 0)
    assert.match(String(line['msg']), /^ready/)
  })

  it('works with the current folder for its data and a mount inside of it, as in the shortest command line', async t => {
    const scope = scoped(t)
    const folder = scope.folder()
    const unmount = (): void => void spawnSync('fusermount3', ['-uzq', '--', join(folder, 'mnt')])
    scope.defer(unmount, unmount)
    mkdirSync(join(folder, 'torrents'))
    const child = spawn(
      process.execPath,
      [daemonEntry, '-mountDir=mnt', '-metainfoDir=torrents', '-disableTrackers', '-disableDht'],
      {
        cwd: folder,
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    )
    scope.defer(() => child.kill('SIGKILL'))
    let log = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (log += text))
    await eventually('ready', 15_000, () => log.includes('ready'))
    assert.deepEqual(mountsAt(join(folder, 'mnt')), ['fuse.torrentfs'])
    child.kill('SIGTERM')
    const [code] = (await once(child, 'exit')) as [number]
    assert.equal(code, 0, log)
  })

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    it(`answers blocked readers, unmounts and ends with 0 within 3 s of ${signal}`, async t => {
      const scope = scoped(t)
      const daemon = await Daemon.start(scope, { listenPort: 0, torrents: [deadTorrent(scope, 'dead')] })
      const readers = Array.from({ length: 8 }, () => daemon.startReader('cat', [daemon.path('dead')]))
      await sleep(700)
      const began = performance.now()
      daemon.child.signal(signal)
      const exit = await daemon.child.ended(6000)
      const took = performance.now() - began
      assert.equal(exit.code, 0, exit.stderr)
      assert.ok(took < 3000, `${took} ms`)
      assert.ok(!daemon.mounted)
      for (const reader of readers) {
        const end = await reader.ended(2000)
        assert.equal(end.code, 1)
        assert.match(end.stderr, /error|not connected/i)
      }
    })
  }

  it('does not wait at a second signal, and leaves no dead mount', async t => {
    const scope = scoped(t)
    const daemon = await Daemon.start(scope, { listenPort: 0, torrents: [deadTorrent(scope, 'dead')] })
    const reader = daemon.startReader('cat', [daemon.path('dead')])
    await sleep(500)
    daemon.child.signal('SIGTERM')
    daemon.child.signal('SIGINT')
    const began = performance.now()
    const exit = await daemon.child.ended(6000)
    assert.ok(performance.now() - began < 1500)
    // Either the second signal found it ending still, or it had ended already.
    assert.ok(exit.code === 0 || exit.code === 130 || exit.code === 143, String(exit.code))
    await eventually('the mount is gone', 3000, () => !daemon.mounted)
    await reader.ended(3000)
  })

  it('ends with 0 when someone else unmounts it', async t => {
    const scope = scoped(t)
    const daemon = await Daemon.start(scope, { listenPort: 0 })
    const { status } = spawnSync('fusermount3', ['-u', '--', daemon.mountDir], { timeout: 5000 })
    assert.equal(status, 0)
    const exit = await daemon.child.ended(6000)
    assert.equal(exit.code, 0, exit.stderr)
    assert.match(exit.stderr, /unmounted/)
  })

  it('ends at a signal that comes while it starts', async t => {
    const scope = scoped(t)
    const folder = scope.folder()
    mkdirSync(join(folder, 't'))
    for (const wait of [150, 250, 350, 450]) {
      const mount = join(folder, `m${wait}`)
      const args = [
        `-mountDir=${mount}`,
        `-metainfoDir=${folder}/t`,
        `-downloadDir=${folder}/d`,
        '-disableTrackers',
        '-disableDht',
      ]
      const child = spawn(process.execPath, [daemonEntry, ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
      const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>
      scope.defer(() => child.kill('SIGKILL'))
      await sleep(wait)
      child.kill('SIGTERM')
      const end = await within(exited, 4000)
      assert.ok(end !== undefined, `still there 4 s after a signal ${wait} ms into its start`)
      // Before it could listen to signals it dies of the signal, as any program does.
      assert.ok(end[0] === 0 || end[1] === 'SIGTERM', String(end))
      assert.deepEqual(mountsAt(mount), [])
    }
  })

  it('logs what it is doing at SIGUSR1', async t => {
    const scope = scoped(t)
    const daemon = await Daemon.start(scope, { listenPort: 0, torrents: [deadTorrent(scope, 'dead')] })
    const reader = daemon.startReader('cat', [daemon.path('dead')])
    await sleep(500)
    daemon.child.signal('SIGUSR1')
    await daemon.child.printed(/status: up .* 1 torrents, 0 peers, [1-9]\d* reads waiting/, 5000)
    await daemon.child.printed(/status: "dead": .* 0 peers/, 5000)
    assert.equal(daemon.child.exit, undefined)
    reader.signal('SIGKILL')
  })

  it('goes on when nobody reads its log any more', async t => {
    const scope = scoped(t)
    const folder = scope.folder()
    mkdirSync(join(folder, 't'))
    const mount = join(folder, 'm')
    const unmount = (): void => void spawnSync('fusermount3', ['-uzq', '--', mount])
    scope.defer(unmount, unmount)
    const args = [
      `-mountDir=${mount}`,
      `-metainfoDir=${folder}/t`,
      `-downloadDir=${folder}/d`,
      '-disableTrackers',
      '-disableDht',
    ]
    const child = spawn(process.execPath, [daemonEntry, ...args, '-logLevel=debug'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    scope.defer(() => child.kill('SIGKILL'))
    const exited = once(child, 'exit') as Promise<[number | null]>
    await once(child.stderr, 'data')
    child.stderr.destroy()
    child.stdout.destroy()
    child.kill('SIGUSR1')
    await eventually('the mount is there', 10_000, () => mountsAt(mount).length > 0)
    writeFileSync(join(folder, 't', 'broken.torrent'), 'broken')
    await sleep(1500)
    child.kill('SIGUSR1')
    await sleep(300)
    assert.equal(child.exitCode, null)
    child.kill('SIGTERM')
    const end = await within(exited, 4000)
    assert.equal(end?.[0], 0)
  })

  it('ends with 1 and one line when its port is taken, and leaves no mount', async t => {
    const scope = scoped(t)
    const folder = scope.folder()
    const port = await portInUse(scope)
    const args = [
      `-mountDir=${folder}/m`,
      `-metainfoDir=${folder}/t`,
      `-downloadDir=${folder}/d`,
      `-listenAddr=127.0.0.1:${port}`,
    ]
    const { status, stderr } = spawnSync(process.execPath, [daemonEntry, ...args], {
      encoding: 'utf8',
      timeout: 20_000,
    })
    assert.equal(status, 1)
    assert.equal(stderr.trimEnd().split('\n').length, 1, stderr)
    assert.match(stderr, new RegExp(`127\\.0\\.0\\.1:${port}`))
    assert.deepEqual(mountsAt(join(folder, 'm')), [])
  })

  it('takes the place of one that was killed, and refuses that of one that lives', async t => {
    const scope = scoped(t)
    const first = await Daemon.start(scope, { listenPort: 0 })
    const args = [
      `-mountDir=${first.mountDir}`,
      `-metainfoDir=${first.metainfoDir}`,
      `-downloadDir=${first.downloadDir}`,
    ]
    const { status, stderr } = spawnSync(process.execPath, [daemonEntry, ...args], {
      encoding: 'utf8',
      timeout: 20_000,
    })
    assert.equal(status, 1, stderr)
    assert.match(stderr, /another torrentfs is mounted/)
    await first.child.stop('SIGKILL')
    assert.ok(first.mounted, 'a killed daemon leaves its mount behind')
    const second = await Daemon.start(scope, { listenPort: 0, folder: first.folder })
    const ls = await second.reader('ls', [second.mountDir])
    assert.equal(ls.code, 0, ls.stderr + second.child.stderr)
    assert.equal((await second.stop()).code, 0)
  })

  it('follows its folder while it runs, and warns in its log of what it cannot use', async t => {
    const scope = scoped(t)
    const daemon = await Daemon.start(scope, { listenPort: 0 })
    const torrent = deadTorrent(scope, 'later')
    daemon.addTorrent(torrent)
    await daemon.listed('later', 3000)
    const stat = await daemon.reader('stat', ['-c', '%Y', daemon.path('later')])
    assert.ok(Math.abs(Number(stat.stdout) - Date.now() / 1000) < 30, 'the time of its metainfo file')
    const reader = daemon.startReader('cat', [daemon.path('later')])
    await sleep(500)
    daemon.removeTorrent(torrent)
    assert.equal((await reader.ended(4000)).code, 1)
    await eventually('gone from the tree', 3000, async () => {
      return !(await daemon.reader('ls', [daemon.mountDir])).stdout.includes('later')
    })
    writeFileSync(join(daemon.metainfoDir, 'bad.torrent'), 'bad')
    await daemon.child.printed(/WARN.*bad\.torrent/, 4000)
    rmSync(daemon.metainfoDir, { recursive: true })
    await daemon.child.printed(/WARN.*vanished/, 4000)
    assert.equal((await daemon.stop()).code, 0)
  })
})
