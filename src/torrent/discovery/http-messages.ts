/**
 * The HTTP tracker protocol's messages: query strings out, bencoded dictionaries in (BEP 3, 7, 23, 24, 31, 48).
 *
 * Owns how they are written and read. Must not touch a socket. Whatever an answer's bytes are, reading it ends in a
 * value or in one documented error. Pure.
 */
import { TorrentError } from '../errors.js'
import { BencodeNode } from '../metainfo/bencode-node.js'
import {
  MAX_ADDRESSES,
  printable,
  type AnnounceAnswer,
  type AnnounceRequest,
  type KnownAddress,
  type ScrapeAnswer,
  type ScrapeEntry,
  type TrackerRefusal,
} from './announce.js'
import { addressOf, decodeCompact4, decodeCompact6, decodeIp } from './compact-addresses.js'

/** Announced as `left` while the length is unknown: not 0, for that says "seeder" and brings no seeders. */
export const UNKNOWN_LEFT = 16384
/** Values within each other: an answer needs 3, a scrape 3. */
const MAX_DEPTH = 8
/** Longest `tracker id` that is sent back. */
const MAX_TRACKER_ID = 256
/** Torrents taken from one scrape. */
const MAX_SCRAPE = 10_000

/** The URL of an announce; what the tracker's URL has as a query (a passkey) stays in front. */
export function announceUrl(tracker: URL, request: AnnounceRequest): URL {
  const query = [
    `info_hash=${percentEncode(request.infohash)}`,
    `peer_id=${percentEncode(request.peerId)}`,
    `port=${announcedPort(request)}`,
    `uploaded=${request.uploaded}`,
    `downloaded=${request.downloaded}`,
    `left=${request.left ?? UNKNOWN_LEFT}`,
    `key=${(request.key >>> 0).toString(16).padStart(8, '0')}`,
    `numwant=${request.numWant}`,
    'compact=1',
    'no_peer_id=1',
    'supportcrypto=1',
  ]
  if (request.event !== undefined) query.push(`event=${request.event}`)
  if (request.trackerId !== undefined) query.push(`trackerid=${percentEncode(request.trackerId)}`)
  return withQuery(tracker, query)
}

/** The URL that asks a scrape URL for the given infohashes (20 bytes each). */
export function scrapeRequestUrl(scrape: URL, infohashes: readonly Uint8Array[]): URL {
  return withQuery(
    scrape,
    infohashes.map(infohash => `info_hash=${percentEncode(infohash)}`),
  )
}

/** The port to announce: trackers refuse 0, so who cannot be reached says 1, as others do. */
export function announcedPort(request: AnnounceRequest): number {
  return request.port === 0 ? 1 : request.port
}

/**
 * Reads the answer to an announce: compact and dictionary `peers`, `peers6`, both at once.
 *
 * @throws ERR_TORRENTFS_TRACKER when the bytes are not a bencoded dictionary, and nothing else
 */
export function parseAnnounceAnswer(bytes: Uint8Array): AnnounceAnswer | TrackerRefusal {
  const fields = rootOf(bytes).pick([
    'complete',
    'downloaded',
    'external ip',
    'failure reason',
    'incomplete',
    'interval',
    'min interval',
    'peers',
    'peers6',
    'retry in',
    'tracker id',
    'warning message',
  ])
  const refusal = refusalOf(fields['failure reason'], fields['retry in'])
  if (refusal !== undefined) return refusal

  const addresses = peersOf(fields.peers)
  const compact6 = fields.peers6?.bytes
  if (compact6 !== undefined) addresses.push(...decodeCompact6(compact6, MAX_ADDRESSES - addresses.length))
  const warning = textOf(fields['warning message'])
  const trackerId = fields['tracker id']?.bytes
  const externalIp = fields['external ip']?.bytes
  return {
    kind: 'answer',
    addresses,
    ...optional('interval', seconds(fields.interval)),
    ...optional('minInterval', seconds(fields['min interval'])),
    ...optional('seeders', fields.complete?.size),
    ...optional('leechers', fields.incomplete?.size),
    ...optional('downloads', fields.downloaded?.size),
    ...optional('warning', warning),
    ...optional('externalIp', externalIp && decodeIp(externalIp)),
    // A copy: a view would keep the whole answer in memory until the next announce.
    ...optional('trackerId', trackerId && trackerId.length <= MAX_TRACKER_ID ? trackerId.slice() : undefined),
  }
}

/**
 * Reads the answer to a scrape.
 *
 * @throws ERR_TORRENTFS_TRACKER when the bytes are not a bencoded dictionary with `files`, and nothing else
 */
export function parseScrapeAnswer(bytes: Uint8Array): ScrapeAnswer | TrackerRefusal {
  const fields = rootOf(bytes).pick(['failure reason', 'files'])
  const refusal = refusalOf(fields['failure reason'], undefined)
  if (refusal !== undefined) return refusal
  if (fields.files?.kind !== 'dictionary') {
    throw new TorrentError('ERR_TORRENTFS_TRACKER', 'a scrape answer without files')
  }
  const entries: ScrapeEntry[] = []
  for (const [key, value] of fields.files.entries()) {
    if (entries.length === MAX_SCRAPE) break
    if (key.length !== 20) continue
    const counts = value.pick(['complete', 'downloaded', 'incomplete'])
    entries.push({
      infohash: Buffer.from(key.buffer, key.byteOffset, key.length).toString('hex'),
      seeders: counts.complete?.size ?? 0,
      leechers: counts.incomplete?.size ?? 0,
      downloads: counts.downloaded?.size ?? 0,
    })
  }
  return { kind: 'answer', entries }
}

function percentEncode(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) {
    const character = String.fromCharCode(byte)
    text += /[A-Za-z0-9._~-]/.test(character)
      ? character
      : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return text
}

function withQuery(base: URL, query: readonly string[]): URL {
  const url = new URL(base)
  url.search = (url.search.length > 1 ? `${url.search}&` : '?') + query.join('&')
  return url
}

function rootOf(bytes: Uint8Array): BencodeNode {
  let root: BencodeNode
  try {
    // Some trackers end their answers with a newline.
    root = BencodeNode.scan(bytes, { prefix: true, maxDepth: MAX_DEPTH }).root
  } catch (cause) {
    throw new TorrentError('ERR_TORRENTFS_TRACKER', 'an answer that is not bencoded', { cause })
  }
  if (root.kind !== 'dictionary')
    throw new TorrentError('ERR_TORRENTFS_TRACKER', 'an answer that is no dictionary')
  return root
}

function refusalOf(
  reason: BencodeNode | undefined,
  retry: BencodeNode | undefined,
): TrackerRefusal | undefined {
  if (reason === undefined) return undefined
  const minutes = retry?.size
  const never = retry !== undefined && textOf(retry) === 'never'
  return {
    kind: 'refusal',
    reason: textOf(reason) ?? 'no reason given',
    ...optional('retryAfter', never ? Infinity : minutes === undefined ? undefined : minutes * 60_000),
  }
}

function peersOf(peers: BencodeNode | undefined): KnownAddress[] {
  if (peers === undefined) return []
  const compact = peers.bytes
  if (compact !== undefined) return decodeCompact4(compact, MAX_ADDRESSES)
  const addresses: KnownAddress[] = []
  for (const item of peers.items()) {
    if (addresses.length === MAX_ADDRESSES) break
    const { ip, port } = item.pick(['ip', 'port'])
    const host = ip?.bytes
    // No IP literal is longer than 45 characters.
    if (host === undefined || host.length > 45) continue
    const address = addressOf(Buffer.from(host).toString('latin1'), port?.size)
    if (address !== undefined) addresses.push(address)
  }
  return addresses
}

function seconds(node: BencodeNode | undefined): number | undefined {
  const value = node?.size
  return value === undefined ? undefined : value * 1000
}

function textOf(node: BencodeNode | undefined): string | undefined {
  const bytes = node?.bytes
  if (bytes === undefined) return undefined
  const text = printable(bytes)
  return text === '' ? undefined : text
}

function optional<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return (value === undefined ? {} : { [key]: value }) as { [P in K]?: V }
}
