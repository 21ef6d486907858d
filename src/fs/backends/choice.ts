/**
 * Which backend carries a mount.
 */
import type { Logger } from '../../torrent/index.js'
import type { MountBackend } from './backend.js'
import { fuseNativeBackend } from './fuse-native.js'
import { kernelBackend } from './kernel.js'
import { whyNoSyscalls } from './kernel/syscalls.js'

/** `auto` is our own session where it can run, else fuse-native. */
export const BACKEND_NAMES = ['auto', 'kernel', 'fuse-native'] as const

/** One of {@link BACKEND_NAMES}; `auto` takes the first that can work here. */
export type BackendName = (typeof BACKEND_NAMES)[number]

/** Loads nothing of a backend that is not chosen. */
export function chooseBackend(name: BackendName, logger: Logger): MountBackend {
  if (name === 'kernel') return kernelBackend
  if (name === 'fuse-native') return fuseNativeBackend
  const reason = process.platform === 'linux' ? whyNoSyscalls() : 'it speaks to Linux alone'
  if (reason === undefined) return kernelBackend
  logger.info({ reason }, `mounting through fuse-native: the kernel backend cannot run here: ${reason}`)
  return fuseNativeBackend
}
