/**
 * Where a peer is: host, port, family, and one spelling for each. BEP 3, 7.
 *
 * Pure. An address is known; a peer is connected.
 */
import { isIP } from 'node:net'

/** Host and port as people, trackers and magnets give them: the host may be a name. */
export interface HostPort {
  readonly host: string
  readonly port: number
}

/** Where a peer is. `host` is an IP address in its normal spelling, or a name (then `family` is 0). */
export interface PeerAddress extends HostPort {
  readonly family: 0 | 4 | 6
}

/**
 * Brings an address into its one spelling: an IPv4 address mapped into IPv6 becomes IPv4, brackets and zone go, letters
 * are lower case. The port is taken as it is.
 */
export function toPeerAddress(address: HostPort): PeerAddress {
  let host = address.host.toLowerCase()
  if (host.startsWith('[') && host.endsWith(']')) host = host.slice(1, -1)
  if (host.startsWith('::ffff:')) {
    const mapped = host.slice(7)
    if (isIP(mapped) === 4) host = mapped
  }
  const family = isIP(host)
  return { host, port: address.port, family: family === 4 || family === 6 ? family : 0 }
}

/** `host:port`, with an IPv6 host in brackets. Equal for equal addresses that went through {@link toPeerAddress}. */
export function formatAddress(address: HostPort): string {
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`
}
