/**
 * Ids of DHT nodes: 160 bits, near or far by XOR (BEP 5), and tied to their owner's address (BEP 42).
 *
 * Pure: random bytes come in as arguments.
 */
import { crc32c } from '../../net/crc32c.js'
import { realmOf } from '../../net/ip-address.js'
import { bytesOfHost } from '../../net/ip-bytes.js'

/** Bytes of an id, of an infohash, of any target. */
export const ID_LENGTH = 20
export const ID_BITS = 160

const MASK_4 = Uint8Array.of(0x03, 0x0f, 0x3f, 0xff)
const MASK_6 = Uint8Array.of(0x01, 0x03, 0x07, 0x0f, 0x1f, 0x3f, 0x7f, 0xff)

/** Less than 0 when `a` is closer to `target` than `b`, 0 when both are the same. */
export function compareDistance(target: Uint8Array, a: Uint8Array, b: Uint8Array): number {
  for (let index = 0; index < ID_LENGTH; index++) {
    const difference = (a[index]! ^ target[index]!) - (b[index]! ^ target[index]!)
    if (difference !== 0) return difference
  }
  return 0
}

/** How many leading bits two ids share: 160 when they are the same. */
export function sharedBits(a: Uint8Array, b: Uint8Array): number {
  for (let index = 0; index < ID_LENGTH; index++) {
    const difference = a[index]! ^ b[index]!
    if (difference !== 0) return index * 8 + Math.clz32(difference) - 24
  }
  return ID_BITS
}

/** An id that shares exactly `bits` leading bits with `own`, [0, 160), the rest taken from 20 random bytes. */
export function idSharing(own: Uint8Array, bits: number, random: Uint8Array): Uint8Array {
  const id = random.slice(0, ID_LENGTH)
  const whole = bits >>> 3
  id.set(own.subarray(0, whole))
  const keep = (0xff00 >>> (bits & 7)) & 0xff
  const flip = 0x80 >>> (bits & 7)
  id[whole] = (own[whole]! & keep) | (~own[whole]! & flip) | (id[whole]! & ~keep & ~flip)
  return id
}

/** An id that the address of these 4 or 16 bytes may have, the free bits taken from 20 random bytes (BEP 42). */
export function secureId(ip: Uint8Array, random: Uint8Array): Uint8Array {
  const id = random.slice(0, ID_LENGTH)
  const crc = secureBits(ip, id[ID_LENGTH - 1]!)
  id[0] = crc >>> 24
  id[1] = crc >>> 16
  id[2] = ((crc >>> 8) & 0xf8) | (id[2]! & 0x07)
  return id
}

/** Whether a node at this IP literal may have the id (BEP 42). At addresses that are not public any id will do. */
export function isSecureId(id: Uint8Array, host: string): boolean {
  const ip = bytesOfHost(host)
  if (ip === undefined) return false
  if (realmOf(host) !== 'public') return true
  const crc = secureBits(ip, id[ID_LENGTH - 1]!)
  return id[0] === crc >>> 24 && id[1] === ((crc >>> 16) & 0xff) && (id[2]! & 0xf8) === ((crc >>> 8) & 0xf8)
}

/** The checksum whose first 21 bits an id must begin with. `salt` is the id's last byte. */
function secureBits(ip: Uint8Array, salt: number): number {
  const mask = ip.length === 4 ? MASK_4 : MASK_6
  const masked = mask.map((byte, index) => byte & ip[index]!)
  masked[0] = masked[0]! | ((salt & 7) << 5)
  return crc32c(masked)
}
