/**
 * The files of the download folder as the session's thread reads them.
 *
 * Owns one descriptor per open file that was read. A descriptor is of the file that lay at the path when it was opened, so
 * it is given up as soon as any piece of the torrent was doubted: another file may lie there now.
 */
import { closeSync, constants, fstatSync, openSync } from 'node:fs'
import { constants as os } from 'node:os'
import type { OpenedFile } from './open-handles.js'
import type { FileStamp } from './session-protocol.js'
import type { Syscalls } from './syscalls.js'

const { EAGAIN, EIO, EOPNOTSUPP } = os.errno
// Without O_NONBLOCK, opening a named pipe that someone put there would never return.
const READ = constants.O_RDONLY | constants.O_NONBLOCK

interface Descriptor {
  readonly fd: number
  readonly doubts: number
  /** The filesystem can say that a read would wait for the disk. */
  canRefuse: boolean
}

export class StoredFiles {
  readonly #syscalls: Syscalls
  readonly #device: number
  readonly #open = new Map<OpenedFile, Descriptor>()

  /** @param device the connection to the kernel */
  constructor(syscalls: Syscalls, device: number) {
    this.#syscalls = syscalls
    this.#device = device
  }

  /** Reads `length` bytes into the start of `target`. @returns how many, -EAGAIN if the disk is needed, or another errno */
  read(opened: OpenedFile, target: Uint8Array, length: number, position: number): number {
    const descriptor = this.#descriptor(opened)
    if (typeof descriptor === 'number') return descriptor
    let count = this.#readOnce(descriptor, target, length, position)
    for (let done = count; count > 0 && done < length; done += count) {
      count = this.#readOnce(descriptor, target.subarray(done), length - done, position + done)
      if (count <= 0) return count === 0 ? done : count
    }
    return count > 0 ? length : count
  }

  /** @returns the kernel's number of the file, 0 if it is not the one that was checked or the kernel refuses */
  openBacking(opened: OpenedFile): number {
    const { place } = opened
    if (place === undefined || place === 'none' || place.stamp === undefined) return 0
    let fd: number | undefined
    try {
      fd = openSync(place.path, READ)
      if (!isAsChecked(fd, place.stamp)) return 0
      return Math.max(0, this.#syscalls.backingOpen(this.#device, fd))
    } catch {
      return 0
    } finally {
      // The kernel keeps the file itself.
      if (fd !== undefined) closeSync(fd)
    }
  }

  close(opened: OpenedFile): void {
    if (opened.backing !== 0) this.#syscalls.backingClose(this.#device, opened.backing)
    opened.backing = 0
    const descriptor = this.#open.get(opened)
    if (descriptor === undefined) return
    this.#open.delete(opened)
    closeSync(descriptor.fd)
  }

  closeAll(): void {
    for (const { fd } of this.#open.values()) closeSync(fd)
    this.#open.clear()
  }

  #readOnce(descriptor: Descriptor, target: Uint8Array, length: number, position: number): number {
    const { fd } = descriptor
    if (descriptor.canRefuse) {
      const count = this.#syscalls.preadNoWait(fd, target, length, position)
      if (count !== -EOPNOTSUPP) return count
      descriptor.canRefuse = false
    }
    return this.#syscalls.pread(fd, target, length, position)
  }

  #descriptor(opened: OpenedFile): Descriptor | number {
    const doubts = opened.file.torrent.pieces?.doubts ?? 0
    const known = this.#open.get(opened)
    if (known?.doubts === doubts) return known
    if (known !== undefined) {
      this.#open.delete(opened)
      closeSync(known.fd)
    }
    const { place } = opened
    if (place === undefined || place === 'none') return -EAGAIN
    try {
      const fd = openSync(place.path, READ)
      if (!fstatSync(fd).isFile()) {
        closeSync(fd)
        return -EIO
      }
      const descriptor = { fd, doubts, canRefuse: true }
      this.#open.set(opened, descriptor)
      return descriptor
    } catch (error) {
      return (error as NodeJS.ErrnoException).errno ?? -EIO
    }
  }
}

function isAsChecked(fd: number, stamp: FileStamp): boolean {
  const now = fstatSync(fd, { bigint: true })
  return (
    now.isFile() &&
    now.size === stamp.size &&
    now.mtimeNs === stamp.mtimeNs &&
    now.ino === stamp.ino &&
    now.dev === stamp.dev
  )
}
