/**
 * One file of a torrent.
 *
 * Owns nothing: names, sizes and places come from the metadata, progress from the torrent, bytes from readers.
 */
import { constants } from 'node:buffer'
import type { ReadableStream } from 'node:stream/web'

import { DEFAULT_CHUNK_BYTES, spanOf, type SpanSource, type StreamOptions } from './byte-span.js'
import { TorrentError } from './errors.js'
import type { InfoFile } from './metainfo/info.js'
import { FileReadStream } from './read-stream.js'
import { Reader, type ReadOptions } from './reader.js'
import type { Torrent } from './torrent.js'
import type { Priority } from './torrent-selection.js'
import { webStream } from './web-stream.js'

/** How a {@link Reader} reads. */
export interface ReaderOptions {
  /** The most bytes to fetch ahead. Default: the client's `readaheadBytes`. */
  readonly readaheadBytes?: number
  /**
   * Take blocks as they come, before their piece is whole and verified: sooner, where pieces are big, and WRONG when a peer lies.
   * For players that survive a broken frame. What is stored and uploaded is verified as ever.
   */
  readonly unverified?: boolean
  /** Aborting it closes the reader. */
  readonly signal?: AbortSignal
}

/** A file of a torrent: see {@link Torrent.files}. */
export class File {
  readonly torrent: Torrent
  readonly #file: InfoFile

  /** Got from {@link Torrent.files}. @internal */
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

  /** How much of it is stored, from 0 to 1. */
  get progress(): number {
    return this.length === 0 ? 1 : this.storedBytes / this.length
  }

  /** A reader over the file; the caller closes it. @throws the error the torrent ended with, if it has ended */
  createReader(options: ReaderOptions = {}): Reader {
    return this.#reader(options, this.length)
  }

  /**
   * The file, or the bytes from `start` to `end` of it, as a stream of Node. Nothing is fetched before someone reads it, nor
   * beyond the readahead while nobody takes what was read. Destroy it, or read it to its end.
   *
   * @throws ERR_TORRENTFS_ARGUMENT; whatever else goes wrong is the stream's `error`
   */
  createReadStream(options: StreamOptions = {}): FileReadStream {
    return new FileReadStream(this.#spanSource(options), options)
  }

  /**
   * As {@link createReadStream}, as a byte stream of the web, for `Response` and the like. Cancel it, or read it to its end.
   *
   * @throws ERR_TORRENTFS_ARGUMENT; whatever else goes wrong is what its reads reject with
   */
  stream(options: StreamOptions = {}): ReadableStream<Uint8Array> {
    return webStream(this.#spanSource(options), options)
  }

  /** Its bytes in order, in chunks; leaving the loop closes what read them. @throws as {@link Reader.readAt} */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    const reader = this.createReader()
    try {
      while (reader.position < this.length) {
        const chunk = new Uint8Array(Math.min(DEFAULT_CHUNK_BYTES, this.length - reader.position))
        await reader.read(chunk)
        yield chunk
      }
    } finally {
      reader.close()
    }
  }

  /**
   * The whole file in memory, all of it fetched at once.
   *
   * @throws as {@link Reader.readAt}; ERR_TORRENTFS_ARGUMENT for a file that no buffer can hold
   */
  async arrayBuffer(options: ReadOptions = {}): Promise<ArrayBuffer> {
    if (this.length > constants.MAX_LENGTH) {
      const limit = `more than the ${constants.MAX_LENGTH} bytes of a buffer`
      throw new TorrentError('ERR_TORRENTFS_ARGUMENT', `${this.#fullName}: ${this.length} bytes are ${limit}`)
    }
    const reader = this.createReader()
    try {
      reader.readahead(() => Infinity)
      const whole = new ArrayBuffer(this.length)
      while (reader.position < this.length) {
        const length = Math.min(DEFAULT_CHUNK_BYTES, this.length - reader.position)
        await reader.read(new Uint8Array(whole, reader.position, length), options)
      }
      return whole
    } finally {
      reader.close()
    }
  }

  /**
   * How much of it is wanted that nobody reads. Pieces that it shares with other files go by the highest.
   *
   * @throws ERR_TORRENTFS_ARGUMENT when it is set to what is no priority
   */
  get priority(): Priority {
    return this.torrent.filePriority(this.#file.index)
  }

  set priority(priority: Priority) {
    this.torrent.setFilePriority(this.#file.index, priority)
  }

  /** Fetches all of it whether anyone reads it or not, unless it is wanted more already. */
  select(): void {
    if (this.priority === 'none') this.priority = 'normal'
  }

  /** Fetches only what is read of it, and what it shares with files that are selected. */
  deselect(): void {
    this.priority = 'none'
  }

  /** For messages. */
  get #fullName(): string {
    return [this.torrent.name, ...this.path].join('/')
  }

  /** A reader over its first `end` bytes. */
  #reader(options: ReaderOptions, end: number): Reader {
    const source = this.torrent.readerSource(this, options.readaheadBytes)
    return new Reader({ ...source, length: end, unverified: options.unverified ?? false }, options.signal)
  }

  #spanSource(options: StreamOptions): SpanSource {
    const { signal: _, ...ofReader } = options
    const span = spanOf(this.#fullName, this.length, options)
    const open = (): Reader => this.#reader(ofReader, span.end)
    return { name: this.#fullName, span, open }
  }
}
