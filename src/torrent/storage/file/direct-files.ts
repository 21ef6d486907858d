/**
 * Synchronous access to a torrent's real files, for a thread that may block: safe opening, positional writes and reads, stamps,
 * and the journal.
 *
 * Owns its descriptors. Must not hash, nor know what a piece's record means. Never writes through a symbolic link below the
 * root: a link could lead anywhere, and another torrent's or user's file would be overwritten.
 */
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  statSync,
  writeSync,
} from 'node:fs'
import type { BigIntStats } from 'node:fs'
import { constants as os } from 'node:os'
import { join } from 'node:path'
import { getSystemErrorName } from 'node:util'
import { TorrentError } from '../../errors.js'
import { errnoOf, storageFailure } from '../failure.js'
import { CALL_WRITER, type FileWriter } from './file-writer.js'
import { punchHole } from './holes.js'
import { OpenFiles } from './open-files.js'
import { ABSENT } from './resume-record.js'
import type { Stamp } from './resume-record.js'

/** A file opened for one operation. */
export interface OpenedFile {
  /** Valid until the next file is opened. */
  readonly fd: number
  /** Absolute path. */
  readonly path: string
  /** The file's stamp as it was found; {@link ABSENT} when it was just created, or is not the one that was open before. */
  readonly before: Stamp
}

interface KeptFile {
  readonly fd: number
  readonly ino: bigint
  readonly dev: bigint
}

// Without O_NONBLOCK, opening a named pipe that someone put there would never return.
const SAFELY = constants.O_NOFOLLOW | constants.O_NONBLOCK
const CREATE = constants.O_CREAT | constants.O_EXCL
const READ = constants.O_RDONLY | constants.O_NONBLOCK
const APPEND = constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW

function closeQuietly({ fd }: { readonly fd: number }): void {
  try {
    closeSync(fd)
  } catch {
    // Data errors of a network file system can surface here; the sync before a checkpoint is what reports them.
  }
}

/** The stamp in a file's status. */
export function stampOf(stats: BigIntStats): Stamp {
  return { size: Number(stats.size), mtimeNs: stats.mtimeNs }
}

/** Real files of any number of torrents, for one thread. */
export class DirectFiles {
  readonly #writer: FileWriter
  readonly #writable: OpenFiles<KeptFile>
  readonly #readable: OpenFiles<KeptFile>
  readonly #journals: OpenFiles<{ fd: number }>

  /**
   * @param o.maxOpen files of each sort kept open
   * @param o.writer how bytes get into a file, by system calls where nothing else is said
   */
  constructor(o: { maxOpen?: number; writer?: FileWriter } = {}) {
    const max = o.maxOpen ?? 128
    this.#writer = o.writer ?? CALL_WRITER
    this.#writable = new OpenFiles<KeptFile>({
      max,
      close: file => {
        this.#writer.closing(file.fd)
        closeQuietly(file)
      },
    })
    this.#readable = new OpenFiles<KeptFile>({ max, close: closeQuietly })
    this.#journals = new OpenFiles({ max, close: closeQuietly })
  }

  /**
   * Opens a file for writing, creating its folders and itself (sparse, at its full length) where needed. A file that is
   * shorter than `length` is extended, a longer one left alone.
   *
   * @throws ERR_TORRENTFS_DISK_FULL, ERR_TORRENTFS_STORAGE naming the path
   */
  openForWriting(root: string, components: readonly string[], length: number): OpenedFile {
    const path = join(root, ...components)
    try {
      const now = lstatSync(path, { bigint: true, throwIfNoEntry: false })
      const kept = this.#writable.peek(path)
      if (kept !== undefined && now !== undefined && kept.ino === now.ino && kept.dev === now.dev) {
        if (Number(now.size) < length) ftruncateSync(kept.fd, length)
        return { fd: kept.fd, path, before: stampOf(now) }
      }
      // Not open yet, or somebody moved, replaced or deleted it: what we hold open is then not what others see by its name.
      this.#writable.drop(path)
      makeFolders(root, components)
      const { fd, created } = openOrCreate(path, this.#writer.access | SAFELY)
      const stats = fstatSync(fd, { bigint: true })
      if (!stats.isFile()) {
        closeQuietly({ fd })
        throw new TorrentError('ERR_TORRENTFS_STORAGE', `cannot write ${path}: it is not a regular file`)
      }
      this.#writable.keep(path, { fd, ino: stats.ino, dev: stats.dev })
      if (Number(stats.size) < length) ftruncateSync(fd, length)
      // A file put in the place of the one we had open may have its stamp too: clocks of files tick in ms.
      const stranger = created || kept !== undefined
      return { fd, path, before: stranger ? ABSENT : stampOf(stats) }
    } catch (thrown) {
      if (errnoOf(thrown) === 'ELOOP') throw symbolicLink(path)
      throw storageFailure(thrown, 'write', path)
    }
  }

  /**
   * Opens a file that is there, to free parts of it; undefined when there is none, or a link: what that leads to is not ours.
   *
   * @throws ERR_TORRENTFS_STORAGE naming the path
   */
  openForFreeing(root: string, components: readonly string[]): OpenedFile | undefined {
    const path = join(root, ...components)
    try {
      if (lstatSync(path, { throwIfNoEntry: false })?.isFile() !== true) return undefined
    } catch (thrown) {
      if (errnoOf(thrown) === 'ENOTDIR') return undefined
      throw storageFailure(thrown, 'look at', path)
    }
    return this.openForWriting(root, components, 0)
  }

  /** Frees a range of a file that was just opened, as far as it fills blocks. @throws ERR_TORRENTFS_STORAGE naming the path */
  punch(file: OpenedFile, position: number, length: number): void {
    let errno: number
    try {
      errno = punchHole(file.fd, position, length)
    } catch (thrown) {
      throw storageFailure(thrown, 'free a part of', file.path)
    }
    if (errno === 0) return
    const why = errno === os.errno.EOPNOTSUPP ? 'its filesystem cannot' : getSystemErrorName(-errno)
    throw new TorrentError('ERR_TORRENTFS_STORAGE', `cannot free a part of ${file.path}: ${why}`)
  }

  /**
   * Writes all of `bytes` at `position` of a file that was just opened.
   *
   * @throws ERR_TORRENTFS_DISK_FULL, ERR_TORRENTFS_STORAGE naming the path; a part may have been written
   */
  write(file: OpenedFile, bytes: Uint8Array, position: number): void {
    try {
      this.#writer.write(file.fd, bytes, position)
    } catch (thrown) {
      throw storageFailure(thrown, 'write', file.path)
    }
  }

  /** The stamp of an opened file now. @throws ERR_TORRENTFS_STORAGE */
  stamp(file: OpenedFile): Stamp {
    try {
      return stampOf(fstatSync(file.fd, { bigint: true }))
    } catch (thrown) {
      throw storageFailure(thrown, 'look at', file.path)
    }
  }

  /**
   * Opens a file for reading, following symbolic links: a finished file may have been moved and linked. Undefined when there is no
   * such regular file.
   *
   * @throws ERR_TORRENTFS_STORAGE naming the path
   */
  openForReading(root: string, components: readonly string[]): OpenedFile | undefined {
    const path = join(root, ...components)
    try {
      const now = statSync(path, { bigint: true, throwIfNoEntry: false })
      if (now === undefined || !now.isFile()) return undefined
      let kept = this.#readable.peek(path)
      if (kept === undefined || kept.ino !== now.ino || kept.dev !== now.dev) {
        kept = { fd: openSync(path, READ), ino: now.ino, dev: now.dev }
        this.#readable.keep(path, kept)
      }
      return { fd: kept.fd, path, before: stampOf(now) }
    } catch (thrown) {
      const errno = errnoOf(thrown)
      if (errno === 'ENOENT' || errno === 'ENOTDIR' || errno === 'ELOOP') return undefined
      throw storageFailure(thrown, 'read', path)
    }
  }

  /** Reads from `position` into `target`; returns the bytes read, fewer only at the end of the file. @throws ERR_TORRENTFS_STORAGE */
  read(file: OpenedFile, target: Uint8Array, position: number): number {
    try {
      let done = 0
      while (done < target.length) {
        const count = readSync(file.fd, target, done, target.length - done, position + done)
        if (count === 0) break
        done += count
      }
      return done
    } catch (thrown) {
      throw storageFailure(thrown, 'read', file.path)
    }
  }

  /**
   * Appends a whole record to a journal that exists, or nothing of it.
   *
   * @throws ERR_TORRENTFS_DISK_FULL, ERR_TORRENTFS_STORAGE naming the path
   */
  append(journal: string, record: Uint8Array): void {
    try {
      let kept = this.#journals.peek(journal)
      if (kept === undefined) {
        kept = { fd: openSync(journal, APPEND) }
        this.#journals.keep(journal, kept)
      }
      const count = writeSync(kept.fd, record)
      if (count === record.length) return
      // A torn record would hide all later ones from the next start.
      ftruncateSync(kept.fd, fstatSync(kept.fd).size - count)
      throw new TorrentError('ERR_TORRENTFS_DISK_FULL', `disk full: cannot write ${journal}`)
    } catch (thrown) {
      throw storageFailure(thrown, 'write', journal)
    }
  }

  /** Closes the files of one torrent: those below `prefix`, an absolute path. */
  closeBelow(prefix: string): void {
    for (const files of [this.#writable, this.#readable, this.#journals]) files.dropAll(prefix)
  }

  /** Closes everything. */
  close(): void {
    this.closeBelow('')
  }
}

/** Creates the missing folders of a file below `root`, one by one, and refuses those that are not real folders. */
function makeFolders(root: string, components: readonly string[]): void {
  let folder = root
  for (const component of components.slice(0, -1)) {
    folder = join(folder, component)
    const stats = lstatSync(folder, { throwIfNoEntry: false })
    if (stats === undefined) mkdirSync(folder)
    else if (stats.isSymbolicLink()) throw symbolicLink(folder)
    else if (!stats.isDirectory()) {
      throw new TorrentError('ERR_TORRENTFS_STORAGE', `cannot write below ${folder}: it is not a folder`)
    }
  }
}

function openOrCreate(path: string, flags: number): { fd: number; created: boolean } {
  try {
    return { fd: openSync(path, flags), created: false }
  } catch (thrown) {
    if (errnoOf(thrown) !== 'ENOENT') throw thrown
    return { fd: openSync(path, flags | CREATE, 0o666), created: true }
  }
}

function symbolicLink(path: string): TorrentError {
  return new TorrentError(
    'ERR_TORRENTFS_STORAGE',
    `cannot write to ${path}: it is a symbolic link, and those are not followed`,
  )
}
