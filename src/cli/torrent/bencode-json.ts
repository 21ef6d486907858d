/**
 * Bencode as JSON and back, without loss.
 *
 * Owns how byte strings and large integers look in JSON. A string that is UTF-8 is text; any other is `"hex:..."`, and so is
 * text that begins like that itself. Integers are numbers of any size, as JSON has them. Pure.
 */

import type { BencodeInput, BencodeValue } from '../../torrent/entries/bencode.js'

const HEX = 'hex:'
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** JSON of a decoded value. @param indent spaces a level; 0 for one line */
export function toJson(value: BencodeValue, indent: number): string {
  return written(value, indent, '\n')
}

function written(value: BencodeValue, indent: number, newline: string): string {
  if (typeof value === 'number' || typeof value === 'bigint') return String(value)
  if (typeof value === 'string') return JSON.stringify(value)
  if (value instanceof Uint8Array) return JSON.stringify(textOf(value))
  const inner = indent === 0 ? '' : newline + ' '.repeat(indent)
  const outer = indent === 0 ? '' : newline
  if (Array.isArray(value)) {
    if (value.length === 0) return '[]'
    return `[${value.map(item => `${inner}${written(item, indent, inner)}`).join(',')}${outer}]`
  }
  if (value.size === 0) return '{}'
  const colon = indent === 0 ? ':' : ': '
  const entries = [...value].map(([key, item]) => {
    const name = JSON.stringify(textOf(Buffer.from(key, 'latin1')))
    return `${inner}${name}${colon}${written(item, indent, inner)}`
  })
  return `{${entries.join(',')}${outer}}`
}

function textOf(bytes: Uint8Array): string {
  let text
  try {
    text = utf8.decode(bytes)
  } catch {
    // No text.
  }
  if (text !== undefined && !text.startsWith(HEX)) return text
  return HEX + Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
}

/**
 * What JSON says, to be bencoded.
 *
 * @throws Error naming what bencode has nothing for (fractions, true, false, null), or where it is no JSON
 */
export function fromJson(text: string): BencodeInput {
  // For the place of a mistake, which the marks would move.
  JSON.parse(text)
  return bencodable(JSON.parse(marked(text)), '$')
}

/** Begins a text that stands for an integer. Texts of the JSON itself get the other letter before them. */
const INTEGER = 'i'
const TEXT = 't'

/**
 * `JSON.parse` rounds integers beyond 2^53, so every integer is made a text first, and every text is marked as one. One
 * expression finds both, so that digits within texts are stepped over.
 */
function marked(text: string): string {
  return text.replace(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/gs, token => {
    if (token.startsWith('"')) return `"${TEXT}${token.slice(1)}`
    return /^-?[1-9]\d*$|^0$/.test(token) ? `"${INTEGER}${token}"` : token
  })
}

function bencodable(value: unknown, place: string): BencodeInput {
  if (typeof value === 'string')
    return value.startsWith(INTEGER) ? BigInt(value.slice(1)) : stringOf(value.slice(1), place)
  if (Array.isArray(value)) return value.map((item, index) => bencodable(item, `${place}[${index}]`))
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).map(([key, item]): [string, BencodeInput] => {
      const name = Buffer.from(stringOf(key.slice(1), place))
      return [name.toString('latin1'), bencodable(item, `${place}.${key.slice(1)}`)]
    })
    return new Map(entries)
  }
  throw new Error(`${place} is ${String(value)}: bencode has integers, strings, lists and dictionaries only`)
}

function stringOf(text: string, place: string): Uint8Array {
  if (!text.startsWith(HEX)) return new Uint8Array(Buffer.from(text))
  const digits = text.slice(HEX.length)
  if (!/^(?:[0-9a-f]{2})*$/i.test(digits))
    throw new Error(`${place}: hex: must be followed by pairs of digits`)
  return new Uint8Array(Buffer.from(digits, 'hex'))
}
