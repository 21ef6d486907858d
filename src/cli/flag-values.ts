/**
 * What the values of flags may look like: sizes, durations, addresses, folders, choices.
 *
 * Pure, but for the home folder. Must not import the engine: a command that only prints its help would load it. Each parser throws an Error whose message says what was expected.
 */

import { homedir } from 'node:os'
import { isIPv6 } from 'node:net'
import { join, resolve } from 'node:path'

const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1024,
  kib: 1024,
  kb: 1000,
  m: 1024 ** 2,
  mib: 1024 ** 2,
  mb: 1000 ** 2,
  g: 1024 ** 3,
  gib: 1024 ** 3,
  gb: 1000 ** 3,
  t: 1024 ** 4,
  tib: 1024 ** 4,
  tb: 1000 ** 4,
}

/** Bytes of `10MiB`, `512k`, `1.5G`, `4096`. `k`, `M`, `G`, `T` count in 1024s as `KiB` does; `kB`, `MB`, ... in 1000s. */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim())
  const unit = SIZE_UNITS[match?.[2]?.toLowerCase() ?? '?']
  const bytes = match === null || unit === undefined ? NaN : Math.round(Number(match[1]) * unit)
  if (!Number.isSafeInteger(bytes)) throw new Error('expected a size, such as 10MiB, 512k or 1048576')
  return bytes
}

/** A size from 1 byte; `undefined` for `off`. */
export function parseCacheSize(text: string): number | undefined {
  if (text.trim().toLowerCase() === 'off') return undefined
  const bytes = parseSize(text)
  if (bytes === 0) throw new Error('expected a size above 0, or off')
  return bytes
}

/** A whole number from 1. */
export function parseCount(text: string): number {
  const count = /^\d+$/.test(text.trim()) ? Number(text) : 0
  if (!Number.isSafeInteger(count) || count < 1) throw new Error('expected a whole number of at least 1')
  return count
}

const DURATION_UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** A timer of Node.js holds no more. */
const LONGEST_MS = 2 ** 31 - 1

/** Milliseconds of `30s`, `1m30s`, `500ms`, `2h`; `undefined` for `off` and `0`. */
export function parseDuration(text: string): number | undefined {
  const lower = text.trim().toLowerCase()
  if (lower === 'off' || /^0+(ms|s|m|h)?$/.test(lower)) return undefined
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(lower)) {
    throw new Error('expected a time with its unit, such as 30s, 1m30s or 500ms, or off')
  }
  let total = 0
  for (const [, number, unit] of lower.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)) {
    total += Number(number) * DURATION_UNITS[unit!]!
  }
  if (total > LONGEST_MS) throw new Error('expected a time of at most 24 days')
  return Math.max(1, Math.round(total))
}

/** Where to listen or connect. `host` is empty when none was given. */
export interface HostAndPort {
  readonly host: string
  readonly port: number
}

/** `host:port`, `1.2.3.4:port`, `[::1]:port`, `:port`. */
export function parseAddress(text: string): HostAndPort {
  const match = /^(?:\[([^\]]*)\]|([^:[\]\s]*)):(\d{1,5})$/.exec(text.trim())
  if (match === null)
    throw new Error('expected host:port, such as 192.0.2.7:6881, [2001:db8::7]:6881 or :6881')
  const [, bracketed, plain, digits] = match
  if (bracketed !== undefined && !isIPv6(bracketed)) throw new Error(`[${bracketed}] is not an IPv6 address`)
  const port = Number(digits)
  if (port > 65535) throw new Error(`${port} is not a port: the highest is 65535`)
  return { host: bracketed ?? plain ?? '', port }
}

/** The address of a peer: both parts are needed. */
export function parsePeer(text: string): HostAndPort {
  const address = parseAddress(text)
  if (address.host === '') throw new Error('expected the host of a peer before the colon')
  if (address.port === 0) throw new Error('expected the port of a peer; 0 is none')
  return address
}

/** A DHT node to begin with; undefined for `none` and for nothing: no node at all. */
export function parseDhtNode(text: string): HostAndPort | undefined {
  return ['', 'none'].includes(text.trim().toLowerCase()) ? undefined : parsePeer(text)
}

/** The absolute path of a folder. A leading `~` is the home folder: the shell leaves it alone behind an equals sign. */
export function parseFolder(text: string): string {
  if (text === '') throw new Error('expected a folder')
  if (text.includes('\0')) throw new Error('a path has no NUL in it')
  return resolve(text === '~' || text.startsWith('~/') ? join(homedir(), text.slice(1)) : text)
}

/** The name or the address of a network interface. */
export function parseInterface(text: string): string {
  if (text === '') throw new Error('expected the name of an interface, such as tun0, or one of its addresses')
  return text
}

/** One of a few words. */
export function oneOf<T extends string>(...words: readonly T[]): (text: string) => T {
  return text => {
    const found = words.find(word => word === text.toLowerCase())
    if (found === undefined) throw new Error(`expected one of ${words.join(', ')}`)
    return found
  }
}
