/**
 * The only table from errors of the package to errno. The filesystem answers errors as negative errnos, which is what
 * the kernel and every FUSE binding speak.
 */
import { constants } from 'node:os'
import { TorrentError, type TorrentErrorCode } from '../torrent/index.js'

const { errno } = constants

export const EBADF = errno.EBADF
export const EINTR = errno.EINTR
export const EIO = errno.EIO
export const EISDIR = errno.EISDIR
export const ENOENT = errno.ENOENT
export const ENOTDIR = errno.ENOTDIR
export const EROFS = errno.EROFS

/** Everything not listed is EIO: a reader of a file understands no finer word. */
const byCode: Partial<Record<TorrentErrorCode, number>> = {
  ERR_TORRENTFS_ARGUMENT: errno.EINVAL,
  ERR_TORRENTFS_ABORTED: errno.EINTR,
  // `cat: No space left on device` names the cause where "Input/output error" would send one looking for a bad disk.
  ERR_TORRENTFS_DISK_FULL: errno.ENOSPC,
}

/** The positive errno of anything thrown. */
export function errnoOf(thrown: unknown): number {
  return (thrown instanceof TorrentError ? byCode[thrown.code] : undefined) ?? errno.EIO
}
