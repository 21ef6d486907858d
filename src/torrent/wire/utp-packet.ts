/**
 * The packets of uTP, the transport over UDP that gives way to others. BEP 29.
 *
 * Pure: bytes in, fields out, and back. Must not believe a length before it is checked; what the fields mean for a
 * connection is its business.
 */

/** The first packet of whoever connects. */
export const UTP_SYN = 4
/** Payload. */
export const UTP_DATA = 0
/** The last packet of a side. */
export const UTP_FIN = 1
/** An acknowledgement and nothing else. */
export const UTP_STATE = 2
/** There is no such connection, or there is no longer. */
export const UTP_RESET = 3

/** Bytes of a header without extensions. */
export const UTP_HEADER_LENGTH = 20

const VERSION = 1
const SELECTIVE_ACK = 1
/** Bytes before the mask of a selective acknowledgement: what follows it, and its length. */
const EXTENSION_HEAD = 2

/** The fields that every packet has (BEP 29). */
export interface UtpHeader {
  /** One of {@link UTP_DATA}, {@link UTP_FIN}, {@link UTP_STATE}, {@link UTP_RESET}, {@link UTP_SYN}. */
  readonly type: number
  /** Which connection, as the receiver counts; in a SYN as the sender does. 16 bits. */
  readonly connection: number
  /** The sender's clock when it sent, in microseconds modulo 2^32. */
  readonly timestamp: number
  /** How long the last packet took to the sender by both clocks, in microseconds modulo 2^32. */
  readonly difference: number
  /** How many bytes the sender has room for. */
  readonly window: number
  /** 16 bits. */
  readonly sequence: number
  /** The last packet that came with all before it. 16 bits. */
  readonly ack: number
}

/** A packet as it came. */
export interface UtpPacket extends UtpHeader {
  /**
   * Bit `i` (the lowest of each byte first): packet `ack + 2 + i` came. Undefined: nothing came out of order. A part of
   * the bytes that were decoded.
   */
  readonly selectiveAck: Uint8Array | undefined
  /** A part of the bytes that were decoded. */
  readonly payload: Uint8Array
}

/** Whether a datagram begins as uTP does. No message of the DHT (bencode) or of a UDP tracker we know of does. */
export function isUtp(bytes: Uint8Array): boolean {
  const first = bytes[0]
  return (
    bytes.length >= UTP_HEADER_LENGTH &&
    first !== undefined &&
    (first & 0x0f) === VERSION &&
    first >> 4 <= UTP_SYN
  )
}

/** The packet in a datagram, or undefined when it is none, or damaged. Extensions we do not know are skipped. */
export function decodeUtp(bytes: Uint8Array): UtpPacket | undefined {
  if (!isUtp(bytes)) return undefined
  let selectiveAck: Uint8Array | undefined
  let extension = bytes[1]!
  let offset = UTP_HEADER_LENGTH
  while (extension !== 0) {
    const length = bytes[offset + 1]
    if (length === undefined || offset + EXTENSION_HEAD + length > bytes.length) return undefined
    const begin = offset + EXTENSION_HEAD
    if (extension === SELECTIVE_ACK) selectiveAck ??= bytes.subarray(begin, begin + length)
    extension = bytes[offset]!
    offset = begin + length
  }
  return {
    type: bytes[0]! >> 4,
    connection: read16(bytes, 2),
    timestamp: read32(bytes, 4),
    difference: read32(bytes, 8),
    window: read32(bytes, 12),
    sequence: read16(bytes, 16),
    ack: read16(bytes, 18),
    selectiveAck,
    payload: bytes.subarray(offset),
  }
}

/**
 * A packet in `target`, which is left as it is behind the header: that is the payload's place.
 *
 * @param target - At least {@link UTP_HEADER_LENGTH} bytes.
 */
export function writeUtpHeader(target: Uint8Array, header: UtpHeader): void {
  target[0] = (header.type << 4) | VERSION
  target[1] = 0
  write16(target, 2, header.connection)
  write32(target, 4, header.timestamp)
  write32(target, 8, header.difference)
  write32(target, 12, header.window)
  write16(target, 16, header.sequence)
  write16(target, 18, header.ack)
}

/** A packet without payload. @param selectiveAck - A multiple of 4 bytes, at most 252; undefined for none */
export function encodeUtp(header: UtpHeader, selectiveAck?: Uint8Array): Uint8Array {
  if (selectiveAck === undefined) {
    const packet = new Uint8Array(UTP_HEADER_LENGTH)
    writeUtpHeader(packet, header)
    return packet
  }
  const packet = new Uint8Array(UTP_HEADER_LENGTH + EXTENSION_HEAD + selectiveAck.length)
  writeUtpHeader(packet, header)
  packet[1] = SELECTIVE_ACK
  packet[UTP_HEADER_LENGTH + 1] = selectiveAck.length
  packet.set(selectiveAck, UTP_HEADER_LENGTH + EXTENSION_HEAD)
  return packet
}

/** Gives a packet that is sent again the times and the acknowledgement of now. */
export function refreshUtpHeader(
  packet: Uint8Array,
  now: Pick<UtpHeader, 'timestamp' | 'difference' | 'window' | 'ack'>,
): void {
  write32(packet, 4, now.timestamp)
  write32(packet, 8, now.difference)
  write32(packet, 12, now.window)
  write16(packet, 18, now.ack)
}

function read16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!
}

function read32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
}

function write16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8
  bytes[at + 1] = value
}

function write32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
}
