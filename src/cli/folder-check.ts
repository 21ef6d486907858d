/**
 * Refuses folders that would make the mount part of what it shows.
 *
 * Looks at paths only, and not below a folder that is a mount already: one whose daemon was killed may never answer.
 */

import { realpath, stat } from 'node:fs/promises'
import { basename, dirname, join, relative, sep } from 'node:path'
import { mountAt } from '../fs/index.js'
import type { DaemonConfig } from './daemon-flags.js'
import { storagePath } from './storage-choice.js'
import { UsageError } from './usage-error.js'

/** @throws UsageError naming the flags whose folders lie in one another, or that are no folders */
export async function checkFolders(config: DaemonConfig): Promise<void> {
  const mountDir = await settleMountDir(config.mountDir)
  const kept = storagePath(config.storage, config.downloadDir)
  if (kept !== undefined && (isWithin(kept, mountDir) || isWithin(await settle(kept), mountDir))) {
    throw new UsageError(
      `-storage (${kept}) lies inside -mountDir (${mountDir}): choose a place outside of it`,
    )
  }
  for (const flag of ['metainfoDir', 'downloadDir'] as const) {
    if (isWithin(config[flag], mountDir)) throw overlap('inside', flag, config[flag], mountDir)
    const folder = await settle(config[flag])
    if (isWithin(folder, mountDir)) throw overlap('inside', flag, folder, mountDir)
    // `torrentfs -mountDir=mnt` is meant to work: the current folder as a default is no choice to hold against anyone,
    // and the store takes a mount point among its files for what it is.
    if (flag === 'downloadDir' && !config.downloadDirGiven) continue
    if (isWithin(mountDir, folder)) throw overlap('around', flag, folder, mountDir)
    await demandFolder(flag, folder)
  }
}

/** True when `path` is `folder` or lies in it. */
function isWithin(path: string, folder: string): boolean {
  const way = relative(folder, path)
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`))
}

function overlap(where: 'inside' | 'around', flag: string, folder: string, mountDir: string): UsageError {
  if (folder === mountDir)
    return new UsageError(`-mountDir and -${flag} are the same folder (${folder}): choose another`)
  return where === 'inside'
    ? new UsageError(
        `-${flag} (${folder}) lies inside -mountDir (${mountDir}): choose a folder outside of it`,
      )
    : new UsageError(
        `-mountDir (${mountDir}) lies inside -${flag} (${folder}): choose a folder outside of it`,
      )
}

async function demandFolder(flag: string, folder: string): Promise<void> {
  const stats = await stat(folder).catch(() => undefined)
  if (stats !== undefined && !stats.isDirectory())
    throw new UsageError(`-${flag}=${folder}: this is not a folder`)
}

async function settleMountDir(path: string): Promise<string> {
  const candidate = join(await settle(dirname(path)), basename(path))
  return (await mountAt(candidate)) === undefined ? await settle(candidate) : candidate
}

/** The path without symbolic links, as far as it exists. */
async function settle(path: string): Promise<string> {
  const rest: string[] = []
  for (let at = path; ; at = dirname(at)) {
    try {
      return join(await realpath(at), ...rest)
    } catch {
      if (at === dirname(at)) return path
      rest.unshift(basename(at))
    }
  }
}
