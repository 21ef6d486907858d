/**
 * Whether the fuse-native backend can run here.
 */
import { accessSync, constants } from 'node:fs'

/** Undefined if it can, else what is missing. */
export function whyNoFuseNative(): string | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'fuse-native needs linux-x64'
  try {
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK)
    return undefined
  } catch {
    return '/dev/fuse cannot be opened'
  }
}
