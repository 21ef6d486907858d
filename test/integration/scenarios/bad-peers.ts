/**
 * Peers that lie, hang, crawl, choke and leave, beside a good one: the bytes are right and the reader hardly notices.
 */

import { join } from 'node:path'
import { within } from '../../support/child.js'
import { singleFile } from '../../support/content.js'
import { Daemon } from '../../support/daemon.js'
import { DelayProxy } from '../../support/delay-proxy.js'
import { Libtorrent } from '../../support/libtorrent.js'
import { MountStream } from '../../support/mount-stream.js'
import { Network } from '../../support/network.js'
import { Scope } from '../../support/scope.js'
import { ScriptedPeer, type Behaviour } from '../../support/scripted-peer.js'
import type { Figures } from './figures.js'

const MiB = 1 << 20

/** A swarm around the daemon: bad peers of these behaviours, and one good one. */
export interface BadPeersOptions {
  readonly megabytes: number
  readonly pieceLength?: number
  /** Of the good one, bytes/s: slow enough that the bad ones get work. */
  readonly goodRate: number
  readonly bad: Readonly<Record<string, Behaviour>>
  /** The longest a reader may go without a byte, ms. */
  readonly stallMs: number
  /** Puts the good one this far away, ms one way. */
  readonly delayMs?: number
  /** Whether each corrupting peer must have been dropped for good by the end. */
  readonly banned?: readonly string[]
}

/** Reads one file from start to end out of such a swarm. */
export async function badPeers(figures: Figures, options: BadPeersOptions): Promise<void> {
  const scope = new Scope()
  try {
    const network = Network.create(scope)
    const maker = await Libtorrent.maker(scope)
    const layout = singleFile('among bad peers.bin', options.megabytes * MiB + 5)
    const torrent = await maker.make(scope.folder(), layout, { pieceLength: options.pieceLength ?? MiB / 4 })
    const good = await ScriptedPeer.start(scope, network.ownAddress(), torrent, {
      bytesPerSecond: options.goodRate,
    })
    const endpoints = [good.endpoint]
    if (options.delayMs !== undefined) {
      const target = { host: good.address, port: good.port }
      const proxy = await DelayProxy.start(scope, network.ownAddress(), target, { delayMs: options.delayMs })
      endpoints[0] = proxy.endpoint
    }
    const bad = new Map<string, ScriptedPeer>()
    for (const [name, behaviour] of Object.entries(options.bad)) {
      const peer = await ScriptedPeer.start(scope, network.ownAddress(), torrent, behaviour)
      bad.set(name, peer)
      endpoints.unshift(peer.endpoint)
    }
    const daemon = await Daemon.start(scope, {
      host: network.host('daemon'),
      torrents: [torrent.file],
      testPeers: endpoints,
      args: ['-logLevel=debug'],
    })
    await daemon.listed(torrent.name)
    const source = join(torrent.source, torrent.name)
    const stream = new MountStream(scope, daemon.path(torrent.name), { source })
    const limit = 20_000 + (torrent.length / options.goodRate) * 4000
    const code = await within(stream.ended, limit)
    const right = code === 0 && stream.wrongAt === undefined && stream.received === torrent.length
    const seen = `code ${code}, ${stream.received} of ${torrent.length} bytes, wrong at ${stream.wrongAt}`
    figures.check(
      'right bytes',
      right,
      right ? 'yes' : `${seen}\ndaemon: ${daemon.child.stderr.slice(-3000)}`,
    )
    figures.atMost('longest time without a byte', Math.round(stream.longestGapMs), options.stallMs, ' ms')
    figures.note('MiB/s', stream.rate / MiB)
    figures.atMost('one block was asked of the good peer times', good.mostAskedBlock, 3)
    let sum = good.payloadSent
    for (const [name, peer] of bad) {
      sum += peer.payloadSent
      const counts = `asked ${peer.requests.length}, sent ${peer.blocksSent} blocks, ${peer.connections} connections`
      figures.check(`the ${name} peer was given work`, peer.connections > 0, counts)
    }
    for (const name of options.banned ?? []) {
      figures.check(`the ${name} peer was dropped`, bad.get(name)?.open === 0, `${bad.get(name)?.open} open`)
    }
    figures.note('payload of all against content', `${(sum / torrent.length).toFixed(3)}x`)
    figures.check(
      'the daemon ends with 0',
      (await daemon.stop()).code === 0,
      daemon.child.exit?.code ?? 'signal',
    )
  } finally {
    await scope.close()
  }
}
