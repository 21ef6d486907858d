/**
 * Plain values to bencode (BEP 3).
 *
 * Owns the form of what we write: keys sorted by their bytes, nothing rounded, nothing dropped without a word. Reading is
 * `bencode-node.ts`'s (in place), `bencode-decoder.ts`'s (from a stream) and `bencode-values.ts`'s (plain values). Pure.
 */
import { TorrentError } from '../errors.js'

/**
 * What can be encoded. Text is written as UTF-8. The keys of an object are ASCII, and its properties that are undefined
 * are left out; the keys of a `Map` are byte strings, one character (U+0000 to U+00FF) a byte, as `decodeBencode` gives
 * them. Numbers are safe integers; a `bigint` may have any size.
 */
export type BencodeInput =
  | number
  | bigint
  | string
  | Uint8Array
  | readonly BencodeInput[]
  | ReadonlyMap<string, BencodeInput>
  | { readonly [key: string]: BencodeInput | undefined }

/** Values within each other; more is a circle, or a mistake. */
export const MAX_ENCODED_DEPTH = 1000

/**
 * Encodes a value; dictionaries come out with their keys sorted.
 *
 * @returns newly allocated bytes
 * @throws ERR_TORRENTFS_ARGUMENT for a number that is no safe integer, a key that cannot be written, values that lie more
 * than 1,000 deep within each other, or another type
 */
export function encodeBencode(value: BencodeInput): Uint8Array {
  const parts: (string | Uint8Array)[] = []
  append(parts, value, 0)
  let length = 0
  for (const part of parts) length += part.length
  const bytes = new Uint8Array(length)
  const text = Buffer.from(bytes.buffer)
  let at = 0
  for (const part of parts) {
    if (typeof part === 'string') text.write(part, at, 'latin1')
    else bytes.set(part, at)
    at += part.length
  }
  return bytes
}

/** Adds a value's encoding: text of one byte a character, and bytes. */
function append(parts: (string | Uint8Array)[], value: BencodeInput, depth: number): void {
  if (typeof value === 'string' || value instanceof Uint8Array) {
    const bytes = typeof value === 'string' ? Buffer.from(value) : value
    parts.push(`${bytes.length}:`, bytes)
  } else if (typeof value === 'number' || typeof value === 'bigint') {
    if (typeof value === 'number' && !Number.isSafeInteger(value)) throw unencodable(`the number ${value}`)
    parts.push(`i${value}e`)
  } else if (typeof value !== 'object' || value === null) {
    throw unencodable(`a ${typeof value}`)
  } else {
    if (depth === MAX_ENCODED_DEPTH)
      throw unencodable(`more than ${MAX_ENCODED_DEPTH} values within each other`)
    if (isList(value)) {
      parts.push('l')
      for (const item of value) append(parts, item, depth + 1)
    } else {
      parts.push('d')
      for (const [key, item] of entriesOf(value)) {
        parts.push(`${key.length}:${key}`)
        append(parts, item, depth + 1)
      }
    }
    parts.push('e')
  }
}

type Dictionary = Exclude<BencodeInput, number | bigint | string | Uint8Array | readonly BencodeInput[]>

function isList(value: object): value is readonly BencodeInput[] {
  return Array.isArray(value)
}

/** The entries of a dictionary in the order of their keys' bytes, which one character a byte have as text too. */
function entriesOf(value: Dictionary): [key: string, value: BencodeInput][] {
  const entries: [string, BencodeInput][] = []
  if (value instanceof Map) {
    for (const [key, item] of value as ReadonlyMap<string, BencodeInput>) {
      if (typeof key !== 'string' || !/^[\x00-\xff]*$/.test(key))
        throw unencodable(`the key ${JSON.stringify(key)}`)
      entries.push([key, item])
    }
  } else {
    // A Set or a Date would come out as a dictionary of nothing.
    const prototype = Object.getPrototypeOf(value) as object | null
    if (prototype !== null && Object.getPrototypeOf(prototype) !== null)
      throw unencodable('an object of a class')
    for (const [key, item] of Object.entries(value) as [string, BencodeInput | undefined][]) {
      if (!/^[\x00-\x7f]*$/.test(key)) throw unencodable(`the key ${JSON.stringify(key)}`)
      if (item !== undefined) entries.push([key, item])
    }
  }
  return entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
}

function unencodable(what: string): TorrentError {
  return new TorrentError('ERR_TORRENTFS_ARGUMENT', `cannot be bencoded: ${what}`)
}
