/**
 * Bencode (BEP 3) to plain values and back, for messages of moderate size.
 *
 * Owns the only use of the `bencode` package, and keeps from it what it gets wrong: nothing is decoded that the scanner
 * did not pass, nothing encoded that the package would drop or mangle.
 */
import bencode from 'bencode'
import { TorrentError } from '../errors.js'
import { BencodeNode } from './bencode-node.js'
import type { ScanOptions } from './bencode-scanner.js'

/**
 * A decoded value. Strings are bytes (a copy each). An integer that a double cannot hold is inexact, and then never a
 * safe integer: check with `Number.isSafeInteger` wherever it matters.
 */
export type BencodeValue = number | Uint8Array | BencodeValue[] | BencodeDictionary

/** A decoded dictionary. Keys that are not UTF-8 appear as hexadecimal digits; read such with {@link BencodeNode}. */
export interface BencodeDictionary {
  [key: string]: BencodeValue
}

/** What can be encoded. Keys are ASCII, integers are safe ones, and properties that are undefined are left out. */
export type BencodeInput =
  | number
  | string
  | Uint8Array
  | readonly BencodeInput[]
  | { readonly [key: string]: BencodeInput | undefined }

/**
 * Decodes a value that fills the bytes.
 *
 * @throws ERR_TORRENTFS_BENCODE when the bytes are not valid, a key comes twice, or a key is `__proto__`
 */
export function decodeBencode(bytes: Uint8Array, options?: ScanOptions): BencodeValue {
  return decodeBencodePrefix(bytes, { ...options, prefix: false }).value
}

/**
 * Decodes the value at the beginning of the bytes and says where it ends; more bytes may follow it (BEP 9).
 *
 * @throws ERR_TORRENTFS_BENCODE as {@link decodeBencode}
 */
export function decodeBencodePrefix(
  bytes: Uint8Array,
  options?: ScanOptions,
): { value: BencodeValue; end: number } {
  const { root, report } = BencodeNode.scan(bytes, { prefix: true, ...options })
  if (report.duplicates)
    throw new TorrentError('ERR_TORRENTFS_BENCODE', 'a bencoded dictionary with a key twice')
  const { raw } = root
  // The package assigns `dictionary[key]`, so this key would set the prototype: properties nobody sent would appear.
  if (Buffer.from(raw.buffer, raw.byteOffset, raw.length).includes('9:__proto__')) {
    throw new TorrentError('ERR_TORRENTFS_BENCODE', 'a bencoded dictionary with the key __proto__')
  }
  return { value: bencode.decode(raw) as BencodeValue, end: report.end }
}

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
      // eslint-disable-next-line no-control-regex -- ASCII is what is meant
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
