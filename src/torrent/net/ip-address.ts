/**
 * IP addresses as text: their one spelling, how near they are, and where a URL that a stranger chose may lead.
 *
 * Owns the rule that nothing from afar leads to a nearer network: a torrent's author, a tracker or a web server could
 * otherwise make this machine talk to its own services and to those behind its router. Pure.
 */
import { isIPv4, isIPv6, SocketAddress } from 'node:net'

/** Whose address it is: this machine's own, the local network's, or anyone's. */
export type Realm = 'loopback' | 'private' | 'public'

const DISTANCE: Readonly<Record<Realm, number>> = { loopback: 0, private: 1, public: 2 }

/** An IP literal in its one canonical spelling, IPv4-mapped ones as IPv4; undefined for anything else. */
export function canonicalIp(text: string): string | undefined {
  if (isIPv4(text)) return text
  if (text.length > 45 || !isIPv6(text) || text.includes('%')) return undefined
  const canonical = new SocketAddress({ address: text, family: 'ipv6' }).address
  const mapped = canonical.startsWith('::ffff:') ? canonical.slice(7) : ''
  return isIPv4(mapped) ? mapped : canonical
}

/** Whether a canonical IP literal is of the machine itself. */
export function isLoopback(ip: string): boolean {
  return ip === '::1' || ip === '::' || ip === '0.0.0.0' || (isIPv4(ip) && ip.startsWith('127.'))
}

/** The realm of a canonical IP literal. */
export function realmOf(ip: string): Realm {
  if (isLoopback(ip)) return 'loopback'
  return (isIPv4(ip) ? isPrivate4(ip) : /^(?:f[cd][0-9a-f]{2}|fe[89a-f][0-9a-f]):/.test(ip))
    ? 'private'
    : 'public'
}

/** The realm of a host with these addresses: the outermost, since from there it may lead to none of the nearer ones. */
export function realmOfHost(addresses: readonly { readonly address: string }[]): Realm {
  const realms = new Set(addresses.map(({ address }) => realmOf(address)))
  return realms.has('public') ? 'public' : realms.has('private') ? 'private' : 'loopback'
}

/** The realm that a host's mere name tells, without looking it up: of literals and `localhost`; undefined for others. */
export function realmOfName(host: string): Realm | undefined {
  const ip = canonicalIp(host)
  if (ip !== undefined) return realmOf(ip)
  return /^(?:.*\.)?localhost\.?$/i.test(host) ? 'loopback' : undefined
}

/** Whether what began in the realm `from` may lead to an address in `to`: never nearer. */
export function mayLead(from: Realm, to: Realm): boolean {
  return DISTANCE[to] >= DISTANCE[from]
}

/** RFC 1918, 3927 (link-local) and 6598 (shared by providers). */
function isPrivate4(ip: string): boolean {
  const [a, b] = ip.split('.').map(Number) as [number, number]
  if (a === 10 || (a === 192 && b === 168) || (a === 169 && b === 254)) return true
  return (a === 172 && b >= 16 && b < 32) || (a === 100 && b >= 64 && b < 128)
}
