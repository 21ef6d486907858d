/**
 * The records of the resume journal: what was done to a torrent's files, in order.
 *
 * Owns their bytes on disk. Must not read or write files, nor know what a record does to the state (resume-state).
 */
import { crc32 } from 'node:zlib'

/** What identifies the content of a file without reading it. */
export interface Stamp {
  /** Bytes in the file; -1 when there is no file. */
  readonly size: number
  /** Time of the last change, in ns; 0 when there is no file. */
  readonly mtimeNs: bigint
}

/** The stamp of a file that does not exist. */
export const ABSENT: Stamp = { size: -1, mtimeNs: 0n }

/** Whether two stamps say the same content. */
export function sameStamp(a: Stamp, b: Stamp): boolean {
  return a.size === b.size && a.mtimeNs === b.mtimeNs
}

/** One file that a record's operation touched. */
export interface TouchedFile {
  /** Index into the torrent's files. */
  readonly file: number
  /** The stamp just before: when it is not the last one recorded, someone else changed the file in between. */
  readonly before: Stamp
  /** The stamp just after. */
  readonly after: Stamp
}

/** stored: a piece matches its hash and is written; missing: it is not there; touched: files changed, no piece came of it. */
export type RecordKind = 'stored' | 'missing' | 'touched'

/** One operation. */
export interface ResumeRecord {
  readonly kind: RecordKind
  /** The piece; -1 for `touched`. */
  readonly piece: number
  readonly files: readonly TouchedFile[]
}

const KINDS: readonly RecordKind[] = ['stored', 'missing', 'touched']
const HEAD = 16
const ENTRY = 36
const TAIL = 4

/** The bytes of a record: length, kind, piece, count, the files, CRC-32; little-endian. */
export function encodeRecord(record: ResumeRecord): Uint8Array<ArrayBuffer> {
  const length = HEAD + record.files.length * ENTRY + TAIL
  const bytes = new Uint8Array(length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, length, true)
  view.setUint32(4, KINDS.indexOf(record.kind) + 1, true)
  view.setInt32(8, record.piece, true)
  view.setUint32(12, record.files.length, true)
  let at = HEAD
  for (const touched of record.files) {
    view.setUint32(at, touched.file, true)
    view.setFloat64(at + 4, touched.before.size, true)
    view.setBigInt64(at + 12, touched.before.mtimeNs, true)
    view.setFloat64(at + 20, touched.after.size, true)
    view.setBigInt64(at + 28, touched.after.mtimeNs, true)
    at += ENTRY
  }
  view.setUint32(at, crc32(bytes.subarray(0, at)), true)
  return bytes
}

/**
 * The record at `offset` and where the next one begins; undefined when there is no whole and sound one (a torn write, or
 * bytes that someone changed).
 *
 * @param limits number of files and pieces of the torrent: a record beyond them is not sound
 */
export function decodeRecord(
  bytes: Uint8Array,
  offset: number,
  limits: { files: number; pieces: number },
): { record: ResumeRecord; end: number } | undefined {
  const left = bytes.length - offset
  if (left < HEAD + TAIL) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, left)
  const length = view.getUint32(0, true)
  const count = view.getUint32(12, true)
  if (length > left || count > limits.files || length !== HEAD + count * ENTRY + TAIL) return undefined
  const sum = view.getUint32(length - TAIL, true)
  if (sum !== crc32(bytes.subarray(offset, offset + length - TAIL))) return undefined
  const kind = KINDS[view.getUint32(4, true) - 1]
  const piece = view.getInt32(8, true)
  if (kind === undefined || piece >= limits.pieces || (piece < 0 && kind !== 'touched')) return undefined
  const files: TouchedFile[] = []
  for (let at = HEAD; at < length - TAIL; at += ENTRY) {
    const file = view.getUint32(at, true)
    if (file >= limits.files) return undefined
    files.push({
      file,
      before: { size: view.getFloat64(at + 4, true), mtimeNs: view.getBigInt64(at + 12, true) },
      after: { size: view.getFloat64(at + 20, true), mtimeNs: view.getBigInt64(at + 28, true) },
    })
  }
  return { record: { kind, piece, files }, end: offset + length }
}

/** Whether the bytes from `offset` on look like the first part of a record whose rest was never written. */
export function isCutRecord(bytes: Uint8Array, offset: number, limits: { files: number }): boolean {
  const left = bytes.length - offset
  if (left < HEAD) return true
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, left)
  const length = view.getUint32(0, true)
  const count = view.getUint32(12, true)
  return count <= limits.files && length === HEAD + count * ENTRY + TAIL && length > left
}
