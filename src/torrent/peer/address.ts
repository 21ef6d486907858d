/**
 * Where a peer is: host, port, family, and one spelling for each. BEP 3, 7.
 *
 * Pure. An address is known; a peer is connected.
 */
import { isIP, SocketAddress } from 'node:net'

import type { HostPort } from '../metainfo/addresses.js'

export type { HostPort }

/** Where a peer is. `host` is an IP address in its normal spelling, or a name (then `family` is 0). */
export interface PeerAddress extends HostPort {
  readonly family: 0 | 4 | 6
}

/**
 * Brings an address into its one spelling: an IPv4 address mapped into IPv6 becomes IPv4, other IPv6 addresses get their
 * shortest form, brackets go, letters are lower case. The port is taken as it is.
 */
export function toPeerAddress(address: HostPort): PeerAddress {
  let host = address.host.toLowerCase()
  if (host.startsWith('[') && host.endsWith(']')) host = host.slice(1, -1)
  if (isIP(host) === 6) host = normalizeIPv6(host)
  const family = isIP(host)
  return { host, port: address.port, family: family === 4 || family === 6 ? family : 0 }
}

function normalizeIPv6(host: string): string {
  const zone = host.indexOf('%')
  const bare = zone < 0 ? host : host.slice(0, zone)
  const { address } = new SocketAddress({ address: bare, family: 'ipv6', port: 0 })
  if (address.startsWith('::ffff:') && isIP(address.slice(7)) === 4) return address.slice(7)
  return zone < 0 ? address : address + host.slice(zone)
}

/** `host:port`, with an IPv6 host in brackets. Equal for equal addresses that went through {@link toPeerAddress}. */
export function formatAddress(address: HostPort): string {
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`
}
