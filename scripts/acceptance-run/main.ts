/**
 * The integration scenarios in full length, their figures printed. Points are numbered as the project counts them:
 * 2 swarm, 3 idle, 4 blocked readers, 5 kills, 6 disk full, 7 bad peers, 8 films, 9 interrupts,
 * 10 and 11 a cache of limited size. Without arguments: all.
 * Exit code 1 when a promise was not kept, or a program it needs is absent.
 */

import { badPeers } from '../../test/integration/scenarios/bad-peers.js'
import { blockedReaders } from '../../test/integration/scenarios/blocked-readers.js'
import { capacity } from '../../test/integration/scenarios/capacity.js'
import { diskFull } from '../../test/integration/scenarios/disk-full.js'
import { Figures } from '../../test/integration/scenarios/figures.js'
import { closing, idle } from '../../test/integration/scenarios/idle.js'
import { interrupts } from '../../test/integration/scenarios/interrupts.js'
import { kills } from '../../test/integration/scenarios/kills.js'
import { media } from '../../test/integration/scenarios/media.js'
import { programs, Swarm, ways } from '../../test/integration/scenarios/swarm.js'
import { skipWithout } from '../../test/support/project.js'
import { Scope } from '../../test/support/scope.js'

const MiB = 1 << 20
const GiB = 1024 * MiB

const points: Readonly<
  Record<string, { readonly title: string; readonly run: (figures: Figures) => Promise<void> }>
> = {
  2: { title: 'every seeder by every way, and every leecher from ours', run: swarm },
  3: {
    title: 'looking, one byte, closing',
    run: async figures => {
      await idle(figures, { idleMs: 60_000 })
      await closing(figures)
    },
  },
  4: {
    title: '100 readers blocked',
    run: figures => blockedReaders(figures, { readers: 100, liveMiB: 256, repeats: 3, ratio: 0.8 }),
  },
  5: {
    title: 'kill -9, 20 times',
    run: figures => {
      const seed = Number(process.env['TORRENTFS_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
      return kills(figures, { kills: 20, megabytes: 128, bytesPerSecond: 6 * MiB, seed })
    },
  },
  6: { title: 'disk full', run: diskFull },
  7: {
    title: 'a corrupting peer and a silent one among three',
    run: figures => {
      return badPeers(figures, {
        megabytes: 64,
        goodRate: 8 * MiB,
        stallMs: 5000,
        bad: { corrupting: { corrupt: () => true }, silent: { silent: true } },
        banned: ['corrupting'],
      })
    },
  },
  8: {
    title: 'films: ffprobe and ffmpeg -ss',
    run: figures => media(figures, { seconds: 120, bytesPerSecond: 16 * MiB, share: 0.25 }),
  },
  9: { title: 'interrupts, unmounts, kills', run: figures => interrupts(figures, { limitMs: 200 }) },
  10: { title: '10 GiB through a cache of 256 MiB, in files', run: figures => film(figures, 'file') },
  11: { title: '10 GiB through a cache of 256 MiB, in blobs', run: figures => film(figures, 'blob') },
}

function film(figures: Figures, storage: string): Promise<void> {
  const sizes = { length: 10 * GiB, pieceLength: MiB, cacheBytes: 256 * MiB }
  return capacity(figures, { ...sizes, storage, readMs: 30 * 60_000 })
}

async function swarm(figures: Figures): Promise<void> {
  const scope = new Scope()
  try {
    const all = await Swarm.create(scope)
    for (const program of programs) for (const way of ways) await all.read(program, way, figures)
    await all.seedTo(programs, figures)
  } finally {
    await scope.close()
  }
}

const skip = skipWithout(
  ...([
    'daemon',
    'fuse',
    'namespaces',
    'libtorrent',
    'transmission',
    'aria2c',
    'opentracker',
    'ffmpeg',
  ] as const),
)
if (skip !== false) {
  process.stderr.write(`${skip}\n`)
  process.exit(1)
}
const chosen = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(points)
let failures = 0
for (const name of chosen) {
  const point = points[name]
  if (point === undefined) {
    process.stderr.write(`no point ${name}: there are ${Object.keys(points).join(' ')}\n`)
    process.exit(2)
  }
  const started = performance.now()
  const figures = new Figures(`${name}. ${point.title}`, { print: true })
  try {
    await point.run(figures)
  } catch (error) {
    figures.check('ran to its end', false, String(error))
  }
  failures += figures.failed.length
  process.stdout.write(
    `  ${((performance.now() - started) / 1000).toFixed(1)} s, ${figures.failed.length} not kept\n`,
  )
}
process.stdout.write(
  failures === 0 ? '\nEvery promise was kept.\n' : `\n${failures} promises were NOT kept.\n`,
)
process.exitCode = failures === 0 ? 0 : 1
