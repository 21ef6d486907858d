/**
 * The addresses that metainfo files and magnet links carry: trackers (BEP 12), web seeds (BEP 19), peers and DHT nodes.
 *
 * Owns which of them are believable. Pure: nothing is resolved or contacted.
 */

/** A host (name, IPv4, or IPv6 without brackets) and a port in [1, 65535]. */
export interface HostPort {
  readonly host: string
  readonly port: number
}

/** More characters than any real announce URL; passkeys included. */
const MAX_URL_LENGTH = 4096
/** More trackers, web seeds or nodes than any real torrent names. */
export const MAX_ADDRESSES = 512

/** A tracker's URL, trimmed, or undefined when it is none we could speak to. Otherwise verbatim: it may hold a passkey. */
export function trackerUrl(text: string): string | undefined {
  return urlOf(text, ['http:', 'https:', 'udp:'])
}

/** A web seed's URL, trimmed, or undefined when it is not of HTTP(S). */
export function webSeedUrl(text: string): string | undefined {
  return urlOf(text, ['http:', 'https:'])
}

/** Tiers of tracker URLs without the unusable, the repeated and the empty; at most {@link MAX_ADDRESSES} in all. */
export function trackerTiers(tiers: Iterable<Iterable<string>>): string[][] {
  const seen = new Set<string>()
  const result: string[][] = []
  for (const tier of tiers) {
    const urls: string[] = []
    for (const text of tier) {
      const url = trackerUrl(text)
      if (url === undefined || seen.has(url) || seen.size >= MAX_ADDRESSES) continue
      seen.add(url)
      urls.push(url)
    }
    if (urls.length > 0) result.push(urls)
  }
  return result
}

/** Web seed URLs without the unusable and the repeated; at most {@link MAX_ADDRESSES}. */
export function webSeedUrls(texts: Iterable<string>): string[] {
  const seen = new Set<string>()
  for (const text of texts) {
    const url = webSeedUrl(text)
    if (url !== undefined && seen.size < MAX_ADDRESSES) seen.add(url)
  }
  return [...seen]
}

/** A believable host and port, or undefined. A host name may have letters, digits, `-`, `_` and `.`. */
export function hostPort(host: string, port: number): HostPort | undefined {
  if (!Number.isInteger(port) || port < 1 || port > 65535 || host.length > 253) return undefined
  const isName = /^[\p{L}\p{N}_]([\p{L}\p{N}_.-]*[\p{L}\p{N}_.])?$/u.test(host)
  return isName || isIpv6(host) ? { host, port } : undefined
}

/** `host:port` or `[IPv6]:port`, or undefined when the text is neither. */
export function parseHostPort(text: string): HostPort | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^[\]:]+)):(\d{1,5})$/.exec(text)
  if (match === null) return undefined
  const bracketed = match[1]
  if (bracketed !== undefined && !isIpv6(bracketed)) return undefined
  return hostPort(bracketed ?? match[2]!, Number(match[3]))
}

/** `host:port`, with brackets around IPv6. */
export function formatHostPort({ host, port }: HostPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

function isIpv6(host: string): boolean {
  return host.includes(':') && /^[0-9a-fA-F:.]+$/.test(host) && URL.canParse(`http://[${host}]/`)
}

function urlOf(text: string, protocols: readonly string[]): string | undefined {
  const trimmed = text.trim()
  if (trimmed.length > MAX_URL_LENGTH || !URL.canParse(trimmed)) return undefined
  const url = new URL(trimmed)
  return protocols.includes(url.protocol) && url.hostname !== '' ? trimmed : undefined
}

/** The text of an IPv4 (4 bytes) or IPv6 (16 bytes) address; one that is mapped into IPv6 becomes IPv4. */
export function hostOfBytes(bytes: Uint8Array): string {
  return bytes.length === 4 ? bytes.join('.') : formatIpv6(bytes)
}

/** RFC 5952: lower case, the longest run of zeros as `::`. */
function formatIpv6(bytes: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, index) => (bytes[index * 2]! << 8) | bytes[index * 2 + 1]!)
  if (groups[5] === 0xffff && groups.slice(0, 5).every(group => group === 0))
    return bytes.subarray(12).join('.')
  let begin = 0
  let length = 0
  for (let index = 0, run = 0; index < 8; index++) {
    run = groups[index] === 0 ? run + 1 : 0
    if (run > length) {
      length = run
      begin = index - run + 1
    }
  }
  const text = (from: number, to: number): string =>
    groups
      .slice(from, to)
      .map(group => group.toString(16))
      .join(':')
  return length < 2 ? text(0, 8) : `${text(0, begin)}::${text(begin + length, 8)}`
}
