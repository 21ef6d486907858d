/**
 * The one error class of the package and its stable codes.
 *
 * Callers match `code`, never the message. Only `fs/errno` maps a code to an errno.
 */

/** Every code a {@link TorrentError} may carry. They are stable: removing or renaming one is a breaking change. */
export type TorrentErrorCode =
  | 'ERR_TORRENTFS_ARGUMENT'
  | 'ERR_TORRENTFS_METAINFO'
  | 'ERR_TORRENTFS_BENCODE'
  | 'ERR_TORRENTFS_SOURCE'
  | 'ERR_TORRENTFS_V2_ONLY'
  | 'ERR_TORRENTFS_MAGNET'
  | 'ERR_TORRENTFS_PROTOCOL'
  | 'ERR_TORRENTFS_CONNECTION'
  | 'ERR_TORRENTFS_TIMEOUT'
  | 'ERR_TORRENTFS_TRACKER'
  | 'ERR_TORRENTFS_PROXY'
  | 'ERR_TORRENTFS_BLOCKLIST'
  | 'ERR_TORRENTFS_STORAGE'
  | 'ERR_TORRENTFS_DISK_FULL'
  | 'ERR_TORRENTFS_LISTEN'
  | 'ERR_TORRENTFS_REMOVED'
  | 'ERR_TORRENTFS_CLOSED'
  | 'ERR_TORRENTFS_READER_CLOSED'
  | 'ERR_TORRENTFS_READ_TIMEOUT'
  | 'ERR_TORRENTFS_ABORTED'
  | 'ERR_TORRENTFS_MOUNT'

/** An error of this package: a stable `code`, a message naming what and where, and the `cause` when there is one. */
export class TorrentError extends Error {
  readonly code: TorrentErrorCode

  constructor(code: TorrentErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'TorrentError'
    this.code = code
  }
}

/** The message of anything that was thrown, for use inside another message. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}

/** An error that says what failed, with the reason of what was thrown behind it. */
export function causedBy(cause: unknown, code: TorrentErrorCode, what: string): TorrentError {
  return new TorrentError(code, `${what}: ${messageOf(cause)}`, { cause })
}
