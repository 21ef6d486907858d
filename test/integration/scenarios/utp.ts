/**
 * Peers that speak uTP and no TCP: what they seed is read through the mount, and what we have they get.
 */

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { awkwardFolder, sha256OfFile, type TestTorrent } from '../../support/content.js'
import { Daemon } from '../../support/daemon.js'
import { Libtorrent } from '../../support/libtorrent.js'
import { Network } from '../../support/network.js'
import { Scope } from '../../support/scope.js'
import type { Figures } from './figures.js'
import { dataFiles } from './swarm.js'

const MiB = 1 << 20
const DEADLINE_MS = 90_000

/** libtorrent's own names for: uTP alone. */
const UTP_ALONE = {
  enable_incoming_utp: true,
  enable_outgoing_utp: true,
  enable_incoming_tcp: false,
  enable_outgoing_tcp: false,
} as const

type DataFile = ReturnType<typeof dataFiles>[number]

async function wrongFiles(
  daemon: Daemon,
  torrent: TestTorrent,
  files: readonly DataFile[],
): Promise<string[]> {
  const wrong: string[] = []
  for (const file of files) {
    const got = await daemon.sha256(daemon.path(...file.path), DEADLINE_MS)
    if (got !== (await sha256OfFile(join(torrent.source, ...file.path)))) wrong.push(file.path.join('/'))
  }
  return wrong
}

/**
 * We connect to a libtorrent that seeds, read everything, are started anew, and a libtorrent that knows us alone fetches
 * everything from us. `args` says what we may speak; libtorrent speaks uTP.
 */
export async function utpBothWays(figures: Figures, args: readonly string[]): Promise<void> {
  const scope = new Scope()
  try {
    const network = Network.create(scope)
    const maker = await Libtorrent.maker(scope)
    const torrent = await maker.make(scope.folder(), awkwardFolder('by uTP', 24), { pieceLength: 256 * 1024 })
    const seeder = await Libtorrent.start(network.host('seeder'), UTP_ALONE)
    await seeder.seed(torrent)
    const host = network.host('daemon')
    const options = { host, torrents: [torrent.file], args: ['-logFormat=json', ...args] }
    const first = await Daemon.start(scope, {
      ...options,
      testPeers: [`${seeder.address}:${seeder.port}`],
    })
    await first.listed(torrent.name)
    const began = performance.now()
    const [largest, ...others] = [...dataFiles(torrent)].sort((a, b) => b.length - a.length)
    const wrong = await wrongFiles(first, torrent, others)
    // Before it has everything: two that seed have nothing to say to each other, and part.
    first.child.signal('SIGUSR1')
    await first.child.printed(/"transport":"utp"/, 20_000)
    wrong.push(...(await wrongFiles(first, torrent, [largest!])))
    figures.check(
      'sha256 of every file read from libtorrent equals',
      wrong.length === 0,
      wrong.join('; ') || 'all',
    )
    const seconds = (performance.now() - began) / 1000
    figures.note('read from libtorrent at', `${(torrent.length / MiB / seconds).toFixed(1)} MiB/s`)
    await endInTime(figures, first, 'after reading by uTP')
    await seeder.stop()

    const daemon = await Daemon.start(scope, { ...options, folder: first.folder })
    const leecher = await Libtorrent.start(network.host('leecher'), UTP_ALONE)
    const folder = join(scope.folder(), 'downloads')
    mkdirSync(folder)
    const peers = [[host.address, daemon.listenPort] as const]
    const asked = performance.now()
    await leecher.add({ torrent: torrent.file, folder, trackers: [], peers })
    await leecher.until(torrent.infohash, status => status.seeding, DEADLINE_MS, 'complete')
    const took = (performance.now() - asked) / 1000
    figures.note('libtorrent read from us at', `${(torrent.length / MiB / took).toFixed(1)} MiB/s`)
    for (const file of dataFiles(torrent)) {
      const [theirs, ours] = await Promise.all(
        [folder, torrent.source].map(base => sha256OfFile(join(base, ...file.path))),
      )
      figures.check(`libtorrent has ${file.path.at(-1)}`, theirs === ours, theirs ?? '')
    }
    await endInTime(figures, daemon, 'with a live uTP peer')
  } finally {
    await scope.close()
  }
}

async function endInTime(figures: Figures, daemon: Daemon, when: string): Promise<void> {
  const began = performance.now()
  const { code } = await daemon.stop()
  figures.check(`the daemon ends with 0 ${when}`, code === 0, code ?? 'signal')
  figures.atMost(`the daemon ends ${when}`, Math.round(performance.now() - began), 3000, ' ms')
}
