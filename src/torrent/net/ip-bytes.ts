/**
 * IP addresses as bytes. Pure.
 */
import { isIP } from 'node:net'

/** The 4 or 16 bytes of an IP literal (a zone is left out); undefined for anything else. */
export function bytesOfHost(host: string): Uint8Array | undefined {
  if (!host.includes(':')) return bytesOfIpv4(host)
  if (isIP(host) !== 6) return undefined
  const [left = '', right] = (host.split('%')[0] as string).split('::')
  const head = groupBytes(left)
  const tail = groupBytes(right ?? '')
  const bytes = new Uint8Array(16)
  bytes.set(head)
  bytes.set(tail, 16 - tail.length)
  return bytes
}

/** By hand: the DHT does it for every contact of every datagram. */
function bytesOfIpv4(host: string): Uint8Array | undefined {
  if (host.length > 15) return undefined
  const bytes = new Uint8Array(4)
  let part = 0
  let value = -1
  for (let index = 0; index <= host.length; index++) {
    const code = index < host.length ? host.charCodeAt(index) : 0x2e
    if (code === 0x2e) {
      if (value < 0 || part === 4) return undefined
      bytes[part++] = value
      value = -1
    } else {
      const digit = code - 0x30
      // No leading zeros: some read them as octal.
      if (digit < 0 || digit > 9 || value === 0) return undefined
      value = value < 0 ? digit : value * 10 + digit
      if (value > 255) return undefined
    }
  }
  return part === 4 ? bytes : undefined
}

function groupBytes(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap(group => {
    if (group.includes('.')) return group.split('.').map(Number)
    const value = Number.parseInt(group, 16)
    return [value >>> 8, value & 0xff]
  })
}
