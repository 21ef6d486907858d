/**
 * What a torrent tells of itself.
 */
import type { TorrentError } from './errors.js'
import type { Info } from './metainfo/info.js'
import type { PieceState } from './piece.js'

/** Names and arguments of a torrent's events. */
export interface TorrentEvents {
  /** The info dictionary is known. */
  metadata: [info: Info]
  /** The metadata is known and the storage open: there are files. */
  ready: []
  /** A piece was stored. */
  stored: [piece: number]
  /** A piece is stored no longer: its file is not what it was. It is hashed again when it is wanted. */
  doubted: [piece: number]
  /** A piece was given up, to make room for others: see `cacheBytes`. It is fetched again when it is wanted. */
  evicted: [piece: number]
  /** What is known of a piece changed: it is being fetched or hashed, or not any more, or is stored. */
  piece: [index: number, state: PieceState]
  /** Everything selected is stored. */
  complete: []
  /** It was removed from its client, or the client closed. */
  removed: []
  /** Something the user should know; the torrent goes on. */
  warning: [error: TorrentError]
}
