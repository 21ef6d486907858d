/**
 * Whether a backend can run here.
 */
import { accessSync, constants } from 'node:fs'

/** Undefined if it can, else what is missing. */
export function whyNoFuse(backend: 'kernel' | 'fuse-native'): string | undefined {
  if (process.platform !== 'linux') return 'it needs Linux'
  if (backend === 'fuse-native' && process.arch !== 'x64') return 'fuse-native needs linux-x64'
  try {
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK)
    return undefined
  } catch {
    return '/dev/fuse cannot be opened'
  }
}
