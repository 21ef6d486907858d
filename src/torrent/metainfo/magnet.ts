/**
 * Magnet links of torrents (BEP 9, 19, 53).
 *
 * Owns reading and writing the URI. Must not contact anything it names.
 */
import { TorrentError } from '../errors.js'
import {
  formatHostPort,
  MAX_ADDRESSES,
  parseHostPort,
  trackerTiers,
  webSeedUrls,
  type HostPort,
} from './addresses.js'
import { safeComponent } from './safe-path.js'
import { formatSelectOnly, parseSelectOnly, type FileRange } from './select-only.js'

/** What a magnet link says of a torrent. */
export interface Magnet {
  /** 40 lower-case hexadecimal digits. */
  readonly infohash: string
  /** What to call the torrent until its metadata is known; safe as one path component. */
  readonly name?: string
  /** Tracker URLs (http, https, udp), each a tier of its own, in the link's order: it has no notion of tiers. */
  readonly trackers: string[][]
  /** Peers to try at once (`x.pe`). */
  readonly peers: HostPort[]
  /** HTTP(S) sources of the content (`ws`). */
  readonly webSeeds: string[]
  /** HTTP(S) sources of the torrent file (`xs`, `as`), the exact ones first. */
  readonly sources: string[]
  /** The files that are meant (`so`); undefined for all. */
  readonly selectOnly?: readonly FileRange[]
}

/** Longest magnet link that is accepted, in characters. */
export const MAX_MAGNET_LENGTH = 65536

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567'

/**
 * Reads a magnet link. Parameters that are unknown or make no sense are left out.
 *
 * @throws ERR_TORRENTFS_MAGNET when it is no magnet link of a torrent
 * @throws ERR_TORRENTFS_V2_ONLY when it names a v2 infohash alone
 */
export function parseMagnet(uri: string): Magnet {
  if (uri.length > MAX_MAGNET_LENGTH) throw invalid(`longer than ${MAX_MAGNET_LENGTH} characters`)
  const match = /^\s*magnet:\/?\??([^#]*)/i.exec(uri)
  if (match === null) throw invalid('it does not begin with magnet:?')
  let infohash: string | undefined
  let v2 = false
  let name: string | undefined
  const trackers: string[] = []
  const peers: HostPort[] = []
  const webSeeds: string[] = []
  const exact: string[] = []
  const acceptable: string[] = []
  let urn: string | undefined
  let selectOnly: FileRange[] | undefined
  for (const [key, value] of new URLSearchParams(match[1]!.trim())) {
    // A parameter that comes more than once may carry a number: xt.1, tr.2.
    switch (/^(.+?)(?:\.\d+)?$/.exec(key.toLowerCase())?.[1]) {
      case 'xt':
        infohash ??= infohashOf(value)
        if (/^urn:btmh:/i.test(value)) v2 = true
        break
      case 'dn':
        if (value !== '') name ??= safeComponent(value)
        break
      case 'tr':
        trackers.push(value)
        break
      case 'x.pe': {
        const peer = parseHostPort(value.trim())
        if (peer !== undefined && peers.length < MAX_ADDRESSES) peers.push(peer)
        break
      }
      case 'ws':
        webSeeds.push(value)
        break
      case 'xs':
        // A source by its infohash alone is the swarm: it names the torrent where nothing else does.
        urn ??= infohashOf(value)
        exact.push(value)
        break
      case 'as':
        acceptable.push(value)
        break
      case 'so':
        selectOnly ??= parseSelectOnly(value)
        break
      default:
    }
  }
  infohash ??= v2 ? undefined : urn
  if (infohash === undefined) {
    if (v2)
      throw new TorrentError('ERR_TORRENTFS_V2_ONLY', 'magnet links of version 2 alone are not supported yet')
    throw invalid('it has no infohash (xt=urn:btih:...)')
  }
  return {
    infohash,
    ...(name !== undefined && { name }),
    trackers: trackerTiers(trackers.map(url => [url])),
    peers,
    webSeeds: webSeedUrls(webSeeds),
    sources: webSeedUrls([...exact, ...acceptable]),
    ...(selectOnly !== undefined && { selectOnly }),
  }
}

/**
 * Writes a magnet link that {@link parseMagnet} reads back (tiers are flattened). Values are form-encoded as Go's library
 * does it: letters, digits and `-_.~` stay, a space becomes `+`.
 */
export function formatMagnet(magnet: {
  readonly infohash: string
  readonly name?: string
  readonly trackers?: readonly (readonly string[])[]
  readonly peers?: readonly HostPort[]
  readonly webSeeds?: readonly string[]
  readonly sources?: readonly string[]
  readonly selectOnly?: readonly FileRange[]
}): string {
  const parts = [`magnet:?xt=urn:btih:${magnet.infohash}`]
  const add = (key: string, value: string): void => {
    parts.push(`${key}=${formEncoded(value)}`)
  }
  if (magnet.name !== undefined) add('dn', magnet.name)
  for (const url of magnet.trackers?.flat() ?? []) add('tr', url)
  for (const peer of magnet.peers ?? []) add('x.pe', formatHostPort(peer))
  for (const url of magnet.webSeeds ?? []) add('ws', url)
  for (const url of magnet.sources ?? []) add('xs', url)
  if (magnet.selectOnly !== undefined && magnet.selectOnly.length > 0)
    parts.push(`so=${formatSelectOnly(magnet.selectOnly)}`)
  return parts.join('&')
}

/** What `encodeURIComponent` leaves beside letters, digits and `-_.~`, and a space as forms have it. */
function formEncoded(value: string): string {
  return encodeURIComponent(value.toWellFormed()).replace(/%20|[!'()*]/g, found =>
    found === '%20' ? '+' : `%${found.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

function invalid(why: string): TorrentError {
  return new TorrentError('ERR_TORRENTFS_MAGNET', `not a magnet link of a torrent: ${why}`)
}

/** The infohash in `urn:btih:`, of 40 hexadecimal or 32 base32 characters, as lower-case hexadecimal. */
function infohashOf(urn: string): string | undefined {
  const match = /^urn:btih:(?:([0-9a-f]{40})|([a-z2-7]{32}))$/i.exec(urn.trim())
  if (match === null) return undefined
  if (match[1] !== undefined) return match[1].toLowerCase()
  let bits = 0n
  for (const character of match[2]!.toLowerCase()) bits = (bits << 5n) | BigInt(BASE32.indexOf(character))
  return bits.toString(16).padStart(40, '0')
}
