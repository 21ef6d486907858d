/**
 * What the kernel lets root, or the owner of a mount, adjust beside the mount's options. Best effort: nothing here fails.
 */
import { writeFile } from 'node:fs/promises'
import { messageOf } from '../../torrent/errors.js'
import type { Logger } from '../../torrent/logger.js'

/** KiB the kernel reads ahead of a sequential reader. */
const READAHEAD_KIB = 1024

/**
 * Raises how far the kernel reads ahead on a mount; its 128 KiB leave one request under way, so that each costs the
 * reader a full round trip to the swarm. Only root may.
 *
 * @param device `MAJ:MIN` of the mount
 */
export async function raiseReadahead(device: string, logger: Logger): Promise<void> {
  try {
    await writeFile(`/sys/class/bdi/${device}/read_ahead_kb`, String(READAHEAD_KIB))
  } catch (error) {
    logger.debug({ device, reason: messageOf(error) }, 'the readahead of the kernel stays at its default')
  }
}

/**
 * Makes the kernel drop its connection to a FUSE daemon: whatever waits for an answer gets an error.
 *
 * @param device `MAJ:MIN` of the mount
 */
export async function abortConnection(device: string): Promise<void> {
  const minor = device.split(':')[1]
  await writeFile(`/sys/fs/fuse/connections/${minor}/abort`, '1').catch(() => {})
}
