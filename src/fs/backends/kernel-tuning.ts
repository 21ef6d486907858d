/**
 * What the kernel lets root, or the owner of a mount, adjust beside the mount's options. Best effort: nothing here fails.
 */
import { writeFile } from 'node:fs/promises'
import { type Logger, messageOf } from '../../torrent/index.js'

/**
 * Raises how far the kernel reads ahead on a mount; its 128 KiB leave one or two requests under way, each of which costs
 * the reader a full round trip. Only root may.
 *
 * @param device `MAJ:MIN` of the mount
 */
export async function raiseReadahead(device: string, kibibytes: number, logger: Logger): Promise<void> {
  try {
    await writeFile(`/sys/class/bdi/${device}/read_ahead_kb`, String(kibibytes))
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
