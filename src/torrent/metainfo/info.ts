/**
 * The info dictionary of a torrent, read from its raw bytes (BEP 3; pad files BEP 47; private BEP 27; hybrids BEP 52).
 *
 * Owns what an info dictionary must look like to be accepted. Must not know where the bytes came from.
 */
import type { Geometry } from '../pieces/geometry.js'
import { TorrentError } from '../errors.js'

/** One file of a torrent. */
export interface InfoFile {
  /** Position in {@link Info.files}. */
  readonly index: number
  /** Safe and unique components below the torrent's root; in a single-file torrent, the torrent's name alone. */
  readonly path: readonly string[]
  /** First byte of the file in the torrent. */
  readonly offset: number
  /** Bytes in the file; may be 0. */
  readonly length: number
  /** A pad file (BEP 47): zeros, not stored, not shown, not asked for. */
  readonly pad: boolean
}

/** An info dictionary that was checked and is safe to use. Immutable. */
export interface Info {
  /** SHA-1 of `raw` as 40 lower-case hexadecimal digits. */
  readonly infohash: string
  /** The info dictionary's own bytes, as they came; served to peers (BEP 9). */
  readonly raw: Uint8Array
  /** The torrent's name, safe as one path component. */
  readonly name: string
  /** Bytes in a piece (the last may be shorter). */
  readonly pieceLength: number
  /** Bytes in the torrent, pad files included. */
  readonly length: number
  /** SHA-1 digests of the pieces, 20 bytes each: a view into `raw`. */
  readonly pieceHashes: Uint8Array
  /** Every file in torrent order, pad files included. */
  readonly files: readonly InfoFile[]
  /** BEP 27: peers come from the trackers only. */
  readonly private: boolean
  /** Whether the torrent is a folder (`files`) rather than a single file (`length`). */
  readonly multiFile: boolean
  /** Piece, block and file arithmetic over `files`. */
  readonly geometry: Geometry
  /** Whether the torrent also has a v2 half (BEP 52), which is not used. */
  readonly hybrid: boolean
}

/**
 * Reads an info dictionary.
 *
 * @param raw exactly the bytes of the dictionary; kept by the result, so must not change afterwards
 * @throws ERR_TORRENTFS_METAINFO when it is no valid info dictionary
 * @throws ERR_TORRENTFS_V2_ONLY when it has no v1 half
 */
export function parseInfo(raw: Uint8Array): Info {
  throw new TorrentError('ERR_TORRENTFS_METAINFO', `not written yet (${raw.length} bytes)`)
}
