/**
 * What we tell the kernel unasked: to forget what it was told to keep. PURE. Whole messages, header included.
 */
import { NOTIFY } from './constants.js'
import { HEADER_LENGTH, write64, writeHeader } from './encode.js'

/** @param offset first byte of cached content to forget; -1: of attributes alone. @param length 0: to the end */
export function writeInvalidateInode(
  out: Buffer,
  at: number,
  node: number,
  offset: number,
  length: number,
): number {
  writeNotification(out, at, NOTIFY.INVAL_INODE, 24)
  write64(out, at + 16, node)
  write64(out, at + 24, offset)
  return write64(out, at + 32, length)
}

/** @param name without a NUL */
export function writeInvalidateEntry(out: Buffer, at: number, parent: number, name: Uint8Array): number {
  writeNotification(out, at, NOTIFY.INVAL_ENTRY, 16 + name.length + 1)
  write64(out, at + 16, parent)
  out.writeUInt32LE(name.length, at + 24)
  out.writeUInt32LE(0, at + 28)
  out.set(name, at + 32)
  out[at + 32 + name.length] = 0
  return at + 33 + name.length
}

function writeNotification(out: Buffer, at: number, code: number, length: number): void {
  // The code stands where replies have their error, and is positive.
  writeHeader(out, at, 0, -code, HEADER_LENGTH + length)
}
