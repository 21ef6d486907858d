/**
 * Looks at the folder: which metainfo files are there, and which of them may have changed.
 *
 * Must not read a file's content. Names are byte strings throughout (see `plan.ts`).
 */

import { readdir, stat } from 'node:fs/promises'
import { metainfoKind } from './plan.js'
import type { FolderPicture } from './plan.js'
import { fingerprintOf } from './metainfo-file.js'

/** Stands for the state of a file that was never looked at: whoever loads it learns the real one. */
const UNSEEN = ''

/** Stat calls under way at once: enough to keep the thread pool busy, few enough to leave it to others. */
const STATS_AT_ONCE = 32

/** What tells two states of the folder itself apart. */
export interface FolderIdentity {
  /** Changes when another folder lies at the path (or another file system was mounted there). */
  readonly place: string
  readonly device: bigint
  /** Changes when a name is added or removed. */
  readonly version: string
}

/** One look at the folder. `absent` says why it cannot be read. */
export type FolderLook =
  | { readonly kind: 'present'; readonly identity: FolderIdentity; readonly files: Map<string, string> }
  | { readonly kind: 'absent'; readonly reason: string }

/** The bytes of a file's path. */
export function pathOf(folder: string, name: string): Buffer {
  return Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(name, 'latin1')])
}

/** A name as people see it. */
export function displayName(name: string): string {
  return Buffer.from(name, 'latin1').toString()
}

/** The byte string of a name given as text. */
export function nameOf(text: string): string {
  return Buffer.from(text).toString('latin1')
}

/** The folder's own state. @throws the system's error when it is not there; an error when it is not a folder */
export async function identify(folder: string): Promise<FolderIdentity> {
  const stats = await stat(folder, { bigint: true })
  if (!stats.isDirectory()) throw new Error('it is not a folder')
  return {
    place: `${stats.dev}:${stats.ino}`,
    device: stats.dev,
    version: `${stats.dev}:${stats.ino}:${stats.mtimeNs}:${stats.ctimeNs}`,
  }
}

/**
 * Lists the folder. A name that is known and not suspected keeps its fingerprint without a look at the file: with ten
 * thousand files, one that changes should not cost ten thousand calls. One that is new is loaded anyway, and not looked at
 * here either.
 *
 * @param suspects names to look at again, or `all`
 */
export async function look(
  folder: string,
  known: FolderPicture,
  suspects: ReadonlySet<string> | 'all',
): Promise<FolderLook> {
  let identity: FolderIdentity
  let names: string[]
  try {
    identity = await identify(folder)
    names = await readdir(folder, { encoding: 'latin1' })
  } catch (error) {
    return { kind: 'absent', reason: (error as Error).message }
  }
  const files = new Map<string, string>()
  const unsure: string[] = []
  for (const name of names) {
    if (metainfoKind(name) === undefined) continue
    const fingerprint = known.get(name)
    if (fingerprint === undefined) files.set(name, UNSEEN)
    else if (suspects === 'all' || suspects.has(name)) unsure.push(name)
    else files.set(name, fingerprint)
  }
  let next = 0
  const examine = async (): Promise<void> => {
    for (let name = unsure[next++]; name !== undefined; name = unsure[next++]) {
      const fingerprint = await fingerprintAt(pathOf(folder, name))
      if (fingerprint !== undefined) files.set(name, fingerprint)
    }
  }
  await Promise.all(Array.from({ length: Math.min(STATS_AT_ONCE, unsure.length) }, examine))
  return { kind: 'present', identity, files }
}

/** `undefined` for a name that is gone again, or is a folder. */
async function fingerprintAt(path: Buffer): Promise<string | undefined> {
  try {
    const stats = await stat(path, { bigint: true })
    return stats.isDirectory() ? undefined : fingerprintOf(stats)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // Gone, or a link to nothing: the same as not being there. Anything else is reported when the file is read.
    return code === 'ENOENT' ? undefined : `unreadable:${code}`
  }
}
