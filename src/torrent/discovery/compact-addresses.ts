/**
 * Addresses as trackers send them: compact IPv4 and IPv6 (BEP 23, 7) and literals of the dictionary form (BEP 3).
 *
 * Owns which addresses are worth keeping: unicast, with a port. Loopback and private ones are, since trackers of a LAN
 * give them. Host names are not: a hostile answer could make us look up anything. Pure.
 */
import type { KnownAddress } from './announce.js'
import { hostOfBytes } from '../metainfo/addresses.js'
import { canonicalIp } from '../net/ip-address.js'

/** Bytes of a compact IPv4 address with its port. */
export const COMPACT4_LENGTH = 6
/** Bytes of a compact IPv6 address with its port. */
export const COMPACT6_LENGTH = 18

/**
 * Decodes addresses of 6 bytes each, at most `limit` of them; a remainder is ignored, as are addresses nobody can dial.
 */
export function decodeCompact4(bytes: Uint8Array, limit: number): KnownAddress[] {
  return decodeCompact(bytes, COMPACT4_LENGTH, limit)
}

/** Decodes addresses of 18 bytes each, else as {@link decodeCompact4}. IPv4-mapped ones become IPv4. */
export function decodeCompact6(bytes: Uint8Array, limit: number): KnownAddress[] {
  return decodeCompact(bytes, COMPACT6_LENGTH, limit)
}

/** The address of 4 or 16 bytes (BEP 24); undefined for another length. */
export function decodeIp(bytes: Uint8Array): string | undefined {
  if (bytes.length === 4) return bytes.join('.')
  return bytes.length === 16 ? hostOfBytes(bytes) : undefined
}

/** An address given as text and number; undefined unless it is an IP literal that can be dialled, with a real port. */
export function addressOf(host: string, port: number | undefined): KnownAddress | undefined {
  if (port === undefined || !Number.isInteger(port) || port < 1 || port > 65535) return undefined
  const canonical = canonicalIp(host)
  return canonical !== undefined && isDialable(canonical) ? { host: canonical, port } : undefined
}

function decodeCompact(bytes: Uint8Array, size: number, limit: number): KnownAddress[] {
  const addresses: KnownAddress[] = []
  for (let at = 0; at + size <= bytes.length && addresses.length < limit; at += size) {
    const port = (bytes[at + size - 2]! << 8) | bytes[at + size - 1]!
    const host = decodeIp(bytes.subarray(at, at + size - 2))
    if (host !== undefined && port !== 0 && isDialable(host)) addresses.push({ host, port })
  }
  return addresses
}

/** No "this network", multicast, broadcast, unspecified, or link-local IPv6 (useless without its interface). */
function isDialable(host: string): boolean {
  if (!host.includes(':')) {
    const first = Number(host.slice(0, host.indexOf('.')))
    return first > 0 && first < 224
  }
  return host !== '::' && !/^(?:ff..|fe[89ab].):/.test(host)
}
