/**
 * What a source says of a torrent, as the torrent takes it: when it is made, and when more is learnt of it later.
 *
 * Owns nothing.
 */
import { parseInfo } from './metainfo/info.js'
import { parseMetainfo, type Metainfo } from './metainfo/metainfo.js'
import { Geometry } from './pieces/geometry.js'
import type { Torrent } from './torrent.js'
import type { TorrentSeed } from './torrent-context.js'
import type { MagnetParts, SourcePlace } from './torrent-source.js'
import type { NamedWebSeed } from './web-seeds.js'

/**
 * @throws ERR_TORRENTFS_METAINFO, ERR_TORRENTFS_BENCODE, ERR_TORRENTFS_V2_ONLY
 */
export function seedOf(place: Extract<SourcePlace, { kind: 'metainfo' | 'parsed' | 'magnet' }>): TorrentSeed {
  if (place.kind === 'magnet') return seedOfMagnet(place.magnet)
  return place.kind === 'parsed' ? seedOfParsed(place.metainfo) : seedOfMetainfo(place.bytes)
}

/** @param bytes - a torrent file */
export function seedOfMetainfo(bytes: Uint8Array): TorrentSeed {
  return seedOfParsed(parseMetainfo(bytes))
}

/** Adds what a seed says to a torrent that is there already: trackers, peers, web seeds, metadata. */
export function mergeSeed(torrent: Torrent, seed: TorrentSeed): void {
  torrent.addTrackers(seed.trackers)
  torrent.addPeers(seed.peers)
  for (const { url, kind } of seed.webSeeds) torrent.addWebSeed(url, { kind, trusted: false })
  if (seed.creationDate !== undefined) torrent.setCreationDate(seed.creationDate)
  if (seed.info !== undefined) torrent.setInfo(seed.info)
  torrent.noteMagnet(seed)
}

function seedOfParsed(metainfo: Metainfo): TorrentSeed {
  const { trackers, nodes, creationDate, webSeeds, httpSeeds } = metainfo
  // One that went through a clone or JSON is no longer what the parser made.
  const info = metainfo.info.geometry instanceof Geometry ? metainfo.info : parseInfo(metainfo.info.raw)
  return {
    infohash: info.infohash,
    info,
    trackers,
    peers: [],
    webSeeds: [...named(webSeeds, 'files'), ...named(httpSeeds, 'pieces')],
    nodes,
    ...(creationDate === undefined ? {} : { creationDate }),
  }
}

function seedOfMagnet(magnet: MagnetParts): TorrentSeed {
  // One that a caller wrote himself may have left the rest out.
  const { infohash, name, trackers = [], peers = [], webSeeds = [], sources = [], selectOnly } = magnet
  return {
    infohash,
    trackers,
    peers,
    webSeeds: named(webSeeds, 'files'),
    sources,
    ...(name === undefined ? {} : { name }),
    ...(selectOnly === undefined ? {} : { selectOnly }),
  }
}

function named(urls: readonly string[], kind: NamedWebSeed['kind']): NamedWebSeed[] {
  return urls.map(url => ({ url, kind }))
}
