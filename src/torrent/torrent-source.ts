/**
 * What a torrent can be added by, and which of it is at hand and which must be fetched first.
 *
 * Pure. Owns how text is told apart: magnet links, infohashes, URLs and paths. Must not read or fetch anything.
 */
import { fileURLToPath } from 'node:url'

import { TorrentError } from './errors.js'
import type { Info } from './metainfo/info.js'
import { parseMagnet, type Magnet } from './metainfo/magnet.js'
import type { Metainfo } from './metainfo/metainfo.js'

/** What a magnet link says, as far as it is known. */
export type MagnetParts = Pick<Magnet, 'infohash'> & Partial<Magnet>

/**
 * A source whose infohash is at hand: the bytes of a `.torrent` file, what {@link parseMetainfo} made of them, a magnet
 * link, what {@link parseMagnet} made of one, or an infohash (40 hexadecimal or 32 base32 digits, with `infohash:` before
 * them or without). `{ metainfo }` and `{ magnet }` say which of them it is.
 */
export type KnownSource =
  | string
  | Uint8Array
  | ArrayBuffer
  | Metainfo
  | MagnetParts
  | { readonly metainfo: Uint8Array }
  | { readonly magnet: string }

/**
 * Where a torrent comes from. Beside {@link KnownSource}: the path of a `.torrent` file, or its `http:`, `https:` or `file:`
 * URL. A path that looks like something else is written with `./` before it.
 */
export type TorrentSource = KnownSource | URL

/** A source as the client goes about it. */
export type SourcePlace =
  | { readonly kind: 'metainfo'; readonly bytes: Uint8Array }
  | { readonly kind: 'parsed'; readonly metainfo: Metainfo }
  | { readonly kind: 'magnet'; readonly magnet: MagnetParts }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'url'; readonly url: URL }

const URN = 'magnet:?xt=urn:btih:'
const INFOHASH = /^(?:[0-9a-f]{40}|[a-z2-7]{32})$/i
const LONGEST_SHOWN = 100

/**
 * What a source is.
 *
 * @throws ERR_TORRENTFS_ARGUMENT for what is none; ERR_TORRENTFS_MAGNET, ERR_TORRENTFS_V2_ONLY for a magnet link that is of no use
 */
export function placeOfSource(source: TorrentSource): SourcePlace {
  if (typeof source === 'string') return placeOfText(source)
  if (source instanceof URL) return placeOfUrl(source)
  if (source instanceof Uint8Array) return { kind: 'metainfo', bytes: source }
  if (source instanceof ArrayBuffer) return { kind: 'metainfo', bytes: new Uint8Array(source) }
  if (typeof source === 'object' && source !== null) {
    if ('metainfo' in source && source.metainfo instanceof Uint8Array)
      return { kind: 'metainfo', bytes: source.metainfo }
    if ('magnet' in source && typeof source.magnet === 'string')
      return { kind: 'magnet', magnet: parseMagnet(source.magnet) }
    if ('info' in source && (source.info as Info | null)?.raw instanceof Uint8Array)
      return { kind: 'parsed', metainfo: source }
    if ('infohash' in source && INFOHASH.test(source.infohash)) {
      const { infohash } = parseMagnet(URN + source.infohash)
      return { kind: 'magnet', magnet: { ...source, infohash } }
    }
  }
  throw new TorrentError(
    'ERR_TORRENTFS_ARGUMENT',
    `source: a path, URL, magnet link, infohash, or the bytes or contents of a torrent file is needed, not ${describe(source)}`,
  )
}

/** The 40 lower-case hexadecimal digits of an infohash written in either way; undefined for anything else. */
export function canonicalInfohash(text: string): string | undefined {
  const digits = text.replace(/^infohash:/i, '')
  return INFOHASH.test(digits) ? parseMagnet(URN + digits).infohash : undefined
}

function placeOfText(text: string): SourcePlace {
  if (/^\s*magnet:/i.test(text)) return { kind: 'magnet', magnet: parseMagnet(text) }
  const infohash = canonicalInfohash(text.trim())
  if (infohash !== undefined) return { kind: 'magnet', magnet: parseMagnet(URN + infohash) }
  if (/^infohash:/i.test(text)) {
    throw new TorrentError(
      'ERR_TORRENTFS_ARGUMENT',
      `source: ${shown(text)} is no infohash: 40 hexadecimal or 32 base32 digits are needed`,
    )
  }
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(text.trim())
  if (scheme === null) {
    if (text === '') throw new TorrentError('ERR_TORRENTFS_ARGUMENT', 'source: an empty text')
    return { kind: 'file', path: text }
  }
  if (!URL.canParse(text.trim()))
    throw new TorrentError('ERR_TORRENTFS_ARGUMENT', `source: ${shown(text)} is no valid URL`)
  return placeOfUrl(new URL(text.trim()))
}

function placeOfUrl(url: URL): SourcePlace {
  if (url.protocol === 'http:' || url.protocol === 'https:') return { kind: 'url', url }
  if (url.protocol === 'magnet:') return { kind: 'magnet', magnet: parseMagnet(url.href) }
  if (url.protocol === 'file:') return { kind: 'file', path: pathOf(url) }
  throw new TorrentError(
    'ERR_TORRENTFS_ARGUMENT',
    `source: ${shown(url.href)}: torrent files are fetched from http, https and file URLs, not from ${url.protocol}`,
  )
}

function pathOf(url: URL): string {
  try {
    return fileURLToPath(url)
  } catch (cause) {
    throw new TorrentError('ERR_TORRENTFS_ARGUMENT', `source: ${shown(url.href)} names no file here`, {
      cause,
    })
  }
}

function describe(source: unknown): string {
  if (source === null || typeof source !== 'object')
    return String(source === undefined ? source : typeof source)
  return Array.isArray(source)
    ? 'an array'
    : `an object with ${Object.keys(source).slice(0, 5).join(', ') || 'nothing in it'}`
}

function shown(text: string): string {
  return JSON.stringify(text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}...` : text)
}
