/**
 * Metainfo files (`.torrent`): the info dictionary and what stands around it (BEP 3, 5, 12, 17, 19).
 *
 * Owns what of a metainfo file is used. Must not read files or contact what it names.
 */
import { TorrentError, messageOf } from '../errors.js'
import { hostPort, MAX_ADDRESSES, trackerTiers, webSeedUrls, type HostPort } from './addresses.js'
import { BencodeNode } from './bencode-node.js'
import { parseInfo, type Info } from './info.js'

/** A metainfo file that was checked. */
export interface Metainfo {
  /** The info dictionary; holds a copy of its bytes, nothing of the file's. */
  readonly info: Info
  /** Tracker URLs (http, https, udp) in tiers, without repetitions (BEP 12). */
  readonly trackers: string[][]
  /** DHT nodes (BEP 5). */
  readonly nodes: HostPort[]
  /** HTTP(S) sources of the content as files (BEP 19). */
  readonly webSeeds: string[]
  /** HTTP(S) sources of the content as pieces (BEP 17). */
  readonly httpSeeds: string[]
  /** When the file was made, in ms since 1970. */
  readonly creationDate?: number
  /** What its maker says of it; at most 16 Ki characters. */
  readonly comment?: string
  /** The program that made it; at most 16 Ki characters. */
  readonly createdBy?: string
}

/** Largest metainfo file that is accepted, in bytes; those of hybrids hold much beside the info dictionary. */
export const MAX_METAINFO_BYTES = 256 * 1024 * 1024

const MAX_TEXT_LENGTH = 16384
/** The largest time a `Date` can hold, in seconds. */
const MAX_SECONDS = 8.64e12

/**
 * Reads a metainfo file. Whatever stands around the info dictionary and makes no sense is left out, not an error.
 *
 * @param bytes the whole file; not kept
 * @throws ERR_TORRENTFS_METAINFO when it is no valid metainfo file
 * @throws ERR_TORRENTFS_V2_ONLY when its torrent has no v1 half
 */
export function parseMetainfo(bytes: Uint8Array): Metainfo {
  const keys = scanned(bytes).pick([
    'announce',
    'announce-list',
    'comment',
    'comment.utf-8',
    'created by',
    'creation date',
    'httpseeds',
    'info',
    'nodes',
    'url-list',
  ])
  if (keys.info === undefined) throw invalid('no info dictionary')
  // A copy: the file's buffer may be far larger (piece layers), may be pooled, and is the caller's.
  const info = parseInfo(keys.info.raw.slice())

  let trackers = trackerTiers(tiersOf(keys['announce-list']))
  if (trackers.length === 0) trackers = trackerTiers([stringsOf(keys.announce)])
  const creationDate = dateOf(keys['creation date'])
  const comment = textOf(keys['comment.utf-8'] ?? keys.comment)
  const createdBy = textOf(keys['created by'])
  return {
    info,
    trackers,
    nodes: nodesOf(keys.nodes),
    webSeeds: webSeedUrls(stringsOf(keys['url-list'])),
    httpSeeds: webSeedUrls(stringsOf(keys.httpseeds)),
    ...(creationDate !== undefined && { creationDate }),
    ...(comment !== undefined && { comment }),
    ...(createdBy !== undefined && { createdBy }),
  }
}

function invalid(why: string, cause?: unknown): TorrentError {
  return new TorrentError('ERR_TORRENTFS_METAINFO', `not a valid metainfo file: ${why}`, { cause })
}

function scanned(bytes: Uint8Array): BencodeNode {
  if (bytes.length === 0) throw invalid('empty')
  if (bytes.length > MAX_METAINFO_BYTES)
    throw invalid(`${bytes.length} bytes are more than ${MAX_METAINFO_BYTES}`)
  let scan
  try {
    scan = BencodeNode.scan(bytes, { prefix: true })
  } catch (error) {
    throw invalid(messageOf(error), error)
  }
  // Editors and mail leave line ends behind files; nothing else may stand there.
  for (let index = scan.report.end; index < bytes.length; index++) {
    const byte = bytes[index]!
    if (byte !== 0x0a && byte !== 0x0d && byte !== 0x20 && byte !== 0x09) throw invalid('bytes after its end')
  }
  if (scan.root.kind !== 'dictionary') throw invalid('not a dictionary')
  return scan.root
}

function textOf(node: BencodeNode | undefined): string | undefined {
  const bytes = node?.bytes
  if (bytes === undefined || bytes.length === 0) return undefined
  return Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, MAX_TEXT_LENGTH)).toString('utf8')
}

/** The strings of a list, or one string as if it were such a list. */
function* stringsOf(node: BencodeNode | undefined): Generator<string, void, undefined> {
  if (node === undefined) return
  for (const item of node.kind === 'list' ? node.items() : [node]) {
    const text = textOf(item)
    if (text !== undefined) yield text
  }
}

function* tiersOf(node: BencodeNode | undefined): Generator<Iterable<string>, void, undefined> {
  // Some programs write a flat list: each string is then a tier of its own.
  if (node !== undefined) for (const tier of node.items()) yield stringsOf(tier)
}

function nodesOf(node: BencodeNode | undefined): HostPort[] {
  const nodes: HostPort[] = []
  for (const item of node?.items() ?? []) {
    const [host, port] = item.items()
    const address = hostPort(textOf(host) ?? '', port?.size ?? 0)
    if (address !== undefined && nodes.length < MAX_ADDRESSES) nodes.push(address)
  }
  return nodes
}

function dateOf(node: BencodeNode | undefined): number | undefined {
  const seconds = node?.size
  return seconds !== undefined && seconds > 0 && seconds <= MAX_SECONDS ? seconds * 1000 : undefined
}
