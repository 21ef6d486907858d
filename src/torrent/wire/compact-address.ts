/**
 * Addresses of peers as bytes: 4 or 16 of the host, 2 of the port. BEP 7, 11, 23, 55.
 *
 * Pure. Which addresses are believable is their receiver's business.
 */
import { hostOfBytes, type HostPort } from '../metainfo/addresses.js'

/** The bytes of an IP literal, 4 or 16; undefined for a name or an address with a zone. */
export function bytesOfHost(host: string): Uint8Array | undefined {
  if (!host.includes(':')) return bytesOf4(host)
  const [left = '', right, more] = host.split('::')
  const head = groupsOf(left)
  const tail = groupsOf(right ?? '')
  if (head === undefined || tail === undefined || more !== undefined) return undefined
  const missing = 16 - head.length - tail.length
  if (right === undefined ? missing !== 0 : missing < 2) return undefined
  const bytes = new Uint8Array(16)
  bytes.set(head)
  bytes.set(tail, 16 - tail.length)
  return bytes
}

/** Host and port, 6 or 18 bytes; undefined for what has no such form. */
export function compactAddress({ host, port }: HostPort): Uint8Array | undefined {
  const bytes = bytesOfHost(host)
  if (bytes === undefined) return undefined
  const compact = new Uint8Array(bytes.length + 2)
  compact.set(bytes)
  compact[bytes.length] = port >>> 8
  compact[bytes.length + 1] = port
  return compact
}

/** The address that lies at `at`; `size` is 6 or 18. The port may be 0. */
export function readCompactAddress(bytes: Uint8Array, at: number, size: number): HostPort {
  const host = hostOfBytes(bytes.subarray(at, at + size - 2))
  return { host, port: (bytes[at + size - 2]! << 8) | bytes[at + size - 1]! }
}

function bytesOf4(host: string): Uint8Array | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(host)
  const parts = match?.slice(1).map(Number)
  return parts?.every(part => part < 256) === true ? Uint8Array.from(parts) : undefined
}

function groupsOf(text: string): number[] | undefined {
  if (text === '') return []
  const bytes: number[] = []
  for (const group of text.split(':')) {
    if (!/^[0-9a-f]{1,4}$/i.test(group) || bytes.length >= 16) return undefined
    const value = Number.parseInt(group, 16)
    bytes.push(value >>> 8, value & 0xff)
  }
  return bytes
}
