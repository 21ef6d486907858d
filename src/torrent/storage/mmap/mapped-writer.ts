/**
 * Writes files through memory that they are mapped to.
 *
 * Owns the mapping of each descriptor it was given. A full disk is noticed before a page is written: room is set aside
 * first, because a page without room cannot be had.
 */
import { constants, fstatSync, statfsSync } from 'node:fs'
import { constants as os } from 'node:os'
import { getSystemErrorName } from 'node:util'
import type { FileWriter } from '../file/file-writer.js'
import { Mapping, reserve } from './mapping.js'

/** A {@link FileWriter} by mappings, for one thread. */
export class MappedWriter implements FileWriter {
  readonly access = constants.O_RDWR
  readonly #mappings = new Map<number, Mapping>()

  write(fd: number, bytes: Uint8Array, position: number): void {
    const end = position + bytes.length
    let mapping = this.#mappings.get(fd)
    if (mapping === undefined || mapping.length < end) {
      this.closing(fd)
      if (fstatSync(fd).size < end) throw cutShort()
      mapping = new Mapping(fd, fstatSync(fd).size, 'write')
      this.#mappings.set(fd, mapping)
    }
    const errno = reserve(fd, position, bytes.length)
    if (errno !== 0) throw failure(errno, 'no room can be set aside')
    const count = mapping.write(bytes, position)
    // A part of the last page behind the end of a file is written to without complaint, and lost.
    if (fstatSync(fd).size < end) throw cutShort()
    if (count === bytes.length) return
    const { bavail, bsize } = statfsSync(`/proc/self/fd/${fd}`)
    const full = bavail * bsize < bytes.length
    throw failure(full ? os.errno.ENOSPC : os.errno.EIO, 'a page cannot be written')
  }

  closing(fd: number): void {
    this.#mappings.get(fd)?.unmap()
    this.#mappings.delete(fd)
  }
}

function cutShort(): Error {
  return failure(os.errno.EIO, 'someone cut it short')
}

function failure(errno: number, what: string): Error {
  const code = getSystemErrorName(-errno)
  return Object.assign(new Error(`${code}: ${what}`), { code })
}
