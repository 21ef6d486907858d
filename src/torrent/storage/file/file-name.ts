/**
 * Which name a torrent's file or folder gets in the download folder, so that two torrents never share files.
 *
 * Owns the rule. Must not look at disks: who owns a name is told to it. Pure.
 */

import { STATE_FOLDER } from '../../metainfo/info.js'

export { STATE_FOLDER }

const LONGEST = 255

/**
 * The names a torrent may have, best first: its own; with the first 8 digits of its infohash, `name [0123abcd]`; with all
 * 40. Cut at a character so that each has at most 255 bytes of UTF-8.
 *
 * @param name safe as one path component
 */
export function candidateNames(name: string, infohash: string): readonly [string, string, string] {
  const full = Buffer.byteLength(name) > LONGEST ? withSuffix(name, '') : name
  return [full, withSuffix(name, ` [${infohash.slice(0, 8)}]`), withSuffix(name, ` [${infohash}]`)]
}

/**
 * Chooses among a torrent's candidates: the first that it owns already, else the first that nobody owns. So a torrent that
 * ever wrote something has the same name after a restart, in whatever order torrents are opened.
 *
 * @param owner the infohash that owns a name; undefined when it is free; any other string when it is taken by something else
 * @returns undefined when every candidate belongs to someone else
 */
export function chooseName(
  name: string,
  infohash: string,
  owner: (candidate: string) => string | undefined,
): string | undefined {
  const candidates = candidateNames(name, infohash)
  const own = candidates.find(candidate => candidate !== STATE_FOLDER && owner(candidate) === infohash)
  if (own !== undefined) return own
  return candidates.find(candidate => candidate !== STATE_FOLDER && owner(candidate) === undefined)
}

function withSuffix(name: string, suffix: string): string {
  let kept = name
  while (Buffer.byteLength(kept) + Buffer.byteLength(suffix) > LONGEST) {
    const characters = Array.from(kept)
    const excess = Buffer.byteLength(kept) + Buffer.byteLength(suffix) - LONGEST
    kept = characters.slice(0, characters.length - Math.max(1, Math.ceil(excess / 4))).join('')
  }
  return kept + suffix
}
