/**
 * Fetching a torrent file without a client.
 *
 * Owns nothing that outlives the call. Must not judge what the bytes are.
 */
import { MetainfoFetcher } from './discovery/metainfo-fetcher.js'
import { loadMetainfo } from './metainfo-files.js'

/**
 * Fetches a torrent file by HTTP(S), bounded in time, bytes (64 MiB) and redirects.
 *
 * @returns its bytes, not looked at
 * @throws ERR_TORRENTFS_SOURCE when it cannot be had; ERR_TORRENTFS_TIMEOUT; ERR_TORRENTFS_ABORTED
 */
export async function fetchTorrentFile(url: URL, signal: AbortSignal): Promise<Uint8Array> {
  const fetcher = new MetainfoFetcher()
  try {
    return await loadMetainfo({ kind: 'url', url }, fetcher, signal)
  } finally {
    fetcher.close()
  }
}
