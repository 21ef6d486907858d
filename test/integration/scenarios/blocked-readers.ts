/**
 * A hundred readers that wait for a torrent no one has: they cost the others nothing, and each can be ended.
 */

import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { within, type Child } from '../../support/child.js'
import { singleFile, type ContentFile, type TestTorrent } from '../../support/content.js'
import { Daemon } from '../../support/daemon.js'
import { Libtorrent } from '../../support/libtorrent.js'
import { MountStream } from '../../support/mount-stream.js'
import { Network } from '../../support/network.js'
import { Scope } from '../../support/scope.js'
import type { Figures } from './figures.js'

const MiB = 1 << 20

export interface BlockedOptions {
  readonly readers: number
  /** Size of what is read beside them, and alone for comparison. */
  readonly liveMiB: number
  /** How often each is read, fresh content each time: the best of each counts, for machines with other work. */
  readonly repeats: number
  /** What must be left of the speed. */
  readonly ratio: number
}

/** Runs all of it. */
export async function blockedReaders(figures: Figures, options: BlockedOptions): Promise<void> {
  const scope = new Scope()
  try {
    const network = Network.create(scope)
    const maker = await Libtorrent.maker(scope)
    const folder = scope.folder()
    const files: ContentFile[] = Array.from({ length: options.readers >> 1 }, (_, i) => ({
      path: [`${i}.bin`],
      length: 300_000 + i,
    }))
    files.push({ path: ['large.bin'], length: 16 * MiB })
    const dead = await maker.make(folder, { name: 'dead', files }, { pieceLength: 262_144 })
    const lives: TestTorrent[] = []
    for (let i = 0; i < options.repeats * 2; i++) {
      lives.push(
        await maker.make(folder, singleFile(`live ${i}.bin`, options.liveMiB * MiB), { pieceLength: MiB }),
      )
    }
    const seeder = await Libtorrent.start(network.host('seeder'))
    for (const torrent of lives) await seeder.seed(torrent)
    const daemon = await Daemon.start(scope, {
      host: network.host('daemon'),
      torrents: [dead, ...lives].map(torrent => torrent.file),
      testPeers: [`${seeder.address}:${seeder.port}`],
    })
    for (const torrent of [dead, ...lives]) await daemon.listed(torrent.name)

    const before = await live(scope, daemon, lives.slice(0, options.repeats), figures, 'alone')

    const blocked: Child[] = []
    for (let i = 0; i < options.readers; i++) {
      const own = i < options.readers >> 1
      blocked.push(
        own
          ? daemon.startReader('cat', [daemon.path('dead', `${i}.bin`)])
          : daemon.startReader('dd', [
              `if=${daemon.path('dead', 'large.bin')}`,
              'bs=64k',
              `skip=${i}`,
              'of=/dev/null',
            ]),
      )
    }
    await sleep(1500)
    const waiting = (): number => blocked.filter(child => child.exit === undefined).length
    figures.check(`${options.readers} readers wait`, waiting() === options.readers, waiting())

    const during = await live(scope, daemon, lives.slice(options.repeats), figures, 'beside them')
    figures.atLeast('beside them, against alone', during / before, options.ratio, 'x')
    const listing = await fastest(3, () => daemon.reader('ls', ['-l', daemon.mountDir], 10_000))
    figures.atMost('ls -l answers in', listing, 50, ' ms')
    const inside = await fastest(3, () => daemon.reader('ls', ['-l', daemon.path('dead')], 10_000))
    figures.atMost('ls -l of the dead torrent answers in', inside, 50, ' ms')

    const victims = [
      ['SIGINT', blocked[0]!, '0.bin'],
      ['SIGKILL', blocked[1]!, '1.bin'],
      ['SIGKILL', blocked[options.readers - 1]!, 'large.bin'],
    ] as const
    for (const [signal, child, name] of victims) {
      const at = performance.now()
      child.signal(signal)
      const exit = await within(child.exited, 5000)
      figures.atMost(
        `${signal} ends a blocked reader of ${name} in`,
        exit === undefined ? Infinity : performance.now() - at,
        1000,
        ' ms',
      )
      // Opens, reads nothing: what hung was the open.
      const open = await daemon
        .reader('dd', [`if=${daemon.path('dead', name)}`, 'count=0', 'status=none'], 5000)
        .catch(() => undefined)
      figures.atMost(`${name} opens again in`, open?.ms ?? Infinity, 1000, ' ms')
    }

    const left = blocked.filter(child => child.exit === undefined)
    figures.check(
      'the other readers still wait',
      left.length === options.readers - victims.length,
      left.length,
    )
    const at = performance.now()
    daemon.child.signal('SIGTERM')
    const exit = await within(daemon.child.exited, 10_000)
    figures.atMost(
      'SIGTERM ends the daemon in',
      exit === undefined ? Infinity : performance.now() - at,
      3000,
      ' ms',
    )
    figures.check('with code 0', exit?.code === 0, `${exit?.code ?? exit?.signal ?? 'still running'}`)
    await Promise.all(left.map(child => within(child.exited, 2000)))
    const failed = left.filter(
      child => child.exit !== undefined && child.exit.code !== 0 && child.exit.signal === null,
    )
    figures.check(
      'every reader got an error',
      failed.length === left.length,
      `${failed.length} of ${left.length}`,
    )
    figures.check('the mount is gone', !daemon.mounted, daemon.mounted ? 'still there' : 'yes')
  } finally {
    await scope.close()
  }
}

/** Reads each and compares it; bytes per second of the fastest. */
async function live(
  scope: Scope,
  daemon: Daemon,
  torrents: readonly TestTorrent[],
  figures: Figures,
  when: string,
): Promise<number> {
  let best = 0
  for (const torrent of torrents) {
    const source = join(torrent.source, torrent.name)
    const stream = new MountStream(scope, daemon.path(torrent.name), { source })
    const code = await within(stream.ended, 60_000)
    const right = code === 0 && stream.wrongAt === undefined && stream.received === torrent.length
    const seen = `code ${code}, ${stream.received} bytes, wrong at ${stream.wrongAt}, ${stream.stderr}`
    figures.check(`${when}: right bytes`, right, right ? 'yes' : seen)
    best = Math.max(best, stream.rate)
  }
  figures.note(`${when}: MiB/s`, best / MiB)
  return best
}

async function fastest(times: number, once: () => Promise<{ ms: number }>): Promise<number> {
  let best = Infinity
  for (let i = 0; i < times; i++) best = Math.min(best, (await once()).ms)
  return best
}
