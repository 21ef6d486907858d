/**
 * Reads one file of the metainfo folder into memory, whatever it may be: it is given by anyone who can write there.
 *
 * Owns the file descriptor while it reads. Must not decode: a `.torrent` is the engine's to judge.
 */

import { close, constants, fstat, open, read } from 'node:fs'
import { promisify } from 'node:util'
import type { BigIntStats } from 'node:fs'

// The callback functions behind `promisify` cost half of what a `FileHandle` does; ten thousand files are read at start.
const openFile = promisify(open)
const closeFile = promisify(close)
const statFile: (fd: number, options: { bigint: true }) => Promise<BigIntStats> = promisify(fstat)
const readFile: (
  fd: number,
  target: Uint8Array,
  offset: number,
  length: number,
  position: number,
) => Promise<{ bytesRead: number }> = promisify(read)

/** A file's content and identity, taken before its first byte was read: what changes later differs from it. */
export interface LoadedFile {
  readonly bytes: Uint8Array
  readonly fingerprint: string
  /** ms since the epoch. */
  readonly modified: number
}

/** A file that cannot be used, and why, in words for the operator. */
export class UnusableFileError extends Error {
  readonly fingerprint: string | undefined
  constructor(reason: string, fingerprint?: string) {
    super(reason)
    this.fingerprint = fingerprint
  }
}

/** There is no file of that name, or it is a folder: nothing to complain about. */
export class NoFileError extends Error {}

/**
 * What tells two states of a file apart. The time of the last status change is part of it: a file made readable by chmod
 * must be tried again, and `cp -p` over a file of equal size leaves nothing else.
 */
export function fingerprintOf(stats: BigIntStats): string {
  return `${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}:${stats.ino}:${stats.dev}`
}

/**
 * Reads a whole file. The caller owns the bytes: they lie in a buffer of their own.
 *
 * @param path as bytes: names in the folder need not be UTF-8
 * @param maxBytes a larger file is refused unread
 * @throws NoFileError when there is nothing to read, UnusableFileError for anything but a regular file within the limit; a system error when it cannot be read
 */
export async function loadFile(path: Uint8Array, maxBytes: number): Promise<LoadedFile> {
  const fd = await openExisting(Buffer.from(path.buffer, path.byteOffset, path.byteLength))
  try {
    const stats = await statFile(fd, { bigint: true })
    if (stats.isDirectory()) throw new NoFileError()
    const fingerprint = fingerprintOf(stats)
    if (!stats.isFile()) throw new UnusableFileError('it is not a regular file', fingerprint)
    if (stats.size === 0n) throw new UnusableFileError('it is empty', fingerprint)
    if (stats.size > BigInt(maxBytes)) {
      throw new UnusableFileError(
        `it has ${stats.size} bytes, more than the ${maxBytes} allowed`,
        fingerprint,
      )
    }
    // A buffer of its own, not a slice of a pool: the engine may keep a part of it for the torrent's life.
    const bytes = Buffer.allocUnsafeSlow(Number(stats.size))
    let filled = 0
    while (filled < bytes.length) {
      const { bytesRead } = await readFile(fd, bytes, filled, bytes.length - filled, filled)
      if (bytesRead === 0) break
      filled += bytesRead
    }
    return { bytes: bytes.subarray(0, filled), fingerprint, modified: Number(stats.mtimeNs / 1_000_000n) }
  } finally {
    await closeFile(fd)
  }
}

async function openExisting(path: Buffer): Promise<number> {
  try {
    // O_NONBLOCK: opening a FIFO without a writer would otherwise hold a pool thread for ever.
    return await openFile(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new NoFileError()
    throw error
  }
}
