/**
 * What the system allows ordinary users to mount with.
 */
import { readFile } from 'node:fs/promises'
import { TorrentError } from '../../torrent/index.js'

/**
 * Checks that this user may let others into a mount.
 *
 * @throws ERR_TORRENTFS_MOUNT saying what is missing
 */
export async function checkAllowOther(mountDir: string): Promise<void> {
  if (process.getuid?.() === 0) return
  const text = await readFile('/etc/fuse.conf', 'utf8').catch(() => '')
  if (/^\s*user_allow_other\s*$/m.test(text)) return
  const reason = 'other users are let in only if /etc/fuse.conf has a line "user_allow_other"'
  throw new TorrentError('ERR_TORRENTFS_MOUNT', `cannot mount on "${mountDir}": ${reason}`)
}
