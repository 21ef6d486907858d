/**
 * Replies into a caller's memory. PURE. Each function writes at `at` and returns the position after what it wrote.
 *
 * Every byte of a structure is written: the memory holds an earlier reply.
 */

/** Bytes of `struct fuse_out_header`. */
export const HEADER_LENGTH = 16
/** Bytes of `struct fuse_entry_out`. */
export const ENTRY_LENGTH = 128
const DIRENT_LENGTH = 24
const BLOCK_SIZE = 4096

export interface NodeAttributes {
  readonly ino: number
  /** Type and permission bits. */
  readonly mode: number
  readonly nlink: number
  readonly uid: number
  readonly gid: number
  /** Bytes. */
  readonly size: number
  /** Units of 512 bytes. */
  readonly blocks: number
  /** ms since the epoch. */
  readonly mtimeMs: number
}

/** One entry of a folder's listing. */
export interface Dirent {
  readonly ino: number
  /** Where the listing goes on behind it. */
  readonly offset: number
  readonly kind: 'file' | 'directory'
  readonly name: Uint8Array
}

export interface InitReply {
  readonly minor: number
  /** Bytes. */
  readonly maxReadahead: number
  readonly flags: number
  readonly flags2: number
  readonly maxBackground: number
  readonly congestionThreshold: number
  /** Bytes. */
  readonly maxWrite: number
  readonly timeGranularityNs: number
  /** Pages of 4 KiB in one request. */
  readonly maxPages: number
  readonly maxStackDepth: number
}

/** @param errno positive, or 0; @param length of the whole reply */
export function writeHeader(out: Buffer, at: number, unique: number, errno: number, length: number): number {
  out.writeUInt32LE(length, at)
  out.writeInt32LE(-errno, at + 4)
  return write64(out, at + 8, unique)
}

export function writeAttributes(out: Buffer, at: number, a: NodeAttributes): number {
  write64(out, at, a.ino)
  write64(out, at + 8, a.size)
  write64(out, at + 16, a.blocks)
  const seconds = Math.floor(a.mtimeMs / 1000)
  const nanoseconds = nanosecondsOf(a.mtimeMs, seconds)
  for (let i = 0; i < 3; i++) {
    write64(out, at + 24 + 8 * i, seconds)
    out.writeUInt32LE(nanoseconds, at + 48 + 4 * i)
  }
  out.writeUInt32LE(a.mode, at + 60)
  out.writeUInt32LE(a.nlink, at + 64)
  out.writeUInt32LE(a.uid, at + 68)
  out.writeUInt32LE(a.gid, at + 72)
  out.writeUInt32LE(0, at + 76)
  out.writeUInt32LE(BLOCK_SIZE, at + 80)
  out.writeUInt32LE(0, at + 84)
  return at + 88
}

export function writeAttributesReply(out: Buffer, at: number, a: NodeAttributes, validMs: number): number {
  writeValid(out, at, at + 8, validMs)
  out.writeUInt32LE(0, at + 12)
  return writeAttributes(out, at + 16, a)
}

export function writeStatxReply(out: Buffer, at: number, a: NodeAttributes, validMs: number): number {
  const end = at + 288
  out.fill(0, at, end)
  writeValid(out, at, at + 8, validMs)
  const s = at + 32
  // Everything struct stat has; no time of birth.
  out.writeUInt32LE(0x7ff, s)
  out.writeUInt32LE(BLOCK_SIZE, s + 4)
  out.writeUInt32LE(a.nlink, s + 16)
  out.writeUInt32LE(a.uid, s + 20)
  out.writeUInt32LE(a.gid, s + 24)
  out.writeUInt16LE(a.mode, s + 28)
  write64(out, s + 32, a.ino)
  write64(out, s + 40, a.size)
  write64(out, s + 48, a.blocks)
  const seconds = Math.floor(a.mtimeMs / 1000)
  const nanoseconds = nanosecondsOf(a.mtimeMs, seconds)
  // atime, btime (none), ctime, mtime.
  for (const time of [64, 96, 112]) {
    write64(out, s + time, seconds)
    out.writeUInt32LE(nanoseconds, s + time + 8)
  }
  return end
}

/** @param node 0 says that there is none, and may be kept as long as `entryValidMs` */
export function writeEntryReply(
  out: Buffer,
  at: number,
  node: number,
  generation: number,
  attributes: NodeAttributes,
  entryValidMs: number,
  attributeValidMs: number,
): number {
  write64(out, at, node)
  write64(out, at + 8, generation)
  writeValid(out, at + 16, at + 32, entryValidMs)
  writeValid(out, at + 24, at + 36, attributeValidMs)
  return writeAttributes(out, at + 40, attributes)
}

/** @param backingId the kernel's number of a passthrough file, else 0 */
export function writeOpenReply(
  out: Buffer,
  at: number,
  handle: number,
  openFlags: number,
  backingId: number,
): number {
  write64(out, at, handle)
  out.writeUInt32LE(openFlags, at + 8)
  out.writeUInt32LE(backingId, at + 12)
  return at + 16
}

export function writeStatfsReply(
  out: Buffer,
  at: number,
  s: { blockSize: number; blocks: number; files: number; nameMax: number },
): number {
  out.fill(0, at, at + 80)
  write64(out, at, s.blocks)
  write64(out, at + 24, s.files)
  out.writeUInt32LE(s.blockSize, at + 40)
  out.writeUInt32LE(s.nameMax, at + 44)
  out.writeUInt32LE(s.blockSize, at + 48)
  return at + 80
}

/** Bytes an entry of a listing takes. */
export function direntLength(nameBytes: number): number {
  return (DIRENT_LENGTH + nameBytes + 7) & ~7
}

export function writeDirent(out: Buffer, at: number, { ino, offset, kind, name }: Dirent): number {
  write64(out, at, ino)
  write64(out, at + 8, offset)
  out.writeUInt32LE(name.length, at + 16)
  // DT_DIR, DT_REG
  out.writeUInt32LE(kind === 'directory' ? 4 : 8, at + 20)
  out.set(name, at + DIRENT_LENGTH)
  const end = at + direntLength(name.length)
  out.fill(0, at + DIRENT_LENGTH + name.length, end)
  return end
}

/** @param node 0 for an entry the kernel is to look up itself, such as `.` */
export function writeDirentPlus(
  out: Buffer,
  at: number,
  node: number,
  attributes: NodeAttributes,
  entryValidMs: number,
  attributeValidMs: number,
  dirent: Dirent,
): number {
  const next = writeEntryReply(out, at, node, 0, attributes, entryValidMs, attributeValidMs)
  return writeDirent(out, next, dirent)
}

export function writeInitReply(out: Buffer, at: number, reply: InitReply): number {
  out.fill(0, at, at + 64)
  out.writeUInt32LE(7, at)
  out.writeUInt32LE(reply.minor, at + 4)
  out.writeUInt32LE(reply.maxReadahead, at + 8)
  out.writeUInt32LE(reply.flags >>> 0, at + 12)
  out.writeUInt16LE(reply.maxBackground, at + 16)
  out.writeUInt16LE(reply.congestionThreshold, at + 18)
  out.writeUInt32LE(reply.maxWrite, at + 20)
  out.writeUInt32LE(reply.timeGranularityNs, at + 24)
  out.writeUInt16LE(reply.maxPages, at + 28)
  out.writeUInt32LE(reply.flags2 >>> 0, at + 32)
  out.writeUInt32LE(reply.maxStackDepth, at + 36)
  return at + 64
}

function writeValid(out: Buffer, seconds: number, nanoseconds: number, ms: number): void {
  const whole = Math.floor(ms / 1000)
  write64(out, seconds, whole)
  out.writeUInt32LE(nanosecondsOf(ms, whole), nanoseconds)
}

/** Of what `ms` is beyond `seconds`. Never rounded up to a second of its own: that is no valid time. */
function nanosecondsOf(ms: number, seconds: number): number {
  return Math.min(Math.round((ms - seconds * 1000) * 1e6), 999_999_999)
}

/** A whole number below 2^53, or a negative one above -2^53. */
export function write64(out: Buffer, at: number, value: number): number {
  const high = Math.floor(value / 2 ** 32)
  out.writeUInt32LE(value - high * 2 ** 32, at)
  out.writeInt32LE(high, at + 4)
  return at + 8
}
