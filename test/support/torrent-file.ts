/**
 * Torrent files as bytes: their info dictionary, and variants that leave the infohash as it is.
 */

import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestTorrent } from './content.js'

let made = 0

/**
 * A copy of a torrent file (made without trackers) that names one.
 * @returns its path, below `folder`.
 */
export function withTracker(torrent: TestTorrent, url: string, folder: string): string {
  const bytes = readFileSync(torrent.file)
  if (bytes.includes('8:announce')) throw new Error(`${torrent.file} names a tracker already`)
  // `announce` sorts before every other key of a metainfo, so it goes right behind the opening `d`.
  const head = Buffer.from(`d8:announce${Buffer.byteLength(url)}:${url}`)
  const path = join(folder, `tracked-${++made}.torrent`)
  writeFileSync(path, Buffer.concat([head, bytes.subarray(1)]))
  return path
}

/** The raw info dictionary of a torrent file, which hashes to its infohash. */
export function infoSpan(torrent: TestTorrent): Buffer {
  const file = readFileSync(torrent.file)
  const start = file.indexOf('4:infod', 0, 'latin1') + 6
  for (let end = file.length - 1; end > start; end--) {
    if (file[end - 1] !== 0x65) continue
    const span = file.subarray(start, end)
    if (createHash('sha1').update(span).digest('hex') === torrent.infohash) return span
    if (file.length - end > 4096) break
  }
  throw new Error(`${torrent.file}: no info dictionary of ${torrent.infohash}`)
}
