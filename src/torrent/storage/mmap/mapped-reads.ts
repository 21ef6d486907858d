/**
 * Reads files through memory that they are mapped to: no descriptor stays open, however many files there are.
 *
 * Owns the mappings; none is given up under a read in flight. After every copy it looks at the file: what was cut off behind our
 * back reads as zeros up to the end of its page.
 */
import { close, constants, fstat, fsync, open, statSync } from 'node:fs'
import { errnoOf, storageFailure } from '../failure.js'
import { OpenFiles } from '../file/open-files.js'
import type { FileReads } from '../file/read-files.js'
import { Mapping } from './mapping.js'

// Without O_NONBLOCK, opening a named pipe that someone put there would never return.
const READ = constants.O_RDONLY | constants.O_NONBLOCK
/** A process may have 65,530 mappings; and one that is not used costs next to nothing. */
const MOST = 4096

interface MappedFile {
  readonly mapping: Mapping
  readonly ino: bigint
  readonly dev: bigint
}

/** A {@link FileReads} by mappings. */
export class MappedReads implements FileReads {
  readonly #files: OpenFiles<MappedFile>

  /** @param max files kept mapped */
  constructor(max: number = MOST) {
    this.#files = new OpenFiles({ max, close: ({ mapping }) => mapping.unmap() })
  }

  async read(path: string, target: Uint8Array, position: number): Promise<number> {
    const use = this.#use(path, position + target.length) ?? (await this.#open(path))
    if (use === undefined) return 0
    try {
      const count = await use.file.mapping.readLater(target, position)
      return this.#checked(path, use.file, target, position, count)
    } finally {
      use.done()
    }
  }

  readNow(path: string, target: Uint8Array, position: number): number | undefined {
    const use = this.#use(path, position + target.length)
    if (use === undefined) return undefined
    try {
      const count = use.file.mapping.read(target, position)
      return this.#checked(path, use.file, target, position, count)
    } finally {
      use.done()
    }
  }

  /** Writes through a mapping too: the system knows which pages they changed. */
  async sync(path: string): Promise<void> {
    try {
      await withDescriptor(
        path,
        fd =>
          new Promise<void>((resolve, reject) => {
            fsync(fd, error => (error === null ? resolve() : reject(error)))
          }),
      )
    } catch (thrown) {
      throw storageFailure(thrown, 'sync', path)
    }
  }

  forget(path: string): void {
    this.#files.drop(path)
  }

  forgetBelow(path: string): void {
    this.#files.drop(path)
    this.#files.dropAll(`${path}/`)
  }

  close(): void {
    this.#files.dropAll()
  }

  /** What is mapped already, unless the file may have grown since and what is wanted lies behind. */
  #use(path: string, end: number): { file: MappedFile; done: () => void } | undefined {
    const use = this.#files.use(path)
    if (use === undefined || end <= use.file.mapping.length) return use
    use.done()
    return undefined
  }

  /** Of what was copied, the bytes that are the file's. @throws ERR_TORRENTFS_STORAGE when the disk failed to give some */
  #checked(
    path: string,
    { ino, dev, mapping }: MappedFile,
    target: Uint8Array,
    position: number,
    count: number,
  ): number {
    let now
    try {
      now = statSync(path, { bigint: true, throwIfNoEntry: false })
    } catch (thrown) {
      throw storageFailure(thrown, 'look at', path)
    }
    if (now === undefined || now.ino !== ino || now.dev !== dev) {
      this.#files.drop(path)
      return 0
    }
    const there = Math.min(target.length, Math.min(Number(now.size), mapping.length) - position)
    if (count >= there) return Math.max(0, there)
    throw storageFailure(new Error(`only ${count} of ${there} bytes at ${position} can be had`), 'read', path)
  }

  async #open(path: string): Promise<{ file: MappedFile; done: () => void } | undefined> {
    try {
      await withDescriptor(path, async fd => {
        const { size, ino, dev, isFile } = await look(fd)
        if (!isFile || size === 0) this.#files.drop(path)
        else this.#files.keep(path, { mapping: new Mapping(fd, size, 'read'), ino, dev })
      })
    } catch (thrown) {
      const errno = errnoOf(thrown)
      if (errno === 'ENOENT' || errno === 'ENOTDIR' || errno === 'ELOOP') return undefined
      throw storageFailure(thrown, 'map', path)
    }
    return this.#files.use(path)
  }
}

function withDescriptor<T>(path: string, use: (fd: number) => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    open(path, READ, (error, fd) => {
      if (error !== null) reject(error)
      else resolve(use(fd).finally(() => close(fd, () => {})))
    })
  })
}

function look(fd: number): Promise<{ size: number; ino: bigint; dev: bigint; isFile: boolean }> {
  return new Promise((resolve, reject) => {
    fstat(fd, { bigint: true }, (error, stats) => {
      if (error !== null) reject(error)
      else resolve({ size: Number(stats.size), ino: stats.ino, dev: stats.dev, isFile: stats.isFile() })
    })
  })
}
