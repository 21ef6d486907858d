/**
 * The handshake that opens a connection: 68 bytes in each direction. BEP 3, with the reserved bits of BEP 5, 6 and 10.
 *
 * Pure: `peer/handshaking.ts` moves the bytes.
 */
import { ProtocolError } from './protocol-error.js'

/** The length of a handshake, in bytes. */
export const HANDSHAKE_LENGTH = 68

/** How many bytes of a handshake tell its infohash; the peer id follows, and some send it only after our answer. */
export const HANDSHAKE_HEAD_LENGTH = 48

/** What a handshake says. */
export interface Handshake {
  /** 20 bytes. */
  readonly infohash: Uint8Array
  /** 20 bytes. */
  readonly peerId: Uint8Array
  /** The peer speaks the fast extension (BEP 6). */
  readonly fast: boolean
  /** The peer speaks the extension protocol (BEP 10). */
  readonly extensions: boolean
  /** The peer runs a DHT node (BEP 5). */
  readonly dht: boolean
}

const PREFIX = new TextEncoder().encode('\x13BitTorrent protocol')
const RESERVED = PREFIX.length
const INFOHASH = RESERVED + 8
const PEER_ID = INFOHASH + 20

/**
 * The bytes of a handshake, newly allocated.
 *
 * @throws RangeError when the infohash or the peer id is not 20 bytes: a mistake of the caller.
 */
export function encodeHandshake(handshake: Handshake): Uint8Array {
  if (handshake.infohash.length !== 20) throw new RangeError('an infohash is 20 bytes')
  if (handshake.peerId.length !== 20) throw new RangeError('a peer id is 20 bytes')
  const bytes = new Uint8Array(HANDSHAKE_LENGTH)
  bytes.set(PREFIX)
  if (handshake.extensions) bytes[RESERVED + 5] = 0x10
  bytes[RESERVED + 7] = (handshake.fast ? 0x04 : 0) | (handshake.dht ? 0x01 : 0)
  bytes.set(handshake.infohash, INFOHASH)
  bytes.set(handshake.peerId, PEER_ID)
  return bytes
}

/**
 * Checks the first `length` bytes of what should become a handshake, so that a stranger is refused at its first byte
 * instead of after a timeout.
 *
 * @throws ProtocolError when they are not the beginning of a handshake.
 */
export function checkHandshakePrefix(bytes: Uint8Array, length: number): void {
  const end = Math.min(length, PREFIX.length)
  for (let i = 0; i < end; i++) {
    if (bytes[i] !== PREFIX[i])
      throw new ProtocolError('the handshake does not begin with the BitTorrent protocol')
  }
}

/**
 * Whether `bytes` begin a handshake: true when they do so for certain, undefined when they may and more must come, false
 * when they do not. An encrypted stream begins like a handshake for long only by chance.
 */
export function beginsHandshake(bytes: Uint8Array): boolean | undefined {
  const end = Math.min(bytes.length, PREFIX.length)
  for (let i = 0; i < end; i++) if (bytes[i] !== PREFIX[i]) return false
  return end === PREFIX.length ? true : undefined
}

/** A copy of the infohash of a handshake of which at least {@link HANDSHAKE_HEAD_LENGTH} bytes are there. */
export function handshakeInfohash(bytes: Uint8Array): Uint8Array {
  return copyOf(bytes, INFOHASH, PEER_ID)
}

/**
 * Reads a whole handshake. The result shares no memory with `bytes`.
 *
 * @throws ProtocolError when `bytes` is shorter than a handshake or not one.
 */
export function decodeHandshake(bytes: Uint8Array): Handshake {
  if (bytes.length < HANDSHAKE_LENGTH) throw new ProtocolError(`a handshake of ${bytes.length} bytes`)
  checkHandshakePrefix(bytes, HANDSHAKE_LENGTH)
  const extensionBits = bytes[RESERVED + 5] ?? 0
  const lastBits = bytes[RESERVED + 7] ?? 0
  return {
    infohash: copyOf(bytes, INFOHASH, PEER_ID),
    peerId: copyOf(bytes, PEER_ID, HANDSHAKE_LENGTH),
    extensions: (extensionBits & 0x10) !== 0,
    fast: (lastBits & 0x04) !== 0,
    dht: (lastBits & 0x01) !== 0,
  }
}

/** Not `slice`: that of a Buffer shares its memory. */
function copyOf(bytes: Uint8Array, begin: number, end: number): Uint8Array {
  return new Uint8Array(bytes.subarray(begin, end))
}
