/**
 * kill -9 in the middle of a download, again and again: the mount comes back by itself, no byte is wrong, and what was
 * handed to a reader is never fetched a second time.
 */

import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { within } from '../../support/child.js'
import { sha256OfFile, singleFile } from '../../support/content.js'
import { Daemon, type DaemonOptions } from '../../support/daemon.js'
import { Libtorrent } from '../../support/libtorrent.js'
import { MountStream } from '../../support/mount-stream.js'
import { Network } from '../../support/network.js'
import { Scope } from '../../support/scope.js'
import type { Figures } from './figures.js'

const MiB = 1 << 20

export interface KillsOptions {
  readonly kills: number
  readonly megabytes: number
  /** Of the seeder, bytes/s: slow enough that the download outlives the kills. */
  readonly bytesPerSecond: number
  /** Determines the moments and offsets. */
  readonly seed: number
  /** Makes what the daemon keeps its data in, and says how the daemon is told. Default: files. */
  readonly storage?: (network: Network, scope: Scope) => Promise<Pick<DaemonOptions, 'args' | 'env'>>
}

/** Runs all of it. */
export async function kills(figures: Figures, options: KillsOptions): Promise<void> {
  const scope = new Scope()
  try {
    const random = generator(options.seed)
    figures.note('seed', options.seed)
    const network = Network.create(scope)
    const maker = await Libtorrent.maker(scope)
    const layout = singleFile('killed.bin', options.megabytes * MiB - 4321)
    const torrent = await maker.make(scope.folder(), layout, { pieceLength: MiB / 4 })
    const source = join(torrent.source, torrent.name)
    const seeder = await Libtorrent.start(network.host('seeder'))
    await seeder.seed(torrent, { uploadLimit: options.bytesPerSecond })
    const storage = (await options.storage?.(network, scope)) ?? {}
    const host = network.host('daemon')
    const folder = scope.folder()
    const start = async (): Promise<Daemon> => {
      const daemon = await Daemon.start(scope, {
        ...storage,
        host,
        folder,
        torrents: [torrent.file],
        testPeers: [`${seeder.address}:${seeder.port}`],
      })
      await daemon.listed(torrent.name)
      return daemon
    }

    /** Pieces whose every byte a reader has been given: they were stored. */
    const handedOut = new Set<number>()
    let again = 0
    let wrong = 0
    let sent = 0
    let slowestStart = 0
    const account = async (): Promise<void> => {
      const blocks = await seeder.uploadedBlocks(torrent.infohash, true)
      for (const [key, times] of blocks) {
        sent += times * 16384
        if (handedOut.has(Number(key.split('/')[0]))) again += times
      }
    }
    const remember = (stream: MountStream): void => {
      const from = Math.ceil(stream.offset / torrent.pieceLength)
      const end = stream.offset + stream.received
      const to = end >= torrent.length ? torrent.pieceCount : Math.floor(end / torrent.pieceLength)
      for (let piece = from; piece < to; piece++) handedOut.add(piece)
      if (stream.wrongAt !== undefined) wrong++
    }

    for (let round = 0; round < options.kills; round++) {
      const daemon = await start()
      slowestStart = Math.max(slowestStart, daemon.readyMs)
      const offset = Math.floor(random() * torrent.length * 0.8)
      const streams = [
        new MountStream(scope, daemon.path(torrent.name), { source }),
        new MountStream(scope, daemon.path(torrent.name), { source, offset }),
      ]
      await sleep(150 + random() * 1200)
      daemon.child.signal('SIGKILL')
      await daemon.child.exited
      for (const stream of streams) {
        const ended = await within(stream.ended, 5000)
        if (ended === undefined)
          figures.check(`a reader of round ${round} ends with the daemon`, false, 'it hangs')
        stream.signal('SIGKILL')
      }
      await account()
      streams.forEach(remember)
    }
    figures.note('pieces handed out before the last start', `${handedOut.size} of ${torrent.pieceCount}`)
    const daemon = await start()
    slowestStart = Math.max(slowestStart, daemon.readyMs)
    figures.note('slowest start on a stale mount, ms', Math.round(slowestStart))
    await seeder.ask('limit', { infohash: torrent.infohash, upload: 0 })
    const hash = await daemon.sha256(daemon.path(torrent.name), 120_000)
    await account()
    figures.check(`sha256 equals after ${options.kills} kills`, hash === (await sha256OfFile(source)), hash)
    figures.check('no wrong byte was read', wrong === 0, wrong)
    figures.check('no block of a piece handed out was fetched again', again === 0, again)
    figures.note('payload against content', `${(sent / torrent.length).toFixed(3)}x`)
    figures.atMost(
      'lost in a kill',
      Math.max(0, sent - torrent.length) / Math.max(1, options.kills) / MiB,
      64,
      ' MiB',
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

/** mulberry32: the moments of a run can be had again from its seed. */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}
