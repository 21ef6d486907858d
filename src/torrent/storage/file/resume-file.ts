/**
 * The two kinds of resume files: a checkpoint (the whole state at a moment) and a journal (records since).
 *
 * Owns their bytes. Must not read or write files. Everything read may be torn, old, or changed by someone: what does not
 * check is as good as absent.
 */
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { Bitfield } from '../../pieces/bitfield.js'
import { decodeRecord, isCutRecord } from './resume-record.js'
import type { ResumeRecord, Stamp } from './resume-record.js'
import type { ResumeSnapshot } from './resume-state.js'

/** What a resume file must agree with. */
export interface ResumeSubject {
  /** 40 lower-case hexadecimal digits. */
  readonly infohash: string
  readonly pieces: number
  readonly files: number
}

/** What both kinds begin with. */
export interface ResumeHeader {
  /** A checkpoint of generation g is continued by the journals of generations >= g, in order. */
  readonly generation: number
  /** The running kernel's id when the file was begun; '' when the system has none. */
  readonly bootId: string
}

const CHECKPOINT_MAGIC = 'TFSC0001'
const JOURNAL_MAGIC = 'TFSJ0001'
const HEADER = 80
const DIGEST = 20
const STAMP = 20

/** The bytes a journal begins with. */
export function encodeJournalHeader(infohash: string, header: ResumeHeader): Uint8Array<ArrayBuffer> {
  return encodeHeader(JOURNAL_MAGIC, infohash, header)
}

/**
 * How a journal ends. whole: with a sound record; cut: within a record, as when the process was killed while it wrote it;
 * damaged: with bytes that are no record.
 */
export type JournalEnd = 'whole' | 'cut' | 'damaged'

/** The header and the sound records of a journal up to its end; undefined when even the header does not check. */
export function decodeJournal(
  bytes: Uint8Array,
  subject: ResumeSubject,
): { header: ResumeHeader; records: ResumeRecord[]; end: JournalEnd } | undefined {
  const header = decodeHeader(JOURNAL_MAGIC, bytes, subject.infohash)
  if (header === undefined) return undefined
  const records: ResumeRecord[] = []
  let offset = HEADER
  while (offset < bytes.length) {
    const found = decodeRecord(bytes, offset, subject)
    if (found === undefined) {
      return { header, records, end: isCutRecord(bytes, offset, subject) ? 'cut' : 'damaged' }
    }
    records.push(found.record)
    offset = found.end
  }
  return { header, records, end: 'whole' }
}

/** The bytes of a checkpoint: header, bitfields, stamps, SHA-1 of all that. */
export function encodeCheckpoint(
  infohash: string,
  header: ResumeHeader,
  snapshot: ResumeSnapshot,
): Uint8Array<ArrayBuffer> {
  const size = snapshot.stored.bytes.length
  const suspect = snapshot.suspect?.empty === false ? snapshot.suspect : undefined
  const unsynced = snapshot.unsynced?.empty === false ? snapshot.unsynced : undefined
  const fields = [snapshot.stored, ...(suspect ? [suspect] : []), ...(unsynced ? [unsynced] : [])]
  const length = HEADER + 12 + fields.length * size + snapshot.stamps.size * STAMP + DIGEST
  const bytes = new Uint8Array(length)
  const view = new DataView(bytes.buffer)
  bytes.set(encodeHeader(CHECKPOINT_MAGIC, infohash, header))
  view.setUint32(HEADER, snapshot.stored.length, true)
  view.setUint32(HEADER + 4, (suspect ? 1 : 0) | (unsynced ? 2 : 0), true)
  view.setUint32(HEADER + 8, snapshot.stamps.size, true)
  let at = HEADER + 12
  for (const field of fields) {
    bytes.set(field.bytes, at)
    at += size
  }
  for (const [file, stamp] of snapshot.stamps) {
    view.setUint32(at, file, true)
    view.setFloat64(at + 4, stamp.size, true)
    view.setBigInt64(at + 12, stamp.mtimeNs, true)
    at += STAMP
  }
  bytes.set(createHash('sha1').update(bytes.subarray(0, at)).digest(), at)
  return bytes
}

/** What a checkpoint says, or undefined when it does not check. */
export function decodeCheckpoint(
  bytes: Uint8Array,
  subject: ResumeSubject,
): { header: ResumeHeader; snapshot: ResumeSnapshot } | undefined {
  const header = decodeHeader(CHECKPOINT_MAGIC, bytes, subject.infohash)
  if (header === undefined || bytes.length < HEADER + 12 + DIGEST) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const flags = view.getUint32(HEADER + 4, true)
  const stampCount = view.getUint32(HEADER + 8, true)
  if (view.getUint32(HEADER, true) !== subject.pieces || stampCount > subject.files) return undefined
  const size = Math.ceil(subject.pieces / 8)
  const fields = 1 + (flags & 1) + ((flags >> 1) & 1)
  const end = HEADER + 12 + fields * size + stampCount * STAMP
  if (bytes.length !== end + DIGEST) return undefined
  const digest = createHash('sha1').update(bytes.subarray(0, end)).digest()
  if (!digest.equals(bytes.subarray(end))) return undefined
  let at = HEADER + 12
  const field = (): Bitfield => {
    at += size
    return Bitfield.fromWire(bytes.subarray(at - size, at), subject.pieces)
  }
  try {
    const stored = field()
    const suspect = (flags & 1) !== 0 ? field() : undefined
    const unsynced = (flags & 2) !== 0 ? field() : undefined
    const stamps = new Map<number, Stamp>()
    for (; at < end; at += STAMP) {
      const file = view.getUint32(at, true)
      if (file >= subject.files) return undefined
      stamps.set(file, { size: view.getFloat64(at + 4, true), mtimeNs: view.getBigInt64(at + 12, true) })
    }
    return { header, snapshot: { stored, suspect, unsynced, stamps } }
  } catch {
    // Spare bits set: not ours, whatever the digest says.
    return undefined
  }
}

/** Magic 8, infohash 20, generation 4, boot id 36 padded with NULs, zeros 8, CRC-32 4. */
function encodeHeader(magic: string, infohash: string, header: ResumeHeader): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HEADER)
  const text = Buffer.from(bytes.buffer)
  text.write(magic, 0, 8, 'latin1')
  text.write(infohash, 8, 20, 'hex')
  text.writeUInt32LE(header.generation, 28)
  text.write(header.bootId, 32, 36, 'latin1')
  text.writeUInt32LE(crc32(text.subarray(0, HEADER - 4)), HEADER - 4)
  return bytes
}

function decodeHeader(magic: string, bytes: Uint8Array, infohash: string): ResumeHeader | undefined {
  if (bytes.length < HEADER) return undefined
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  if (text.toString('latin1', 0, 8) !== magic || text.toString('hex', 8, 28) !== infohash) return undefined
  if (text.readUInt32LE(HEADER - 4) !== crc32(text.subarray(0, HEADER - 4))) return undefined
  const bootId = text.toString('latin1', 32, 68).replace(/\0+$/, '')
  return { generation: text.readUInt32LE(28), bootId }
}
