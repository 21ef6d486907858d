/**
 * Pieces in real files, for a thread that may block: writes and reads them, and makes the journal records of it.
 *
 * Owns the order that a kill at any moment survives: data first, then the files' stamps, then the record. Must not hash.
 */
import { join } from 'node:path'
import type { TorrentError } from '../../errors.js'
import { type Geometry } from '../../pieces/geometry.js'
import { DirectFiles } from './direct-files.js'
import type { OpenedFile } from './direct-files.js'
import { storageFailure } from '../failure.js'
import { isThere } from './part-name.js'
import { encodeRecord, sameStamp } from './resume-record.js'
import type { RecordKind, TouchedFile } from './resume-record.js'

/** Bytes; see {@link DirectPieces.free}. */
const LARGEST_BLOCK = 64 * 1024

/** A torrent's files as the writing thread knows them. */
export interface DirectTorrent {
  /** Absolute path of the folder the paths are below. */
  readonly root: string
  readonly geometry: Geometry
  /** Components of a file's path below `root`. */
  path(file: number): readonly string[]
  /** Components of where a file lies while nothing lies at its path; undefined when it has no such place. */
  part(file: number): readonly string[] | undefined
}

/** What came of an operation on files. */
export interface DirectResult {
  /** The journal record; undefined when no file was touched. */
  readonly record: Uint8Array<ArrayBuffer> | undefined
  /** Whether the record is in the journal. */
  readonly appended: boolean
  /** Why it failed; undefined when all went well. */
  readonly error: TorrentError | undefined
}

/** Writes and reads ranges of torrents. */
export class DirectPieces {
  readonly #files: DirectFiles
  /** Torrents whose files without bytes exist by now. */
  readonly #completed = new WeakSet<DirectTorrent>()

  constructor(files: DirectFiles = new DirectFiles()) {
    this.#files = files
  }

  /**
   * Writes the torrent's bytes from `offset` on, except those in pad files, and journals it. The first write of a torrent also
   * creates its files without bytes. Never throws: on failure the record says which files were changed nevertheless.
   *
   * @param piece the piece that is thereby stored; -1 when none is
   */
  write(
    torrent: DirectTorrent,
    bytes: Uint8Array,
    offset: number,
    piece: number,
    journal: string,
  ): DirectResult {
    const touched: TouchedFile[] = []
    let error: TorrentError | undefined
    try {
      this.#createEmptyFiles(torrent)
      for (const segment of torrent.geometry.segments(offset, offset + bytes.length)) {
        if (segment.pad) continue
        const length = torrent.geometry.files[segment.file]!.length
        const file = this.#files.openForWriting(torrent.root, placeOf(torrent, segment.file), length)
        const start = segment.offset - offset
        try {
          this.#files.write(file, bytes.subarray(start, start + segment.length), segment.fileOffset)
        } finally {
          touched.push({ file: segment.file, before: file.before, after: this.#files.stamp(file) })
        }
      }
    } catch (thrown) {
      error = storageFailure(thrown, 'write', torrent.root)
    }
    const kind = error === undefined && piece >= 0 ? 'stored' : 'touched'
    return this.#journal(kind, kind === 'stored' ? piece : -1, touched, journal, error)
  }

  /**
   * Frees the torrent's bytes [begin, end), as far as they fill blocks of the filesystem, and journals that their files
   * changed. That their pieces are missing must be journaled before. Never throws.
   */
  free(torrent: DirectTorrent, begin: number, end: number, journal: string): DirectResult {
    const touched: TouchedFile[] = []
    let error: TorrentError | undefined
    try {
      for (const segment of torrent.geometry.segments(begin, end)) {
        if (segment.pad) continue
        const file = this.#files.openForFreeing(torrent.root, placeOf(torrent, segment.file))
        if (file === undefined) continue
        const { length } = torrent.geometry.files[segment.file]!
        const toEnd = segment.fileOffset + segment.length === length
        try {
          // The last block of a file counts as whole.
          this.#files.punch(file, segment.fileOffset, segment.length + (toEnd ? LARGEST_BLOCK : 0))
        } finally {
          touched.push({ file: segment.file, before: file.before, after: this.#files.stamp(file) })
        }
      }
    } catch (thrown) {
      error = storageFailure(thrown, 'free a part of', torrent.root)
    }
    return this.#journal('touched', -1, touched, journal, error)
  }

  /**
   * Reads the torrent's bytes [begin, end) in pieces of at most `buffer.length` and gives each to `consume`; pad files as
   * zeros. Returns the files it read and their stamps, or undefined when the bytes are not all there or a file changed meanwhile.
   *
   * @throws ERR_TORRENTFS_STORAGE naming the path when reading fails
   */
  read(
    torrent: DirectTorrent,
    begin: number,
    end: number,
    buffer: Uint8Array,
    consume: (bytes: Uint8Array) => void,
  ): TouchedFile[] | undefined {
    const touched: TouchedFile[] = []
    for (const segment of torrent.geometry.segments(begin, end)) {
      let file: OpenedFile | undefined
      if (!segment.pad) {
        file = this.#files.openForReading(torrent.root, placeOf(torrent, segment.file))
        if (file === undefined) return undefined
      }
      for (let done = 0; done < segment.length;) {
        const target = buffer.subarray(0, Math.min(buffer.length, segment.length - done))
        if (file === undefined) target.fill(0)
        else if (this.#files.read(file, target, segment.fileOffset + done) < target.length) return undefined
        consume(target)
        done += target.length
      }
      if (file === undefined) continue
      const after = this.#files.stamp(file)
      if (!sameStamp(file.before, after)) return undefined
      touched.push({ file: segment.file, before: file.before, after })
    }
    return touched
  }

  /** The result of having found a piece good by reading it; journaled when there is a journal to write to. Never throws. */
  found(piece: number, touched: readonly TouchedFile[], journal: string | undefined): DirectResult {
    return this.#journal('stored', piece, touched, journal, undefined)
  }

  /** Closes the files below `prefix`, an absolute path. */
  closeBelow(prefix: string): void {
    this.#files.closeBelow(prefix)
  }

  /** Closes everything. */
  close(): void {
    this.#files.close()
  }

  #createEmptyFiles(torrent: DirectTorrent): void {
    if (this.#completed.has(torrent)) return
    const files = torrent.geometry.files
    for (let file = 0; file < files.length; file++) {
      const { length, pad } = files[file]!
      if (length === 0 && !pad) this.#files.openForWriting(torrent.root, torrent.path(file), 0)
    }
    this.#completed.add(torrent)
  }

  #journal(
    kind: RecordKind,
    piece: number,
    files: readonly TouchedFile[],
    journal: string | undefined,
    error: TorrentError | undefined,
  ): DirectResult {
    if (kind === 'touched' && files.length === 0) return { record: undefined, appended: true, error }
    const record = encodeRecord({ kind, piece, files })
    if (journal === undefined) return { record, appended: false, error }
    try {
      this.#files.append(journal, record)
      return { record, appended: true, error }
    } catch (thrown) {
      // The data may be there, but a restart would not know: what cannot be journaled is not stored.
      const touched = encodeRecord({ kind: 'touched', piece: -1, files })
      return { record: touched, appended: false, error: error ?? storageFailure(thrown, 'write', journal) }
    }
  }
}

/** Where a file lies now, or is to be begun. @throws what the system says */
function placeOf(torrent: DirectTorrent, file: number): readonly string[] {
  const own = torrent.path(file)
  const part = torrent.part(file)
  return part === undefined || isThere(join(torrent.root, ...own)) ? own : part
}
