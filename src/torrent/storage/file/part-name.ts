/**
 * Where a file lies until it is complete, for storages that tell: beside its place, as `NAME.part`.
 *
 * Owns the rule, which both threads follow without a word to each other: what lies at a file's own name is the file; where nothing
 * does, it is begun as `NAME.part`, and renamed when its last piece is stored. It never gets the suffix back.
 */
import { lstatSync } from 'node:fs'
import { errnoOf } from '../failure.js'

const SUFFIX = '.part'
const LONGEST = 255

/**
 * The places of incomplete files, by file.
 *
 * @param paths components of every file's own place
 * @returns undefined for a file that has no other place: its name would be too long, or another file's
 */
export function partPaths(paths: readonly (readonly string[])[]): (readonly string[] | undefined)[] {
  const taken = new Set<string>()
  for (const path of paths)
    for (let end = 1; end <= path.length; end++) taken.add(path.slice(0, end).join('/'))
  return paths.map(path => {
    const name = `${path.at(-1)}${SUFFIX}`
    const part = [...path.slice(0, -1), name]
    return Buffer.byteLength(name) > LONGEST || taken.has(part.join('/')) ? undefined : part
  })
}

/** Whether something lies at a path: a file, a link, a folder. Blocking. @throws what the system says, unless it is not there */
export function isThere(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOTDIR') return false
    throw thrown
  }
}
