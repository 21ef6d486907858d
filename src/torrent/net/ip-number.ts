/**
 * IP addresses as numbers that can be compared: one word of 32 bits for IPv4, four for IPv6.
 *
 * Pure, and without garbage where it is called for every datagram: the words go where the caller says.
 */

/** Words of an address of each family. */
export type WordCount = 1 | 4

/** Room for the words of one address. */
export function addressWords(): Uint32Array {
  return new Uint32Array(4)
}

/**
 * Reads an IP literal. An IPv4 address that is mapped into IPv6 is IPv4; a zone is ignored.
 *
 * @param into - Gets the words, the most significant first; garbage when the text is no address.
 * @param padded - Whether IPv4 numbers may begin with zeros, which are decimal then, as blocklists have them.
 * @returns how many words there are; 0 when it is no IP literal
 */
export function readAddress(text: string, into: Uint32Array, padded = false): WordCount | 0 {
  const ipv4 = readIpv4(text, 0, text.length, padded)
  if (ipv4 >= 0) {
    into[0] = ipv4
    return 1
  }
  return readIpv6(text, into)
}

/** The address at [from, to) of the text as a number in [0, 2^32), or -1. */
function readIpv4(text: string, from: number, to: number, padded: boolean): number {
  if (to - from > 15) return -1
  let value = 0
  let part = 0
  let digits = 0
  let dots = 0
  for (let at = from; at < to; at++) {
    const code = text.charCodeAt(at)
    if (code === 0x2e) {
      if (digits === 0 || ++dots > 3) return -1
      value = value * 256 + part
      part = 0
      digits = 0
      continue
    }
    if (code < 0x30 || code > 0x39 || ++digits > 3) return -1
    if (!padded && digits === 2 && part === 0) return -1
    part = part * 10 + code - 0x30
    if (part > 255) return -1
  }
  return dots === 3 && digits > 0 ? value * 256 + part : -1
}

function readIpv6(text: string, into: Uint32Array): WordCount | 0 {
  const zone = text.indexOf('%')
  const end = zone < 0 ? text.length : zone
  if (end < 2 || end > 45) return 0
  const groups = new Uint16Array(8)
  let count = 0
  /** Where `::` stands, as an index of a group; -1 for nowhere. */
  let gap = -1
  let at = 0
  if (text.charCodeAt(0) === 0x3a) {
    if (text.charCodeAt(1) !== 0x3a) return 0
    gap = 0
    at = 2
  }
  while (at < end) {
    if (count === 8) return 0
    const group = readGroup(text, at, end)
    if (group.next < 0) return 0
    if (group.dotted) {
      const ipv4 = count <= 6 ? readIpv4(text, at, end, false) : -1
      if (ipv4 < 0) return 0
      groups[count++] = ipv4 >>> 16
      groups[count++] = ipv4 & 0xffff
      break
    }
    groups[count++] = group.value
    at = group.next
    if (at === end) break
    // A colon, or two; what follows a single one must be a group.
    if (++at === end) return 0
    if (text.charCodeAt(at) !== 0x3a) continue
    if (gap >= 0) return 0
    gap = count
    at++
  }
  if (gap < 0 ? count !== 8 : count > 7) return 0
  if (gap >= 0) {
    groups.copyWithin(8 - (count - gap), gap, count)
    groups.fill(0, gap, 8 - (count - gap))
  }
  for (let word = 0; word < 4; word++) into[word] = groups[word * 2]! * 65536 + groups[word * 2 + 1]!
  if (into[0] !== 0 || into[1] !== 0 || into[2] !== 0xffff) return 4
  into[0] = into[3]!
  return 1
}

/** Up to four hexadecimal digits and what stands behind them: a colon, the end, or a dot of a dotted address. */
function readGroup(
  text: string,
  from: number,
  end: number,
): { value: number; next: number; dotted: boolean } {
  let value = 0
  let at = from
  for (; at < end; at++) {
    const digit = hexDigit(text.charCodeAt(at))
    if (digit < 0) break
    if (at - from === 4) return { value: 0, next: -1, dotted: false }
    value = value * 16 + digit
  }
  const dotted = at < end && text.charCodeAt(at) === 0x2e
  const ends = at === end || text.charCodeAt(at) === 0x3a
  return { value, next: at > from && (ends || dotted) ? at : -1, dotted }
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}
