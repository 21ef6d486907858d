/**
 * The canonical priority of a connection: both ends rate it alike, so a full swarm agrees on whom to keep. BEP 40.
 *
 * Pure.
 */
import { isIP } from 'node:net'

import type { HostPort } from './address.js'

/**
 * The priority of the connection between two addresses: the higher, the better. Undefined when it has none: a host that
 * is no IP address, or two families.
 */
export function canonicalPriority(own: HostPort, other: HostPort): number | undefined {
  const a = toBytes(own.host)
  const b = toBytes(other.host)
  if (a === undefined || b === undefined || a.length !== b.length) return undefined
  const difference = a.findIndex((byte, i) => byte !== b[i])
  if (difference < 0) {
    // The same host: the ports tell.
    const ports = [own.port, other.port].sort((x, y) => x - y)
    return crc32c(Uint8Array.from(ports.flatMap(port => [port >>> 8, port & 0xff])))
  }
  // Addresses of one network count in full, others by their network only, so that nobody gains by choosing a host.
  const wide = a.length === 4 ? 2 : 6
  const whole = Math.max(wide, difference + 1)
  mask(a, whole)
  mask(b, whole)
  const [low, high] = Buffer.compare(a, b) < 0 ? [a, b] : [b, a]
  const both = new Uint8Array(a.length * 2)
  both.set(low)
  both.set(high, a.length)
  return crc32c(both)
}

/** Keeps the first `whole` bytes, and of the rest every other bit. */
function mask(bytes: Uint8Array, whole: number): void {
  for (let i = whole; i < bytes.length; i++) bytes[i] = (bytes[i] as number) & 0x55
}

function toBytes(host: string): Uint8Array | undefined {
  const family = isIP(host)
  if (family === 4) return Uint8Array.from(host.split('.'), Number)
  if (family === 0) return undefined
  const [left = '', right] = (host.split('%')[0] as string).split('::')
  const head = groups(left)
  const tail = groups(right ?? '')
  const bytes = new Uint8Array(16)
  bytes.set(head)
  bytes.set(tail, 16 - tail.length)
  return bytes
}

function groups(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap(group => {
    if (group.includes('.')) return group.split('.').map(Number)
    const value = Number.parseInt(group, 16)
    return [value >>> 8, value & 0xff]
  })
}

/** CRC-32C (Castagnoli), bit by bit: 32 bytes at most, once an address. */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0)
  }
  return ~crc >>> 0
}
