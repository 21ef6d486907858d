/**
 * Looks at the files that are in the download folder already: their stamps, and whether they could be a torrent's.
 *
 * Owns nothing. Must not write, nor read what is in the files.
 */
import { stat } from 'node:fs'
import type { Stats } from 'node:fs'
import { lstat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { stampOf } from './direct-files.js'
import { errnoOf, storageFailure } from '../failure.js'
import { ABSENT } from './resume-record.js'
import type { Stamp } from './resume-record.js'

/** System calls in flight at a time; more only fill the queue of the thread pool. */
const AT_ONCE = 32

/** A file to look for. */
export interface WantedFile {
  /** Absolute path. */
  readonly path: string
  /** Bytes it must have. */
  readonly length: number
}

/** The stamps of files, in the order given; symbolic links are followed. Files that cannot be seen count as absent. */
export async function stampsOf(paths: readonly string[]): Promise<Stamp[]> {
  const stamps: Stamp[] = []
  for (let at = 0; at < paths.length; at += AT_ONCE) {
    stamps.push(...(await Promise.all(paths.slice(at, at + AT_ONCE).map(stampAt))))
  }
  return stamps
}

/**
 * Whether something in the download folder must not be written to as if it were a torrent's: a file of another length, a
 * folder or a symbolic link where a file belongs, a mount, or anything hidden (a torrent named `.bashrc` must not get at
 * the user's).
 *
 * @param top absolute path of what would be the torrent's own file or folder
 * @param hidden whether its name begins with a dot
 */
export async function isForeign(
  top: string,
  hidden: boolean,
  wanted: readonly WantedFile[],
): Promise<boolean> {
  const stats = await lstatIfThere(top)
  if (stats === undefined) return false
  if (hidden || stats.isSymbolicLink()) return true
  // What is mounted there is someone else's: our own mount, where the daemon runs in its download folder.
  if (stats.dev !== (await lstatIfThere(`${dirname(top)}/`))?.dev) return true
  for (let at = 0; at < wanted.length; at += AT_ONCE) {
    const batch = wanted.slice(at, at + AT_ONCE)
    const found = await Promise.all(batch.map(({ path }) => lstatIfThere(path)))
    if (found.some((file, index) => file && !(file.isFile() && file.size === batch[index]!.length)))
      return true
  }
  return false
}

/** Which of `wanted` exist at their length with some data in them (a sparse file may have none), as indices in order. */
export async function filesPresent(wanted: readonly WantedFile[]): Promise<number[]> {
  const present: number[] = []
  for (let at = 0; at < wanted.length; at += AT_ONCE) {
    const batch = wanted.slice(at, at + AT_ONCE)
    const found = await Promise.all(batch.map(({ path }) => lstatIfThere(path)))
    for (const [index, file] of found.entries()) {
      if (file?.isFile() && file.size === batch[index]!.length && file.blocks > 0) present.push(at + index)
    }
  }
  return present
}

/** With a callback, for it is done for thousands of files at a start. */
function stampAt(path: string): Promise<Stamp> {
  return new Promise(resolve => {
    stat(path, { bigint: true }, (error, stats) => {
      resolve(error === null && stats.isFile() ? stampOf(stats) : ABSENT)
    })
  })
}

async function lstatIfThere(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path)
  } catch (thrown) {
    const errno = errnoOf(thrown)
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return undefined
    throw storageFailure(thrown, 'look at', path)
  }
}
