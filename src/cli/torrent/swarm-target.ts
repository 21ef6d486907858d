/**
 * What `torrent announce` and `torrent scrape` are pointed at: a tracker and infohashes, or a torrent that names its own.
 *
 * Owns how such arguments are told apart. Must not contact anyone.
 */

import { readFile } from 'node:fs/promises'
import { parseMagnet, parseMetainfo } from '../../torrent/entries/metainfo.js'
import { messageOf, parseTrackerUrl } from '../../torrent/entries/tracker.js'
import { UsageError } from '../usage-error.js'

/** Trackers, and the torrents to ask them of. */
export interface SwarmTarget {
  readonly trackers: readonly URL[]
  /** 40 lower-case hexadecimal digits each. */
  readonly infohashes: readonly string[]
}

/** An infohash of 40 hexadecimal or 32 base32 characters as lower-case hexadecimal. @throws UsageError */
export function parseInfohash(text: string): string {
  try {
    return parseMagnet(`magnet:?xt=urn:btih:${text}`).infohash
  } catch {
    throw new UsageError(`${text} is no infohash: expected 40 hexadecimal digits, or 32 characters of base32`)
  }
}

/**
 * Reads the arguments.
 *
 * @param target a tracker's URL, the path of a torrent file, or a magnet link
 * @param infohashes needed for a tracker, and for nothing else
 * @throws UsageError when they do not fit together; Error when a torrent file cannot be read or names no tracker
 */
export async function readTarget(target: string, infohashes: readonly string[]): Promise<SwarmTarget> {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(target)) {
    const tracker = parseTrackerUrl(target)
    if (tracker === undefined)
      throw new UsageError(
        `${target} is no tracker: expected http://, https:// or udp:// with a host, for udp with a port`,
      )
    if (infohashes.length === 0) throw new UsageError(`an infohash is needed behind the tracker ${target}`)
    return { trackers: [tracker], infohashes }
  }
  if (infohashes.length > 0)
    throw new UsageError(
      `${target} is no tracker's URL, and a torrent has its own infohash: ${infohashes[0]} is too much`,
    )
  const { infohash, trackers } = /^magnet:/i.test(target) ? parseMagnet(target) : await readTorrent(target)
  const urls = trackers
    .flat()
    .map(parseTrackerUrl)
    .filter(url => url !== undefined)
  if (urls.length === 0)
    throw new Error(`${target} names no tracker: give one, with the infohash ${infohash}`)
  return { trackers: urls, infohashes: [infohash] }
}

async function readTorrent(path: string): Promise<{ infohash: string; trackers: string[][] }> {
  let bytes: Uint8Array
  try {
    bytes = await readFile(path)
  } catch (error) {
    throw new Error(`cannot read ${path}: ${messageOf(error)}`, { cause: error })
  }
  try {
    const { info, trackers } = parseMetainfo(bytes)
    return { infohash: info.infohash, trackers }
  } catch (error) {
    throw new Error(`${path}: ${messageOf(error)}`, { cause: error })
  }
}
