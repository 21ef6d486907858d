/**
 * The entry `torrentfs/metainfo`: torrent files and magnet links, read and written (BEP 3, 5, 9, 12, 17, 19, 27, 47, 53).
 * Loads nothing of the network.
 *
 * @module torrentfs/metainfo
 */
/// <reference types="node" preserve="true" />
export { checkPieces, type CheckPiecesOptions } from '../check-pieces.js'
export { choosePieceLength, createTorrent, type CreateTorrentOptions } from '../create.js'
export { TorrentError, type TorrentErrorCode } from '../errors.js'
export type { SkipReason } from '../hashing/content-walk.js'
export type { HostPort } from '../metainfo/addresses.js'
export {
  buildInfo,
  buildMetainfo,
  wrapInfo,
  type BuildFile,
  type InfoFields,
  type MetainfoFields,
} from '../metainfo/create.js'
export { MAX_INFO_BYTES, MAX_PIECE_LENGTH, parseInfo, type Info, type InfoFile } from '../metainfo/info.js'
export { formatMagnet, MAX_MAGNET_LENGTH, parseMagnet, type Magnet } from '../metainfo/magnet.js'
export { MAX_METAINFO_BYTES, parseMetainfo, type Metainfo } from '../metainfo/metainfo.js'
export type { FileRange } from '../metainfo/select-only.js'
export { BLOCK_LENGTH, Geometry, type GeometryFile, type Segment } from '../pieces/geometry.js'
