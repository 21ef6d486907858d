/**
 * File names from torrents, made safe: whoever made the torrent chose every byte of them (BEP 3).
 *
 * Owns how a hostile name is rewritten. The same names in the same order always give the same result, different files
 * always different paths, and no file is dropped. A name that is fine is not touched. Pure.
 */
import { createHash } from 'node:crypto'

/** Bytes a file name may have on the filesystems we write to (NAME_MAX). */
export const MAX_COMPONENT_BYTES = 255

/**
 * Bytes a path below the torrent's root may have: with the root's name (255) and the download folder in front it must
 * stay below PATH_MAX (4096).
 */
export const MAX_PATH_BYTES = 2048

/** Longer endings than this are no file extension, and are not kept when a name is shortened. */
const MAX_EXTENSION_BYTES = 16

const lossy = new TextDecoder('utf-8', { ignoreBOM: true })
const strict = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true })

/** The text of UTF-8 bytes; undefined when they are not UTF-8. */
export function utf8Text(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes)
  } catch {
    return undefined
  }
}

/**
 * One path component out of any bytes or text. Invalid UTF-8 becomes U+FFFD; `/` and control characters become `_`, as
 * does a name of nothing, `.` and (twice) `..`; more than 255 bytes are cut to a beginning, a digest and the extension.
 */
export function safeComponent(name: Uint8Array | string): string {
  const text = typeof name === 'string' ? name.toWellFormed() : lossy.decode(name)

  const clean = text.replace(/[/\x00-\x1f\x7f-\x9f]/g, '_')
  if (clean === '') return '_'
  if (clean === '.') return '_'
  if (clean === '..') return '__'
  return Buffer.byteLength(clean) <= MAX_COMPONENT_BYTES ? clean : withDigest(clean, clean)
}

/**
 * Makes the paths of one torrent's files unique, and clears the way for files that lie in folders: where two files have
 * one path the later one is numbered (`a (2).txt`), where a file is also another's folder the file is. Paths too long to
 * be opened become one name in the root, with a digest of the path in it. A number never takes a path that a file asked
 * for by itself.
 *
 * @param paths components that {@link safeComponent} made, at least one for each file
 * @returns as many paths in the same order; those that need no change are the arrays given
 */
export function distinctPaths(paths: readonly (readonly string[])[]): (readonly string[])[] {
  // Folders are numbered, and every name is known by its folder's number: work and memory then follow the number of
  // components, not the sum of all prefixes, which a hostile torrent could make enormous.
  const folders = new Map<string, number>()
  /** Every name a file has or asks for, and whether a file has got it. */
  const names = new Map<string, boolean>()
  const parents: number[] = []
  const keys: string[] = []
  const result = paths.map(shortened)
  let previous: readonly string[] = []
  let folder = 0
  for (const path of result) {
    // Files of one folder come in a row, and then there is nothing to look up.
    if (!haveOneFolder(path, previous)) folder = folderOf(path, folders)
    previous = path
    const key = keyOf(folder, path[path.length - 1]!)
    parents.push(folder)
    keys.push(key)
    names.set(key, false)
  }

  /** Where numbering goes on for a name that was asked for often; without it, that would cost quadratic time. */
  const numbers = new Map<string, number>()
  for (let index = 0; index < result.length; index++) {
    const key = keys[index]!
    if (!folders.has(key) && names.get(key) === false) {
      names.set(key, true)
      continue
    }
    const path = result[index]!
    const name = path[path.length - 1]!
    for (let number = numbers.get(key) ?? 2; ; number++) {
      const other = numbered(name, number)
      const otherKey = keyOf(parents[index]!, other)
      if (folders.has(otherKey) || names.has(otherKey)) continue
      names.set(otherKey, true)
      numbers.set(key, number + 1)
      result[index] = [...path.slice(0, -1), other]
      break
    }
  }
  return result
}

/** The number of the folder a path ends in; folders that are new get the next numbers. 0 is the root. */
function folderOf(path: readonly string[], folders: Map<string, number>): number {
  let folder = 0
  for (let depth = 0; depth < path.length - 1; depth++) {
    const key = keyOf(folder, path[depth]!)
    const known = folders.get(key)
    folder = known ?? folders.size + 1
    if (known === undefined) folders.set(key, folder)
  }
  return folder
}

function haveOneFolder(path: readonly string[], other: readonly string[]): boolean {
  if (path.length !== other.length) return false
  for (let depth = path.length - 2; depth >= 0; depth--) if (path[depth] !== other[depth]) return false
  return true
}

function keyOf(folder: number, name: string): string {
  return `${folder}/${name}`
}

function shortened(path: readonly string[]): readonly string[] {
  let bytes = path.length - 1
  for (const name of path) bytes += Buffer.byteLength(name)
  return bytes <= MAX_PATH_BYTES ? path : [withDigest(path[path.length - 1]!, path.join('/'))]
}

function withDigest(name: string, whole: string): string {
  const digest = createHash('sha1').update(whole).digest('hex').slice(0, 12)
  return fitted(name, `~${digest}`)
}

function numbered(name: string, number: number): string {
  return fitted(name, ` (${number})`)
}

/** Puts `mark` before the extension of `name`, and cuts the part before it so that the whole fits. */
function fitted(name: string, mark: string): string {
  const dot = name.lastIndexOf('.')
  const ending = dot > 0 ? name.slice(dot) : ''
  const extension = Buffer.byteLength(ending) <= MAX_EXTENSION_BYTES ? ending : ''
  const stem = name.slice(0, name.length - extension.length)
  const room = MAX_COMPONENT_BYTES - Buffer.byteLength(mark) - Buffer.byteLength(extension)
  return beginning(stem, room) + mark + extension
}

/** The longest beginning of a text, in whole characters, that has at most `room` bytes of UTF-8. */
function beginning(text: string, room: number): string {
  const bytes = Buffer.from(text)
  if (bytes.length <= room) return text
  let end = room
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--
  return bytes.toString('utf8', 0, end)
}
