/**
 * A strict check of bencoded bytes (BEP 3) that came from anyone: one pass, no recursion, nothing allocated by a number
 * that the bytes state.
 *
 * Owns what counts as valid bencode. Must run before anything else looks at such bytes; it makes no values of them.
 */
import { TorrentError } from '../errors.js'

/** Limits of {@link scanBencode}. */
export interface ScanOptions {
  /** Where the value begins; 0 by default. */
  readonly offset?: number
  /** Accept bytes after the value; off by default. */
  readonly prefix?: boolean
  /** Lists and dictionaries within each other; 100 by default (a v2 file tree nests as deep as its folders). */
  readonly maxDepth?: number
}

/** What {@link scanBencode} found in bytes that are valid. */
export interface ScanReport {
  /** One past the value's last byte. */
  readonly end: number
  /** Whether the keys of every dictionary ascend, as BEP 3 demands and not every program heeds. */
  readonly sorted: boolean
  /** Whether some dictionary has a key twice, so that readers may differ in what it says. */
  readonly duplicates: boolean
}

/** Bytes `i`, `l`, `d`, `e`, `:`, `-`, `0`: the alphabet of bencode. */
export const BYTE_INTEGER = 0x69
export const BYTE_LIST = 0x6c
export const BYTE_DICTIONARY = 0x64
export const BYTE_END = 0x65
export const BYTE_COLON = 0x3a
export const BYTE_MINUS = 0x2d
export const BYTE_ZERO = 0x30

const DEFAULT_DEPTH = 100
/** Digits of an integer: 2^64 has 20. */
const MAX_DIGITS = 20
/** More than any metainfo needs; keeps every offset far from 2^31. */
const MAX_BYTES = 2 ** 30
/** Out-of-order dictionaries have their keys sorted to find duplicates; no honest one has more keys than this. */
const MAX_UNSORTED_KEYS = 65536

const IN_LIST = 0
const AT_KEY = 1
const AT_VALUE = 2

/**
 * Checks that one bencoded value begins at `offset` and says where it ends.
 *
 * Rejects everything BEP 3 forbids but unsorted and duplicate keys, which are reported: truncation, leading zeros, `-0`,
 * empty integers, negative lengths, keys that are not strings, keys without values, bytes after the value.
 *
 * @throws ERR_TORRENTFS_BENCODE naming the offset, and nothing else whatever the bytes are
 */
export function scanBencode(bytes: Uint8Array, o: ScanOptions = {}): ScanReport {
  const { offset = 0, prefix = false, maxDepth = DEFAULT_DEPTH } = o
  if (bytes.length > MAX_BYTES) throw invalid(0, `${bytes.length} bytes are too many`)

  // One entry a container that is open: what comes next in it, where its keys begin in `keys`, are they out of order.
  const states = new Uint8Array(maxDepth)
  const bases = new Uint32Array(maxDepth)
  const unsorted = new Uint8Array(maxDepth)
  /** Offsets of the keys of every open dictionary, the innermost one's last. */
  const keys: number[] = []
  let depth = 0
  let position = offset
  let sorted = true
  let duplicates = false

  do {
    const byte = bytes[position]
    if (byte === undefined) throw invalid(position, 'the bytes end within a value')
    const state = depth === 0 ? IN_LIST : states[depth - 1]!

    if (byte === BYTE_END && depth > 0) {
      if (state === AT_VALUE) throw invalid(position, 'a key without a value')
      depth--
      if (state === AT_KEY) {
        if (unsorted[depth] === 1 && !duplicates) duplicates = hasDuplicates(bytes, keys, bases[depth]!)
        keys.length = bases[depth]!
      }
      position++
      if (depth > 0 && states[depth - 1] === AT_VALUE) states[depth - 1] = AT_KEY
      continue
    }

    if (state === AT_KEY) {
      const end = endOfString(bytes, position)
      if (keys.length > bases[depth - 1]!) {
        const order = compareStrings(bytes, keys[keys.length - 1]!, position)
        if (order === 0) duplicates = true
        if (order > 0) {
          sorted = false
          unsorted[depth - 1] = 1
        }
      }
      keys.push(position)
      states[depth - 1] = AT_VALUE
      position = end
      continue
    }

    if (byte === BYTE_LIST || byte === BYTE_DICTIONARY) {
      if (depth === maxDepth) throw invalid(position, `more than ${maxDepth} values within each other`)
      states[depth] = byte === BYTE_LIST ? IN_LIST : AT_KEY
      bases[depth] = keys.length
      unsorted[depth] = 0
      depth++
      position++
      continue
    }
    position = byte === BYTE_INTEGER ? endOfInteger(bytes, position) : endOfString(bytes, position)
    if (state === AT_VALUE) states[depth - 1] = AT_KEY
  } while (depth > 0)

  if (!prefix && position !== bytes.length) throw invalid(position, 'bytes after the value')
  return { end: position, sorted, duplicates }
}

function invalid(position: number, why: string): TorrentError {
  return new TorrentError('ERR_TORRENTFS_BENCODE', `invalid bencode at byte ${position}: ${why}`)
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= BYTE_ZERO && byte <= BYTE_ZERO + 9
}

function endOfInteger(bytes: Uint8Array, begin: number): number {
  const first = begin + (bytes[begin + 1] === BYTE_MINUS ? 2 : 1)
  let position = first
  while (isDigit(bytes[position])) {
    if (++position - first > MAX_DIGITS) throw invalid(begin, `an integer of more than ${MAX_DIGITS} digits`)
  }
  if (bytes[position] !== BYTE_END || position === first) throw invalid(begin, 'not an integer')
  if (bytes[first] === BYTE_ZERO && position - begin > 2)
    throw invalid(begin, 'an integer with a leading zero')
  return position + 1
}

function endOfString(bytes: Uint8Array, begin: number): number {
  let position = begin
  let length = 0
  while (isDigit(bytes[position])) {
    length = length * 10 + (bytes[position]! - BYTE_ZERO)
    // Also what keeps a row of digits from overflowing, or from costing more than a glance.
    if (length > bytes.length) throw invalid(begin, 'a string longer than the bytes')
    position++
    if (length === 0) break
  }
  if (position === begin || bytes[position] !== BYTE_COLON) throw invalid(begin, 'not a value')
  const end = position + 1 + length
  if (end > bytes.length) throw invalid(begin, 'a string longer than the bytes')
  return end
}

/** Orders two strings, given by the offsets of their valid encodings, as BEP 3 does: by their raw bytes. */
function compareStrings(bytes: Uint8Array, a: number, b: number): number {
  const endA = endOfString(bytes, a)
  const endB = endOfString(bytes, b)
  let x = bytes.indexOf(BYTE_COLON, a) + 1
  let y = bytes.indexOf(BYTE_COLON, b) + 1
  while (x < endA && y < endB) {
    const difference = bytes[x++]! - bytes[y++]!
    if (difference !== 0) return difference
  }
  return endA - x - (endB - y)
}

function hasDuplicates(bytes: Uint8Array, keys: readonly number[], base: number): boolean {
  if (keys.length - base > MAX_UNSORTED_KEYS) {
    throw invalid(keys[base]!, `more than ${MAX_UNSORTED_KEYS} keys out of order`)
  }
  const ordered = keys.slice(base).sort((a, b) => compareStrings(bytes, a, b))
  for (let index = 1; index < ordered.length; index++) {
    if (compareStrings(bytes, ordered[index - 1]!, ordered[index]!) === 0) return true
  }
  return false
}
