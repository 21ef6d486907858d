/**
 * The canonical priority of a connection: both ends rate it alike, so a full swarm agrees on whom to keep. BEP 40.
 *
 * Pure.
 */
import { crc32c } from '../net/crc32c.js'
import { bytesOfHost } from '../net/ip-bytes.js'
import type { HostPort } from './address.js'

/**
 * The priority of the connection between two addresses: the higher, the better. Undefined when it has none: a host that
 * is no IP address, or two families.
 */
export function canonicalPriority(own: HostPort, other: HostPort): number | undefined {
  const a = bytesOfHost(own.host)
  const b = bytesOfHost(other.host)
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
