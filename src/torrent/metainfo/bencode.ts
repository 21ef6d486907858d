/**
 * Plain values to bencode (BEP 3).
 *
 * Owns the only use of the `bencode` package, and keeps from it what it would drop or mangle. Its decoder is not used at
 * all: hostile bytes make it loop, overflow the stack or set prototypes, and it copies every string; `bencode-node.ts`
 * reads in place behind the scanner.
 */
import bencode from 'bencode'
import { TorrentError } from '../errors.js'

/** What can be encoded. Keys are ASCII, integers are safe ones, and properties that are undefined are left out. */
export type BencodeInput =
  | number
  | string
  | Uint8Array
  | readonly BencodeInput[]
  | { readonly [key: string]: BencodeInput | undefined }

/**
 * Encodes a value; dictionaries come out with their keys sorted.
 *
 * @throws ERR_TORRENTFS_ARGUMENT for a number that is no safe integer, a key that is not ASCII, or another type
 */
export function encodeBencode(value: BencodeInput): Uint8Array {
  check(value)
  return bencode.encode(value)
}

/** The package writes fractions wrongly, drops bigints without a word and sorts keys by UTF-16: none may reach it. */
function check(value: BencodeInput): void {
  if (typeof value === 'string' || value instanceof Uint8Array) return
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw unencodable(`the number ${value}`)
  } else if (Array.isArray(value)) {
    for (const item of value as readonly BencodeInput[]) check(item)
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, item] of Object.entries(value)) {
      if (!/^[\x00-\x7f]*$/.test(key)) throw unencodable(`the key ${JSON.stringify(key)}`)
      if (item !== undefined) check(item)
    }
  } else {
    throw unencodable(`a ${typeof value}`)
  }
}

function unencodable(what: string): TorrentError {
  return new TorrentError('ERR_TORRENTFS_ARGUMENT', `cannot be bencoded: ${what}`)
}
