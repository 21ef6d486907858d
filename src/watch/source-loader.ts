/**
 * Takes one file of the folder to the engine: reads it, hands over what it holds, and tells which torrents it stands for.
 *
 * Owns nothing between two calls. Must not log and must not throw: a broken file is an expected outcome.
 */

import { displayName, pathOf } from './folder-scan.js'
import { magnetWords } from './magnet-list.js'
import { loadFile, NoFileError, UnusableFileError } from './metainfo-file.js'
import { metainfoKind } from './plan.js'
import type { SourceOrigin, TorrentPort } from './ports.js'

/** A `.torrent` with the 10 MiB of metadata that are allowed, and a hybrid's piece layers beside it, fits. */
const MAX_TORRENT_BYTES = 64 << 20
const MAX_MAGNET_BYTES = 4 << 20

/** What came of a file. */
export interface LoadOutcome {
  /** The torrents that were added for it; of a broken `.magnet` file, those of its good words. */
  readonly infohashes: readonly string[]
  /** What is wrong with the file, or `undefined`. */
  readonly trouble: string | undefined
  /** The state of the file that was read; `undefined` when it could not even be opened. */
  readonly fingerprint: string | undefined
}

/**
 * Loads one file.
 *
 * @param name its name in the folder, as a byte string
 * @returns `undefined` when there is no such file, or it is a folder
 */
export async function loadSource(
  folder: string,
  name: string,
  torrents: TorrentPort,
): Promise<LoadOutcome | undefined> {
  const isMagnet = metainfoKind(name) === 'magnet'
  let fingerprint: string | undefined
  try {
    const loaded = await loadFile(pathOf(folder, name), isMagnet ? MAX_MAGNET_BYTES : MAX_TORRENT_BYTES)
    fingerprint = loaded.fingerprint
    const origin = { file: `${folder}/${displayName(name)}`, modified: loaded.modified }
    if (isMagnet) return { fingerprint, ...addMagnets(loaded.bytes, origin, torrents) }
    const { infohash } = torrents.add({ metainfo: loaded.bytes }, origin)
    return { fingerprint, infohashes: [infohash], trouble: undefined }
  } catch (error) {
    if (error instanceof NoFileError) return undefined
    if (error instanceof UnusableFileError) fingerprint = error.fingerprint
    return { fingerprint, infohashes: [], trouble: reasonOf(error) }
  }
}

function addMagnets(bytes: Uint8Array, origin: SourceOrigin, torrents: TorrentPort) {
  const infohashes: string[] = []
  const troubles: string[] = []
  for (const magnet of magnetWords(Buffer.from(bytes).toString())) {
    try {
      infohashes.push(torrents.add({ magnet }, origin).infohash)
    } catch (error) {
      troubles.push(`${JSON.stringify(magnet.slice(0, 80))}: ${reasonOf(error)}`)
    }
  }
  const more = troubles.length > 1 ? ` (and ${troubles.length - 1} more)` : ''
  return { infohashes, trouble: troubles[0] === undefined ? undefined : troubles[0] + more }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
