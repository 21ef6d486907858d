/**
 * Nothing is downloaded that no one reads: looking costs nothing, one byte costs little, and a closed file costs nothing more.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { eventually } from '../../support/child.js'
import { awkwardFolder, singleFile } from '../../support/content.js'
import { Daemon } from '../../support/daemon.js'
import { Libtorrent } from '../../support/libtorrent.js'
import { MountStream } from '../../support/mount-stream.js'
import { Network } from '../../support/network.js'
import { Scope } from '../../support/scope.js'
import { ScriptedPeer } from '../../support/scripted-peer.js'
import type { Figures } from './figures.js'

const MiB = 1 << 20

export interface IdleOptions {
  /** How long to look idle after the listing, ms. */
  readonly idleMs: number
}

/** Listing and idling against libtorrent. */
export async function idle(figures: Figures, options: IdleOptions): Promise<void> {
  const scope = new Scope()
  try {
    const network = Network.create(scope)
    const maker = await Libtorrent.maker(scope)
    const folder = scope.folder()
    const torrents = [
      await maker.make(folder, awkwardFolder('folder to look at', 6), { pieceLength: 65536 }),
      await maker.make(folder, singleFile('file to look at.bin', 64 * MiB), { pieceLength: MiB }),
    ]
    const seeder = await Libtorrent.start(network.host('seeder'))
    for (const torrent of torrents) await seeder.seed(torrent)
    const daemon = await Daemon.start(scope, {
      host: network.host('daemon'),
      torrents: torrents.map(torrent => torrent.file),
      testPeers: [`${seeder.address}:${seeder.port}`],
    })
    for (const torrent of torrents) await daemon.listed(torrent.name)
    const sent = async (): Promise<number> => {
      let sum = 0
      for (const torrent of torrents) sum += await seeder.sentPayload(torrent)
      return sum
    }
    for (const [command, args] of [
      ['ls', ['-lR', daemon.mountDir]],
      ['find', [daemon.mountDir, '-type', 'f', '-size', '+0']],
      ['find', [daemon.mountDir, '-exec', 'stat', '{}', '+']],
      ['du', ['-sk', daemon.mountDir]],
    ] as const) {
      const outcome = await daemon.reader(command, args)
      figures.check(`${command} ${args[0]} ends with 0`, outcome.code === 0, outcome.stderr || 'yes')
    }
    // Idle beside a seeder we are connected to: otherwise nothing would be proved.
    const [first] = torrents
    await seeder
      .until(first!.infohash, status => status.peers > 0, 20_000, 'connected to us')
      .catch(error => {
        figures.check('the daemon is connected to the seeder', false, String(error).slice(0, 200))
      })
    await sleep(options.idleMs)
    const peers = (await seeder.status(first!.infohash)).peers
    figures.atLeast('connections while idle', peers, 1)
    figures.check(
      `payload after listing and ${options.idleMs / 1000} s idle is 0 bytes`,
      (await sent()) === 0,
      await sent(),
    )

    const large = torrents[1]!
    const head = await daemon.reader('head', ['-c1', daemon.path(large.name)])
    figures.check('head -c1 ends with 0', head.code === 0, head.stderr || `${Math.round(head.ms)} ms`)
    await sleep(1000)
    const afterHead = await sent()
    figures.atLeast('head -c1 fetched', afterHead, 1, ' bytes')
    figures.atMost(
      'head -c1 fetched one piece plus a first window',
      afterHead,
      3 * large.pieceLength,
      ' bytes',
    )
    await sleep(Math.min(3000, options.idleMs))
    figures.check(
      'the window of head -c1 has stopped',
      (await sent()) === afterHead,
      (await sent()) - afterHead,
    )
    figures.check(
      'the daemon ends with 0',
      (await daemon.stop()).code === 0,
      daemon.child.exit?.code ?? 'signal',
    )
  } finally {
    await scope.close()
  }
}

/** Closing a file in the middle of a download, against a peer that notes each byte it sends. */
export async function closing(figures: Figures): Promise<void> {
  const scope = new Scope()
  try {
    const network = Network.create(scope)
    const maker = await Libtorrent.maker(scope)
    const torrent = await maker.make(scope.folder(), singleFile('file to close.bin', 96 * MiB), {
      pieceLength: MiB,
    })
    const peer = await ScriptedPeer.start(scope, network.ownAddress(), torrent, { bytesPerSecond: 8 * MiB })
    const daemon = await Daemon.start(scope, {
      host: network.host('daemon'),
      torrents: [torrent.file],
      testPeers: [peer.endpoint],
    })
    await daemon.listed(torrent.name)
    for (const how of ['closed at its end of reading', 'killed by SIGINT', 'killed by SIGKILL'] as const) {
      const before = peer.payloadSent
      const offset = how.startsWith('closed') ? 0 : how.endsWith('SIGINT') ? 32 * MiB : 64 * MiB
      const length = how.startsWith('closed') ? { length: 12 * MiB } : {}
      const stream = new MountStream(scope, daemon.path(torrent.name), { offset, ...length })
      await eventually(`10 MiB read before it is ${how}`, 30_000, () => stream.received >= 10 * MiB)
      if (how.endsWith('SIGINT')) stream.signal('SIGINT')
      if (how.endsWith('SIGKILL')) stream.signal('SIGKILL')
      await stream.ended
      const closedAt = performance.now()
      await sleep(4000)
      figures.atMost(`${how}: last payload after`, Math.max(0, peer.lastPayloadAt - closedAt), 1000, ' ms')
      figures.note(`${how}: bytes fetched / read`, `${peer.payloadSent - before} / ${stream.received}`)
    }
    await daemon.stop()
  } finally {
    await scope.close()
  }
}
