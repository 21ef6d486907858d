/**
 * Taking away a mount that stands, whatever backend made it.
 */
import { type Logger, TorrentError } from '../../torrent/index.js'
import { isMounted } from '../mount-table.js'
import { abortConnection } from './kernel-tuning.js'

export interface TakeAwayOptions {
  /** `MAJ:MIN` of the mount. */
  readonly device: string
  readonly mountDir: string
  readonly logger: Logger
  /** Asks the system. @returns undefined, or why not */
  readonly unmount: (o: { lazy: boolean }) => Promise<string | undefined>
}

/**
 * Unmounts, lazily if the mount is in use; then whoever still holds a file of it gets an error from now on.
 *
 * @throws ERR_TORRENTFS_MOUNT if the system refuses
 */
export async function takeAway({ device, mountDir, logger, unmount }: TakeAwayOptions): Promise<void> {
  const busy = await unmount({ lazy: false })
  if (busy === undefined || !(await isMounted(device, mountDir))) return
  logger.debug({ mountDir, reason: busy }, `"${mountDir}" is in use, detaching it`)
  const refusal = await unmount({ lazy: true })
  if (refusal !== undefined && (await isMounted(device, mountDir))) {
    throw new TorrentError('ERR_TORRENTFS_MOUNT', `cannot unmount "${mountDir}": ${refusal}`)
  }
  await abortConnection(device)
}
