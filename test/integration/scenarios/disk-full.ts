/**
 * The disk fills up under a download: the operator is told, what is stored stays readable, and space brings it back.
 */

import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually, within } from '../../support/child.js'
import { sha256OfFile, singleFile } from '../../support/content.js'
import { Daemon } from '../../support/daemon.js'
import { Libtorrent } from '../../support/libtorrent.js'
import { MountStream } from '../../support/mount-stream.js'
import { Network } from '../../support/network.js'
import { Scope } from '../../support/scope.js'
import type { Figures } from './figures.js'

const MiB = 1 << 20

/** Runs all of it, on a tmpfs of 12 MiB and a file of 32 MiB. */
export async function diskFull(figures: Figures): Promise<void> {
  const scope = new Scope()
  try {
    const downloadDir = join(scope.folder(), 'small disk')
    mkdirSync(downloadDir)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=12m', 'torrentfs-test', downloadDir])
    const unmount = (): unknown => spawnSync('umount', ['-l', downloadDir])
    scope.defer(unmount, unmount)

    const network = Network.create(scope)
    const maker = await Libtorrent.maker(scope)
    const torrent = await maker.make(scope.folder(), singleFile('too large.bin', 32 * MiB), {
      pieceLength: MiB / 4,
    })
    const source = join(torrent.source, torrent.name)
    const seeder = await Libtorrent.start(network.host('seeder'))
    await seeder.seed(torrent)
    const daemon = await Daemon.start(scope, {
      host: network.host('daemon'),
      downloadDir,
      torrents: [torrent.file],
      testPeers: [`${seeder.address}:${seeder.port}`],
    })
    await daemon.listed(torrent.name)
    const path = daemon.path(torrent.name)

    const first = new MountStream(scope, path, { source })
    const told = await eventually('an error naming the full disk', 20_000, () => {
      return /ENOSPC|no space left|disk (is )?full/i.exec(daemon.child.stderr) ?? undefined
    }).then(
      match => match[0],
      () => undefined,
    )
    const text = daemon.child.stderr
      .split('\n')
      .find(line => /ENOSPC|no space left|disk (is )?full/i.test(line))
    figures.check('an error names it', told !== undefined, text?.slice(0, 300) ?? 'nothing said in 20 s')
    figures.check(
      'and where',
      text?.includes('too large.bin') === true || text?.includes(downloadDir) === true,
      text?.slice(0, 300) ?? '-',
    )
    await sleep(1000)
    figures.note('read before the disk was full, MiB', first.received / MiB)
    figures.atLeast('read before the disk was full', first.received / MiB, 4, ' MiB')
    figures.check('no wrong byte until then', first.wrongAt === undefined, String(first.wrongAt ?? 'none'))
    const waits = first.endedAt === undefined
    figures.note('the reader', waits ? 'waits' : `ended: ${first.stderr.trim()}`)

    // Stored data goes on being read, with the page cache out of the way.
    const again = new MountStream(scope, path, { source, length: 4 * MiB })
    const code = await within(again.ended, 10_000)
    const right = code === 0 && again.wrongAt === undefined && again.received === 4 * MiB
    figures.check(
      'stored data is read meanwhile',
      right,
      `code ${code}, ${again.received} bytes, ${again.stderr}`,
    )
    const listed = await daemon.reader('ls', ['-l', daemon.mountDir], 5000)
    figures.check('ls answers meanwhile', listed.code === 0, `${Math.round(listed.ms)} ms`)
    const lines = daemon.child.stderr.split('\n').length
    await sleep(3000)
    figures.atMost('lines logged in 3 s of a full disk', daemon.child.stderr.split('\n').length - lines, 20)

    execFileSync('mount', ['-o', 'remount,size=64m', downloadDir])
    const freed = performance.now()
    const hash = await eventually(
      'the whole file reads once there is space',
      30_000,
      async () => {
        const outcome = await daemon.reader('sha256sum', [path], 30_000).catch(() => undefined)
        return outcome?.code === 0 ? outcome.stdout.slice(0, 64) : undefined
      },
      500,
    ).catch(String)
    figures.check('sha256 equals once there is space', hash === (await sha256OfFile(source)), hash)
    figures.note('after ms', Math.round(performance.now() - freed))
    // It may have waited for space or been refused; what it may not do is hang, or fail with another error.
    const ended = await within(first.ended, 10_000)
    const honest = ended === 0 || (ended !== undefined && first.stderr.includes('No space left'))
    figures.check(
      'the first reader ended well or named the full disk',
      honest,
      `code ${ended}, ${first.stderr.trim()}`,
    )
    figures.check('no wrong byte in it', first.wrongAt === undefined, String(first.wrongAt ?? 'none'))
    figures.check(
      'the daemon ends with 0',
      (await daemon.stop()).code === 0,
      daemon.child.exit?.code ?? 'signal',
    )
  } finally {
    await scope.close()
  }
}
