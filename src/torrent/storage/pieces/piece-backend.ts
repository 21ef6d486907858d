/**
 * What one writes to keep torrents somewhere else: a place that holds whole pieces.
 *
 * Owns the interface alone. {@link PieceStorage} makes a full storage of it: it knows files, pads, ranges across pieces, writes of
 * a part of a piece, and which pieces are stored. A backend needs to know none of these.
 */
import type { TorrentCompletion } from '../completion/completion.js'
import type { StorageTorrent } from '../storage.js'

/** A place that holds the pieces of torrents. */
export interface PieceBackend {
  /**
   * Opens the pieces of a torrent, which may be there from an earlier run. Never called for a torrent that is open. Should
   * create nothing: the first write does.
   */
  open(torrent: StorageTorrent): Promise<TorrentPieces>
  /**
   * Capability: frees all pieces of a torrent that is not open, and its marks if they are the backend's own. Without it the
   * torrent is opened and its pieces are removed one by one.
   */
  remove?(torrent: StorageTorrent): Promise<void>
  /** Called once, when every torrent was closed. */
  close?(): Promise<void>
}

/**
 * The pieces of one torrent. What these throw reaches users as ERR_TORRENTFS_STORAGE (ERR_TORRENTFS_DISK_FULL when its
 * `code` is ENOSPC) naming the piece, unless it is a TorrentError: that is passed on as it is.
 *
 * `write`, `store`, `remove` and marks of one piece are never called at the same time; reads may come at any time.
 */
export interface TorrentPieces {
  /**
   * Copies the bytes of a piece from `begin` on into `target`.
   *
   * @returns how many it copied: fewer than `target.length` only where the piece is missing or too short
   */
  read(piece: number, begin: number, target: Uint8Array): Promise<number>
  /** Capability: `read` at once, where that is no more than copying; undefined where it is more. */
  readNow?(piece: number, begin: number, target: Uint8Array): number | undefined
  /**
   * Keeps a piece, whole; `bytes` are the caller's again when the promise settles. What was there before is replaced at once
   * or stays. What is resolved survives a kill of this process.
   */
  write(piece: number, bytes: Uint8Array): Promise<void>
  /** Frees the bytes of a piece. One that is not there is no error. */
  remove(piece: number): Promise<void>
  /** Called once; nothing else is afterwards. The bytes should be safe from a crash of the machine when it resolves. */
  close?(): Promise<void>
  /** Capability: what is resolved survives a crash of the machine as well. Otherwise pieces are hashed again after one. */
  readonly durable?: boolean
  /** Capability: which pieces are stored, kept beside the bytes. `remove` also clears the mark. */
  readonly completion?: TorrentCompletion
  /** Capability, with `completion`: `write` and the mark at once, so that a crash leaves both or neither. */
  store?(piece: number, bytes: Uint8Array): Promise<void>
}
