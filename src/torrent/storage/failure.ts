/**
 * What a failed system call means to users of a storage.
 *
 * Owns the mapping from errno to the package's codes for storage. Must not know mounts: `fs/errno` maps codes back.
 */
import { messageOf, TorrentError } from '../errors.js'

/** The errno name of anything that was thrown, if it has one. */
export function errnoOf(thrown: unknown): string | undefined {
  if (typeof thrown !== 'object' || thrown === null || !('code' in thrown)) return undefined
  return typeof thrown.code === 'string' ? thrown.code : undefined
}

/**
 * The error for a failed operation on a file: ERR_TORRENTFS_DISK_FULL when there is no space (or quota) left, else
 * ERR_TORRENTFS_STORAGE. A TorrentError is returned as it is.
 *
 * @param doing what failed, to be followed by the path: "write", "create the folder"
 */
export function storageFailure(thrown: unknown, doing: string, path: string): TorrentError {
  if (thrown instanceof TorrentError) return thrown
  const errno = errnoOf(thrown)
  if (errno === 'ENOSPC' || errno === 'EDQUOT') {
    const what = errno === 'EDQUOT' ? 'disk quota exceeded' : 'disk full'
    return new TorrentError('ERR_TORRENTFS_DISK_FULL', `${what}: cannot ${doing} ${path}`, { cause: thrown })
  }
  return new TorrentError('ERR_TORRENTFS_STORAGE', `cannot ${doing} ${path}: ${messageOf(thrown)}`, {
    cause: thrown,
  })
}
