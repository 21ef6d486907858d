/**
 * One file of a torrent.
 *
 * Owns nothing: names, sizes and places come from the metadata, progress from the torrent.
 */
import type { InfoFile } from './metainfo/info.js'
import { Reader } from './reader.js'
import type { Torrent } from './torrent.js'

export interface ReaderOptions {
  /** The most bytes to fetch ahead. Default: the client's `readaheadBytes`. */
  readonly readaheadBytes?: number
  /** Aborting it closes the reader. */
  readonly signal?: AbortSignal
}

export class File {
  readonly torrent: Torrent
  readonly #file: InfoFile

  constructor(torrent: Torrent, file: InfoFile) {
    this.torrent = torrent
    this.#file = file
  }

  /** Position in {@link Torrent.files}. */
  get index(): number {
    return this.#file.index
  }

  /** Safe, unique components below the torrent's root; in a single-file torrent, the torrent's name alone. */
  get path(): readonly string[] {
    return this.#file.path
  }

  /** Bytes. */
  get length(): number {
    return this.#file.length
  }

  /** First byte of the file in the torrent. */
  get offset(): number {
    return this.#file.offset
  }

  /** A pad file (BEP 47): zeros that are not stored, not shown and not asked for. */
  get pad(): boolean {
    return this.#file.pad
  }

  /** Bytes of it that are stored. */
  get storedBytes(): number {
    return this.torrent.storedBytesOf(this.#file.index)
  }

  /** A reader over the file; the caller closes it. @throws the error the torrent ended with, if it has ended */
  createReader(options: ReaderOptions = {}): Reader {
    return new Reader(this.torrent.readerSource(this, options.readaheadBytes), options.signal)
  }

  /** Fetches all of it whether anyone reads it or not. */
  select(): void {
    this.torrent.selectRange(this.offset, this.offset + this.length, true)
  }

  /** Undoes {@link select}; pieces shared with a selected neighbour go too. */
  deselect(): void {
    this.torrent.selectRange(this.offset, this.offset + this.length, false)
  }
}
