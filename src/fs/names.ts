/**
 * Names as a directory may hold them. PURE.
 *
 * Owns the last word on what may stand in the tree: an empty name, or one with `/`, makes the kernel fail a whole
 * readdir, so the tree trusts no one, not even the parser that has made names safe before.
 */

/** The most bytes of UTF-8 a name may have (NAME_MAX). */
export const NAME_MAX = 255

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** A longer "extension" is part of a title with a dot in it. */
const EXTENSION_MAX = 16

/** The longest prefix of `text` that takes at most `limit` bytes of UTF-8 and cuts no character. */
function prefixOfBytes(text: string, limit: number): string {
  if (text.length * 3 <= limit) return text
  const bytes = encoder.encode(text)
  if (bytes.length <= limit) return text
  let end = limit
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--
  return decoder.decode(bytes.subarray(0, end))
}

/**
 * `name` if it is legal in a directory, else the nearest one that is. Deterministic; several names may become one, which
 * the caller resolves.
 */
export function legalName(name: string): string {
  // Half a surrogate pair has no UTF-8: it would come back from the kernel as another name than the one listed.
  let legal = name.replace(/\p{Surrogate}/gu, '\ufffd')
  legal = legal.replaceAll('/', '_').replaceAll('\0', '_')
  legal = prefixOfBytes(legal, NAME_MAX)
  if (legal === '') return '_'
  if (legal === '.') return '_'
  return legal === '..' ? '__' : legal
}

/**
 * A legal `name` with ` mark` added, before the extension if it is a file's (players go by it), the name cut so that all
 * of it stays legal.
 */
export function markedName(name: string, mark: string, isFile: boolean): string {
  const dot = isFile ? name.lastIndexOf('.') : -1
  const hasExtension = dot > 0 && name.length - dot <= EXTENSION_MAX
  const tail = ` ${mark}${hasExtension ? name.slice(dot) : ''}`
  const stem = hasExtension ? name.slice(0, dot) : name
  return prefixOfBytes(stem, NAME_MAX - encoder.encode(tail).length) + tail
}

/**
 * What a torrent of that name and infohash may be called, best first: the plain name, then with ever more of the
 * infohash, then numbered without end (another torrent may be named exactly like one of these).
 */
export function rootName(name: string, infohash: string, isFile: boolean, attempt: number): string {
  if (attempt === 0) return name
  const digits = [8, 16, 40][attempt - 1]
  if (digits !== undefined) return markedName(name, `[${infohash.slice(0, digits)}]`, isFile)
  return markedName(name, `[${infohash}] (${attempt - 2})`, isFile)
}
