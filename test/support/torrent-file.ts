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

/**
 * A copy of a torrent file that names one DHT node (BEP 5).
 * @returns its path, beside the torrent's.
 */
export function withNode(
  torrent: TestTorrent,
  node: { readonly host: string; readonly port: number },
): string {
  const bytes = readFileSync(torrent.file)
  // `nodes` sorts after `info`, and what makers of torrents write behind that is `url-list` at most.
  if (bytes.at(-1) !== 0x65 || bytes.includes('8:url-list'))
    throw new Error(`${torrent.file}: cannot take a node`)
  const nodes = `5:nodesll${node.host.length}:${node.host}i${node.port}eee`
  const path = `${torrent.file.replace(/\.torrent$/, '')}-${++made}.torrent`
  writeFileSync(path, Buffer.concat([bytes.subarray(0, -1), Buffer.from(nodes), bytes.subarray(-1)]))
  return path
}

/**
 * A copy of a torrent file that names web seeds (BEP 19).
 * @returns its path, below `folder`.
 */
export function withWebSeeds(torrent: TestTorrent, urls: readonly string[], folder: string): string {
  const bytes = readFileSync(torrent.file)
  if (bytes.includes('8:url-list')) throw new Error(`${torrent.file} names web seeds already`)
  // `url-list` sorts behind every other key of a metainfo, so it goes right before the closing `e`.
  const list = urls.map(url => `${Buffer.byteLength(url)}:${url}`).join('')
  const path = join(folder, `webseeded-${++made}.torrent`)
  writeFileSync(path, Buffer.concat([bytes.subarray(0, -1), Buffer.from(`8:url-listl${list}ee`)]))
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
