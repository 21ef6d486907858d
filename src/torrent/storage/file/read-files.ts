/**
 * Reading of real files, through one cache of open files for the whole client.
 *
 * Owns the descriptors it opens; none is closed under a read in flight. Must not write, nor know torrents.
 */
import { close, constants, fstat, fsync, open, read, readSync } from 'node:fs'
import { errnoOf, storageFailure } from '../failure.js'
import { OpenFiles } from './open-files.js'

// Without O_NONBLOCK, opening a named pipe that someone put there would never return.
const READ = constants.O_RDONLY | constants.O_NONBLOCK

/** Reads files by absolute path, and keeps them open. */
export interface FileReads {
  /**
   * Reads from `position` into `target` until it is full or the file ends; returns the bytes read, 0 when there is no such regular file.
   *
   * @throws ERR_TORRENTFS_STORAGE naming the path
   */
  read(path: string, target: Uint8Array, position: number): Promise<number>
  /**
   * Like {@link read}, blocking; undefined when the file is not open.
   *
   * @throws ERR_TORRENTFS_STORAGE naming the path
   */
  readNow(path: string, target: Uint8Array, position: number): number | undefined
  /** Makes what was written to a file survive a crash of the machine. @throws ERR_TORRENTFS_STORAGE, also when there is no such file */
  sync(path: string): Promise<void>
  /** Forgets an open file: the next read opens what is then at that path. */
  forget(path: string): void
  /** Forgets the open files below a folder (or that very file). */
  forgetBelow(path: string): void
  /** Closes every file, those in use when their reads end. */
  close(): void
}

/** By descriptor: system calls read them. */
export class ReadFiles implements FileReads {
  readonly #files: OpenFiles<{ readonly fd: number }>

  /** @param max files kept open */
  constructor(max: number) {
    this.#files = new OpenFiles({ max, close: ({ fd }) => close(fd, () => {}) })
  }

  async read(path: string, target: Uint8Array, position: number): Promise<number> {
    const use = this.#files.use(path) ?? (await this.#open(path))
    if (use === undefined) return 0
    try {
      let done = await readSome(use.file.fd, target, 0, position)
      while (done > 0 && done < target.length) {
        const count = await readSome(use.file.fd, target, done, position + done)
        if (count === 0) break
        done += count
      }
      return done
    } catch (thrown) {
      throw storageFailure(thrown, 'read', path)
    } finally {
      use.done()
    }
  }

  readNow(path: string, target: Uint8Array, position: number): number | undefined {
    const use = this.#files.use(path)
    if (use === undefined) return undefined
    try {
      let done = 0
      while (done < target.length) {
        const count = readSync(use.file.fd, target, done, target.length - done, position + done)
        if (count === 0) break
        done += count
      }
      return done
    } catch (thrown) {
      throw storageFailure(thrown, 'read', path)
    } finally {
      use.done()
    }
  }

  async sync(path: string): Promise<void> {
    const use = this.#files.use(path) ?? (await this.#open(path))
    if (use === undefined) throw storageFailure(new Error('it is gone'), 'sync', path)
    try {
      await new Promise<void>((resolve, reject) =>
        fsync(use.file.fd, error => (error === null ? resolve() : reject(error))),
      )
    } catch (thrown) {
      throw storageFailure(thrown, 'sync', path)
    } finally {
      use.done()
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

  async #open(path: string): Promise<{ file: { readonly fd: number }; done: () => void } | undefined> {
    const fd = await openRegular(path)
    if (fd === undefined) return undefined
    // Someone may have opened it meanwhile; theirs then ends with its last use.
    this.#files.keep(path, { fd })
    return this.#files.use(path)
  }
}

function openRegular(path: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    open(path, READ, (error, fd) => {
      if (error !== null) {
        const errno = errnoOf(error)
        if (errno === 'ENOENT' || errno === 'ENOTDIR' || errno === 'ELOOP') resolve(undefined)
        else reject(storageFailure(error, 'open', path))
        return
      }
      fstat(fd, (failure, stats) => {
        if (failure === null && stats.isFile()) resolve(fd)
        else close(fd, () => resolve(undefined))
      })
    })
  })
}

function readSome(fd: number, target: Uint8Array, done: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    read(fd, target, done, target.length - done, position, (error, count) => {
      if (error === null) resolve(count)
      else reject(error)
    })
  })
}
