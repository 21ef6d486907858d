/**
 * Variants of torrent files that leave the infohash as it is.
 */

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
