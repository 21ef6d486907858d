/**
 * A hundred readers that wait for a torrent no one has: they cost the others nothing, and each can be ended.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { within, type Child } from '../../support/child.js'
import { singleFile, type ContentFile } from '../../support/content.js'
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
    const alone = await maker.make(folder, singleFile('alone.bin', options.liveMiB * MiB), {
      pieceLength: MiB,
    })
    const beside = await maker.make(folder, singleFile('beside.bin', options.liveMiB * MiB), {
      pieceLength: MiB,
    })
    const seeder = await Libtorrent.start(network.host('seeder'))
    for (const torrent of [alone, beside]) await seeder.seed(torrent)
    const daemon = await Daemon.start(scope, {
      host: network.host('daemon'),
      torrents: [dead.file, alone.file, beside.file],
      testPeers: [`${seeder.address}:${seeder.port}`],
    })
    for (const torrent of [dead, alone, beside]) await daemon.listed(torrent.name)

    const before = await live(scope, daemon, alone.name, alone.source)
    figures.check('alone: right bytes', before.right, before.seen)
    figures.note('alone: MiB/s', before.rate / MiB)

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

    const during = await live(scope, daemon, beside.name, beside.source)
    figures.check('beside them: right bytes', during.right, during.seen)
    figures.note('beside them: MiB/s', during.rate / MiB)
    figures.atLeast('beside them, against alone', during.rate / before.rate, 0.8, 'x')
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

async function live(
  scope: Scope,
  daemon: Daemon,
  name: string,
  source: string,
): Promise<{ rate: number; right: boolean; seen: string }> {
  const stream = new MountStream(scope, daemon.path(name), { source: `${source}/${name}` })
  const code = await within(stream.ended, 60_000)
  const right = code === 0 && stream.wrongAt === undefined
  const seen = right
    ? 'yes'
    : `code ${code}, ${stream.received} bytes, wrong at ${stream.wrongAt}, ${stream.stderr}`
  return { rate: stream.rate, right, seen }
}

async function fastest(times: number, once: () => Promise<{ ms: number }>): Promise<number> {
  let best = Infinity
  for (let i = 0; i < times; i++) best = Math.min(best, (await once()).ms)
  return best
}
