/**
 * Players do not read from start to end: `ffprobe` and a seek must have their frames after a small part of the file,
 * also where the index lies at its end.
 */

import { join } from 'node:path'
import { check } from '../../support/child.js'
import { Daemon } from '../../support/daemon.js'
import { Libtorrent } from '../../support/libtorrent.js'
import { Network } from '../../support/network.js'
import { Scope } from '../../support/scope.js'
import { statSync } from 'node:fs'
import type { Figures } from './figures.js'

export interface MediaOptions {
  /** Length of the films, seconds. */
  readonly seconds: number
  /** Of the seeder, bytes/s: that of a real swarm, so that "after a small part" means something. */
  readonly bytesPerSecond: number
  /** The largest part of the file that may have been fetched when the frame has come. */
  readonly share: number
}

/** Runs all of it, on an mp4 with its index (moov) at the end and a Matroska file. */
export async function media(figures: Figures, options: MediaOptions): Promise<void> {
  const scope = new Scope()
  try {
    const network = Network.create(scope)
    const maker = await Libtorrent.maker(scope)
    const seeder = await Libtorrent.start(network.host('seeder'))
    const folder = scope.folder()
    for (const name of ['film.mp4', 'film.mkv']) {
      const source = join(folder, name)
      await check(scope, 'ffmpeg', filmArguments(options.seconds, source), { deadlineMs: 180_000 })
      const layout = { name, files: [{ path: [], length: statSync(source).size }] }
      const torrent = await maker.makeOf(folder, layout, { pieceLength: 262_144 })
      await seeder.seed(torrent, { uploadLimit: options.bytesPerSecond })
      const at = options.seconds * 0.6
      const frame = (path: string): string[] => {
        return [
          '-v',
          'error',
          '-ss',
          `${at}`,
          '-i',
          path,
          '-frames:v',
          '1',
          '-map',
          '0:v',
          '-f',
          'framemd5',
          '-',
        ]
      }
      const probe = ['-v', 'error', '-show_entries', 'format=duration,nb_streams', '-of', 'csv', '-i']
      const expected = {
        probe: (await check(scope, 'ffprobe', [...probe, source])).stdout,
        frame: (await check(scope, 'ffmpeg', frame(source))).stdout,
      }
      const daemon = await Daemon.start(scope, {
        host: network.host(`daemon of ${name}`),
        torrents: [torrent.file],
        testPeers: [`${seeder.address}:${seeder.port}`],
      })
      await daemon.listed(name)
      figures.note(`${name}: bytes`, torrent.length)
      const probed = await daemon.reader('ffprobe', [...probe, daemon.path(name)], 60_000)
      const afterProbe = await seeder.sentPayload(torrent)
      figures.check(
        `${name}: ffprobe says the same`,
        probed.stdout === expected.probe,
        probed.stdout.trim() || probed.stderr,
      )
      figures.note(`${name}: ffprobe took ms`, Math.round(probed.ms))
      figures.atMost(`${name}: fetched for ffprobe`, afterProbe / torrent.length, options.share, ' of it')
      const sought = await daemon.reader('ffmpeg', frame(daemon.path(name)), 60_000)
      const afterSeek = await seeder.sentPayload(torrent)
      figures.check(
        `${name}: ffmpeg -ss gives the same frame`,
        sought.stdout === expected.frame,
        sought.stdout.split('\n').at(-2) ?? sought.stderr,
      )
      figures.note(`${name}: ffmpeg -ss took ms`, Math.round(sought.ms))
      figures.note(
        `${name}: fetched bytes for ffprobe, then for ffmpeg -ss`,
        `${afterProbe}, ${afterSeek - afterProbe}`,
      )
      figures.atMost(`${name}: fetched in all`, afterSeek / torrent.length, options.share, ' of it')
      figures.check(
        `${name}: the daemon ends with 0`,
        (await daemon.stop()).code === 0,
        daemon.child.exit?.code ?? 'signal',
      )
    }
  } finally {
    await scope.close()
  }
}

/** A film of ffmpeg's own test pictures and tones. Motion JPEG: large, and made in no time. */
function filmArguments(seconds: number, out: string): string[] {
  return [
    ...['-v', 'error', '-y', '-f', 'lavfi', '-i', `testsrc2=size=1280x720:rate=25:duration=${seconds}`],
    ...['-f', 'lavfi', '-i', `sine=frequency=440:duration=${seconds}`],
    ...['-c:v', 'mjpeg', '-q:v', '4', '-pix_fmt', 'yuvj420p', '-c:a', 'aac', '-b:a', '96k', out],
  ]
}
