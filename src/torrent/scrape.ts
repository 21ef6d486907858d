/**
 * Asks trackers for the numbers of torrents. BEP 48.
 *
 * Owns nothing: what trackers say is handed on, and a tracker that fails is a value among the answers.
 */
import type { ScrapeEntry } from './discovery/announce.js'
import type { TrackerClient } from './discovery/tracker-client.js'
import { parseTrackerUrl } from './discovery/tracker-url.js'
import { messageOf, TorrentError } from './errors.js'

/** What one tracker says: the torrents it knows among those asked for, or why it does not say. */
export type ScrapeResult =
  | { readonly url: string; readonly entries: readonly ScrapeEntry[] }
  | { readonly url: string; readonly error: string }

/**
 * Asks every tracker, all at once.
 *
 * @param trackers - undefined: none may be asked
 * @param infohashes - 40 hexadecimal digits each
 * @returns one result for each URL, in order
 * @throws ERR_TORRENTFS_ARGUMENT for what is no infohash; ERR_TORRENTFS_ABORTED
 */
export async function scrape(
  trackers: TrackerClient | undefined,
  urls: readonly string[],
  infohashes: readonly string[],
  signal?: AbortSignal,
): Promise<ScrapeResult[]> {
  for (const infohash of infohashes) {
    if (!/^[0-9a-f]{40}$/i.test(infohash))
      throw new TorrentError('ERR_TORRENTFS_ARGUMENT', `${infohash.slice(0, 80)}: not an infohash`)
  }
  const bytes = infohashes.map(infohash => Buffer.from(infohash, 'hex'))
  return Promise.all(urls.map(url => scrapeOne(trackers, url, bytes, signal)))
}

async function scrapeOne(
  trackers: TrackerClient | undefined,
  text: string,
  infohashes: readonly Uint8Array[],
  signal: AbortSignal | undefined,
): Promise<ScrapeResult> {
  const url = parseTrackerUrl(text)
  if (url === undefined) return { url: text, error: 'not the URL of a tracker' }
  if (trackers === undefined) return { url: text, error: 'trackers are switched off' }
  try {
    const outcome = await trackers.scrape(url, infohashes, { signal })
    return outcome.kind === 'answer'
      ? { url: text, entries: outcome.entries }
      : { url: text, error: outcome.reason }
  } catch (error) {
    if (error instanceof TorrentError && error.code === 'ERR_TORRENTFS_ABORTED') throw error
    return { url: text, error: messageOf(error) }
  }
}
