/**
 * A file that is read through a cache far smaller than it: what lies on the disk meanwhile, and whether what is read is right.
 * The seeder's file is sparse, with bytes of chance in every piece, so that a hole that is served shows.
 */

import { execFile } from 'node:child_process'
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { contentBytes, sha256OfFile } from '../../support/content.js'
import { Daemon } from '../../support/daemon.js'
import { Libtorrent } from '../../support/libtorrent.js'
import { Network } from '../../support/network.js'
import { Scope } from '../../support/scope.js'
import type { Figures } from './figures.js'

const run = promisify(execFile)
/** Bytes of chance in each piece: at its beginning, and at its end. */
const MARK = 4096

export interface CapacityOptions {
  /** Bytes. */
  readonly length: number
  readonly pieceLength: number
  readonly cacheBytes: number
  /** As `-storage` takes it. */
  readonly storage: string
  /** How long the whole file may take to be read, in ms. */
  readonly readMs: number
}

/** Bytes that the files below a folder take on the disk, state included; the folders themselves stay when pieces go. */
async function usage(folder: string): Promise<number> {
  // Files vanish while they are counted.
  const { stdout } = await run('find', [folder, '-type', 'f', '-printf', '%b\\n']).catch(
    (error: unknown) => error as { stdout: string },
  )
  return stdout.split('\n').reduce((sum, blocks) => sum + 512 * Number(blocks), 0)
}

function writeSparse(path: string, { length, pieceLength }: CapacityOptions): void {
  const fd = openSync(path, 'w')
  ftruncateSync(fd, length)
  for (let at = 0; at < length; at += pieceLength) {
    writeSync(fd, contentBytes('marks', at, MARK), 0, MARK, at)
    const end = Math.min(length, at + pieceLength)
    writeSync(fd, contentBytes('marks', end - MARK, MARK), 0, MARK, end - MARK)
  }
  closeSync(fd)
}

/** Reads it once from the beginning to the end, kills the daemon, starts it anew and reads a part again. */
export async function capacity(figures: Figures, o: CapacityOptions): Promise<void> {
  const scope = new Scope()
  try {
    const network = Network.create(scope)
    const folder = scope.folder()
    const name = 'film'
    const source = join(folder, name)
    writeSparse(source, o)
    const maker = await Libtorrent.maker(scope)
    const torrent = await maker.makeOf(
      folder,
      { name, files: [{ path: [], length: o.length }] },
      { pieceLength: o.pieceLength },
    )
    const expected = await sha256OfFile(source)
    const seeder = await Libtorrent.start(network.host('seeder'))
    await seeder.seed(torrent)
    const options = {
      host: network.host('daemon'),
      testPeers: [`${seeder.address}:${seeder.port}`],
      torrents: [torrent.file],
      args: [`-cacheSize=${o.cacheBytes}`, `-storage=${o.storage}`],
    }
    const daemon = await Daemon.start(scope, options)
    await daemon.listed(name)

    let most = 0
    let samples = 0
    let over = false
    const sampling = (async () => {
      while (!over) {
        most = Math.max(most, await usage(daemon.downloadDir))
        samples++
        await new Promise(resolve => setTimeout(resolve, 50))
      }
    })()
    const started = performance.now()
    const read = await daemon.sha256(daemon.path(name), o.readMs)
    const seconds = (performance.now() - started) / 1000
    figures.check('the sha256 of what was read equals', read === expected, read)
    figures.note('MB/s', Math.round(o.length / 1e6 / seconds))
    const sent = await seeder.sentPayload(torrent)
    figures.atMost('payload sent for each byte read', Number((sent / o.length).toFixed(4)), 1.02)

    daemon.child.signal('SIGKILL')
    await daemon.child.exited
    await run('fusermount3', ['-uzq', '--', daemon.mountDir]).catch(() => undefined)
    const again = await Daemon.start(scope, { ...options, folder: daemon.folder, torrents: [] })
    await again.listed(name)
    const part = Math.min(o.length, 2 * o.cacheBytes)
    const heads = await Promise.all(
      [source, again.path(name)].map(path =>
        again.reader('sh', ['-c', `head -c ${part} "$0" | sha256sum`, path], o.readMs),
      ),
    )
    figures.check(
      'after kill -9, what is read again equals',
      heads[0]!.stdout === heads[1]!.stdout,
      heads[1]!.stdout.trim(),
    )
    over = true
    await sampling
    figures.note('samples of the disk', samples)
    figures.atMost('bytes on the disk at most, beyond the cap', most - o.cacheBytes, 2 * o.pieceLength)
    const log = (await seeder.log()).filter(line => /ban|corrupt|invalid/i.test(line))
    figures.check('nobody is blamed', log.length === 0, log.join('; ') || 'nobody')
    await again.stop()
  } finally {
    await scope.close()
  }
}
