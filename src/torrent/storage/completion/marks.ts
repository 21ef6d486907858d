/**
 * The bytes in which the marks of one torrent are kept: a header, a bit for each piece, a checksum.
 *
 *     magic 8, infohash 20, pieces 4, boot id 36 padded with NULs, ended well 1, zeros 3, bits, CRC-32 4; numbers little-endian
 *
 * Pure but for the checksum.
 */
import { crc32 } from 'node:zlib'
import { Bitfield } from '../../pieces/bitfield.js'

const MAGIC = 'TFPIECE1'
const HEADER = 72
const ENDED_WELL = 68
const SUM = 4

/** What the bytes say. */
export interface Marks {
  readonly stored: Bitfield
  /** The run of the machine in which they were written. */
  readonly bootId: string
  /** Written when the torrent was closed. */
  readonly endedWell: boolean
}

/** How many bytes the marks of so many pieces take. */
export function marksSize(pieces: number): number {
  return HEADER + Math.ceil(pieces / 8) + SUM
}

export function encodeMarks(infohash: string, { stored, bootId, endedWell }: Marks): Buffer {
  const bytes = Buffer.alloc(marksSize(stored.length))
  bytes.write(MAGIC, 0, 8, 'latin1')
  bytes.write(infohash, 8, 20, 'hex')
  bytes.writeUInt32LE(stored.length, 28)
  bytes.write(bootId, 32, 36, 'latin1')
  bytes[ENDED_WELL] = endedWell ? 1 : 0
  bytes.set(stored.bytes, HEADER)
  const end = bytes.length - SUM
  bytes.writeUInt32LE(crc32(bytes.subarray(0, end)), end)
  return bytes
}

/** Undefined when the bytes are not what was written for this torrent. */
export function decodeMarks(source: Uint8Array, infohash: string, pieces: number): Marks | undefined {
  const bytes = Buffer.from(source.buffer, source.byteOffset, source.length)
  const end = marksSize(pieces) - SUM
  if (bytes.length !== end + SUM || bytes.toString('latin1', 0, 8) !== MAGIC) return undefined
  if (bytes.toString('hex', 8, 28) !== infohash || bytes.readUInt32LE(28) !== pieces) return undefined
  if (bytes.readUInt32LE(end) !== crc32(bytes.subarray(0, end))) return undefined
  try {
    return {
      stored: Bitfield.fromWire(bytes.subarray(HEADER, end), pieces),
      bootId: bytes.toString('latin1', 32, 68).replace(/\0+$/, ''),
      endedWell: bytes[ENDED_WELL] === 1,
    }
  } catch {
    // Spare bits set: not ours, whatever the checksum says.
    return undefined
  }
}
