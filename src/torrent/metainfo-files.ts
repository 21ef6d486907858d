/**
 * Gets the bytes of a torrent file that the user names: from a disk, or by HTTP under the client's own rules.
 *
 * Owns nothing. What it throws names the path or URL. Must not judge what the bytes are.
 */
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'

import type { MetainfoFetcher } from './discovery/metainfo-fetcher.js'
import { causedBy, TorrentError } from './errors.js'
import { MAX_METAINFO_BYTES } from './metainfo/metainfo.js'
import type { SourcePlace } from './torrent-source.js'

/** A torrent file that must be read or fetched. */
export type SourceFile = Extract<SourcePlace, { kind: 'file' | 'url' }>

/** What stands for a source in messages: URLs without credentials and query, which may be secrets. */
export function sourceLabel(place: SourceFile): string {
  if (place.kind === 'file') return place.path
  return `${place.url.protocol}//${place.url.host}${place.url.pathname}`
}

/**
 * Reads or fetches a torrent file.
 *
 * @returns its bytes, the caller's own
 * @throws ERR_TORRENTFS_SOURCE when it cannot be had; ERR_TORRENTFS_TIMEOUT, ERR_TORRENTFS_PROXY; ERR_TORRENTFS_ABORTED
 */
export async function loadMetainfo(
  place: SourceFile,
  fetcher: MetainfoFetcher,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const label = sourceLabel(place)
  if (signal.aborted) throw new TorrentError('ERR_TORRENTFS_ABORTED', `${label}: given up`)
  if (place.kind === 'url') return fetcher.fetchNamed(place.url, label, signal)
  try {
    return await readWhole(place.path, signal)
  } catch (error) {
    if (signal.aborted) throw new TorrentError('ERR_TORRENTFS_ABORTED', `${label}: given up`)
    throw causedBy(error, 'ERR_TORRENTFS_SOURCE', `cannot read ${label}`)
  }
}

/** Only regular files: a pipe would be waited for without end. */
async function readWhole(path: string, signal: AbortSignal): Promise<Uint8Array> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const stats = await file.stat()
    if (!stats.isFile()) throw new Error('not a regular file')
    if (stats.size > MAX_METAINFO_BYTES)
      throw new Error(`${stats.size} bytes are more than any torrent file has (${MAX_METAINFO_BYTES})`)
    return await file.readFile({ signal })
  } finally {
    await file.close()
  }
}
