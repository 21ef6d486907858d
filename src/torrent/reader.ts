/**
 * A cursor over one file: reads wait until their bytes are here, and what will be read next is fetched ahead.
 *
 * Owns its place in the torrent's demand. Must not cache bytes: the storage and the system's page cache do.
 */
import { setMaxListeners } from 'node:events'

import { readEarly } from './early-bytes.js'
import { TorrentError } from './errors.js'
import type { Geometry } from './pieces/geometry.js'
import { readByPiece } from './piece-reads.js'
import type { TorrentEngine } from './torrent-engine.js'

/** A read whose bytes vanish from the storage while it reads them is begun anew this often. */
const MOST_ATTEMPTS = 8

/** How long a read waits. */
export interface ReadOptions {
  /** Aborting it rejects the read with ERR_TORRENTFS_ABORTED. */
  readonly signal?: AbortSignal
  /** Rejects with ERR_TORRENTFS_READ_TIMEOUT after this long without a block of what it waits for, in ms. */
  readonly timeoutMs?: number
}

/** Where a reader has come to, for who decides how far ahead to fetch. */
export interface ReadaheadContext {
  /** Where the read that is beginning ends: bytes from the start of the file. */
  readonly position: number
  /** Bytes of the file. */
  readonly length: number
  /** Bytes read in one go up to {@link position}, this read among them. */
  readonly contiguous: number
}

/** How many bytes beyond `position` to fetch ahead, at least 0; asked at each read, so it must be quick. */
export type ReadaheadFunction = (context: ReadaheadContext) => number

/** What a reader needs of its file. */
export interface ReaderSource {
  /** For messages: the torrent's name and the file's path. */
  readonly name: string
  /** First byte of the file in the torrent. */
  readonly offset: number
  /** Bytes. */
  readonly length: number
  readonly engine: TorrentEngine
  readonly geometry: Geometry
  /** The most bytes to fetch ahead. */
  readonly readahead: number
  /** Take blocks as they come, before their piece is verified. */
  readonly unverified?: boolean
  /** Why there is nothing to read any more; undefined while there is. */
  ended(): TorrentError | undefined
}

/**
 * Made by `File.createReader`; close it (or declare it with `using`), or its wants stay. A file may have any number of
 * readers, and a reader any number of outstanding reads.
 */
export class Reader {
  readonly #source: ReaderSource
  readonly #number: number
  readonly #unverified: boolean
  readonly #close = new AbortController()
  #position = 0
  /** How often {@link seek} was called. */
  #seeks = 0
  #readahead: ReadaheadFunction | undefined
  /** What was last asked of the core on behalf of a function, in bytes. */
  #ahead = -1
  /** Bytes read in one go, and where they end: for {@link ReadaheadFunction} alone. */
  #run = { end: 0, length: 0 }

  /** Made by {@link File.createReader}. @internal */
  constructor(source: ReaderSource, signal?: AbortSignal) {
    this.#source = source
    // Every read that waits listens, and the kernel has a dozen under way for one handle.
    setMaxListeners(0, this.#close.signal)
    const readahead = this.#checkedReadahead(source.readahead)
    this.#unverified = source.unverified ?? false
    const end = source.offset + source.length
    this.#number = source.engine.openReader(source.offset, end, readahead, this.#unverified)
    if (signal?.aborted === true) this.close()
    else signal?.addEventListener('abort', () => this.close(), { once: true, signal: this.#close.signal })
  }

  /** Where {@link read} goes on: bytes from the start of the file. */
  get position(): number {
    return this.#position
  }

  /** It was made to give out bytes that may be wrong. */
  get unverified(): boolean {
    return this.#unverified
  }

  /** Bytes that can be read, from the start of the file. */
  get length(): number {
    return this.#source.length
  }

  get closed(): boolean {
    return this.#close.signal.aborted
  }

  /**
   * Fills `target` from {@link position} as {@link readAt} does; 0 at the end of the file. The position moves on when the
   * read begins, so that several may be under way. A read that fails puts it back, unless it was sought since.
   *
   * @throws as {@link readAt}
   */
  async read(target: Uint8Array, options: ReadOptions = {}): Promise<number> {
    const from = this.#position
    const seeks = this.#seeks
    this.#position += this.#locate(from, target.length).count
    try {
      return await this.readAt(target, from, options)
    } catch (error) {
      if (seeks === this.#seeks) this.#position = Math.min(this.#position, from)
      throw error
    }
  }

  /**
   * {@link read} goes on at `position`, which may lie beyond the end. What was to be fetched ahead of a place far from
   * there is given up at once; reads under way are not ended.
   *
   * @param position - bytes from the start of the file
   * @throws ERR_TORRENTFS_ARGUMENT
   */
  seek(position: number): void {
    const { begin, count } = this.#locate(position, 1)
    this.#position = position
    this.#seeks++
    if (count > 0 && !this.closed) this.#noteRead(begin, begin)
  }

  /**
   * How far ahead to fetch: at most so many bytes, doubling while reading goes on in one go (0: never ahead); or exactly what a
   * function says at each read. What the function throws, the read rejects with.
   *
   * @throws ERR_TORRENTFS_ARGUMENT for a number that is none
   */
  readahead(bytes: number | ReadaheadFunction): void {
    if (typeof bytes === 'function') {
      this.#readahead = bytes
      return
    }
    const most = this.#checkedReadahead(bytes)
    this.#readahead = undefined
    this.#ahead = -1
    this.#source.engine.post({ type: 'readahead', reader: this.#number, bytes: most, exact: false })
  }

  /**
   * Fills `target` with verified bytes (or unverified ones, if it was made so) from `position` (bytes from the start of the file) and resolves with how many it
   * read: fewer than `target.length` only at the end of the file. Nothing writes into `target` once it has settled.
   *
   * @throws ERR_TORRENTFS_READER_CLOSED, ERR_TORRENTFS_REMOVED, ERR_TORRENTFS_CLOSED, ERR_TORRENTFS_ABORTED,
   * ERR_TORRENTFS_READ_TIMEOUT, ERR_TORRENTFS_STORAGE, ERR_TORRENTFS_DISK_FULL, ERR_TORRENTFS_ARGUMENT
   */
  async readAt(target: Uint8Array, position: number, options: ReadOptions = {}): Promise<number> {
    const { engine } = this.#source
    const { begin, count } = this.#locate(position, target.length)
    if (count === 0) return 0
    this.#check(options.signal)
    this.#decideReadahead(position, count)
    const bytes = count === target.length ? target : target.subarray(0, count)
    const { evictedLength } = engine
    if (evictedLength === undefined) return this.#readBytes(bytes, begin, options)
    return readByPiece(bytes, begin, {
      pieceLength: evictedLength,
      signal: options.signal,
      read: (part, from, signal) => this.#readBytes(part, from, { ...options, signal }),
    })
  }

  /** Fills `target` from `begin` of the torrent. */
  async #readBytes(target: Uint8Array, begin: number, options: ReadOptions): Promise<number> {
    const { name, offset } = this.#source
    const count = target.length
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      this.#check(options.signal)
      if (this.#isHere(begin, begin + count)) this.#noteRead(begin, begin + count)
      else await this.#wait(begin, begin + count, options)
      const read = await this.#readHere(target, begin)
      this.#check(options.signal)
      if (read) return count
    }
    throw new TorrentError(
      'ERR_TORRENTFS_STORAGE',
      `${name}: the bytes at ${begin - offset} do not stay on the disk`,
    )
  }

  #isHere(begin: number, end: number): boolean {
    const { engine } = this.#source
    return this.#unverified ? engine.core.hasArrived(begin, end) : engine.isStored(begin, end)
  }

  /** Fills `target` with what is here; false when some of it is not, after all. */
  async #readHere(target: Uint8Array, begin: number): Promise<boolean> {
    const { engine, geometry } = this.#source
    if (this.#unverified) return readEarly(engine, geometry, target, begin)
    const got = await engine.readStored(target, begin)
    // The file was cut short behind our back.
    if (got < target.length) engine.doubt(begin, begin + target.length)
    // Bytes of a file that turned out to be changed meanwhile are not served.
    return engine.isStored(begin, begin + target.length)
  }

  /**
   * Resolves when `length` bytes from `position` are here, without reading them; at once if they are.
   *
   * @throws as {@link readAt}
   */
  async available(position: number, length: number, options: ReadOptions = {}): Promise<void> {
    const { begin, count } = this.#locate(position, length)
    this.#check(options.signal)
    while (count > 0 && !this.#isHere(begin, begin + count)) {
      await this.#wait(begin, begin + count, options)
      this.#check(options.signal)
    }
  }

  /**
   * Says that stored bytes were read by other means than {@link readAt}, so that what comes next is fetched ahead.
   *
   * @throws ERR_TORRENTFS_ARGUMENT
   */
  note(position: number, length: number): void {
    if (this.#close.signal.aborted) return
    const { begin, count } = this.#locate(position, length)
    if (count > 0) this.#noteRead(begin, begin + count)
  }

  /** Keeps what is waited for and gives up the window, until the next read. */
  lowerPriority(): void {
    this.#source.engine.post({ type: 'readerLowered', reader: this.#number })
  }

  /** Gives up everything it wants; reads that wait reject with ERR_TORRENTFS_READER_CLOSED. Idempotent. */
  close(): void {
    if (this.#close.signal.aborted) return
    this.#close.abort()
    this.#source.engine.post({ type: 'readerClosed', reader: this.#number })
  }

  /** As {@link close}. */
  [Symbol.dispose](): void {
    this.close()
  }

  #noteRead(begin: number, end: number): void {
    this.#source.engine.post({ type: 'readStored', reader: this.#number, begin, end })
  }

  /** Asks the function, if there is one, how far ahead of a read to fetch. @throws what it throws */
  #decideReadahead(position: number, count: number): void {
    if (this.#readahead === undefined) return
    const end = position + count
    this.#run = { end, length: count + (position === this.#run.end ? this.#run.length : 0) }
    const context = { position: end, length: this.length, contiguous: this.#run.length }
    const bytes = this.#checkedReadahead(this.#readahead(context))
    if (bytes === this.#ahead) return
    this.#ahead = bytes
    this.#source.engine.post({ type: 'readahead', reader: this.#number, bytes, exact: true })
  }

  /** More than the whole file is the whole file. @throws ERR_TORRENTFS_ARGUMENT */
  #checkedReadahead(bytes: unknown): number {
    if (typeof bytes === 'number' && bytes >= 0) return Math.min(Math.floor(bytes), this.length)
    throw new TorrentError(
      'ERR_TORRENTFS_ARGUMENT',
      `${this.#source.name}: cannot fetch ${String(bytes)} bytes ahead`,
    )
  }

  /** Where in the torrent that is, and how many bytes of it there are. @throws ERR_TORRENTFS_ARGUMENT */
  #locate(position: number, length: number): { readonly begin: number; readonly count: number } {
    if (!(Number.isSafeInteger(position) && position >= 0)) {
      throw new TorrentError('ERR_TORRENTFS_ARGUMENT', `${this.#source.name}: cannot read at ${position}`)
    }
    const count = Math.max(0, Math.min(length, this.#source.length - position))
    return { begin: this.#source.offset + position, count }
  }

  #check(signal: AbortSignal | undefined): void {
    const ended = this.#source.ended()
    if (ended !== undefined) throw ended
    if (this.#close.signal.aborted) throw this.#closedError()
    if (signal?.aborted === true) throw this.#abortedError()
  }

  #closedError(): TorrentError {
    return new TorrentError('ERR_TORRENTFS_READER_CLOSED', `${this.#source.name}: the reader was closed`)
  }

  #abortedError(): TorrentError {
    return new TorrentError('ERR_TORRENTFS_ABORTED', `${this.#source.name}: the read was given up`)
  }

  #wait(begin: number, end: number, options: ReadOptions): Promise<void> {
    const { engine } = this.#source
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined
      let progress = engine.core.progress(begin, end)
      const release = (): void => {
        clearInterval(timer)
        options.signal?.removeEventListener('abort', abort)
        this.#close.signal.removeEventListener('abort', closed)
      }
      const fail = (error: Error): void => {
        release()
        reject(error)
      }
      const awaited = { reader: this.#number, begin, end, early: this.#unverified }
      const wait = engine.waits.begin(awaited, {
        done: () => {
          release()
          resolve()
        },
        failed: fail,
      })
      const giveUp = (error: Error): void => {
        engine.waits.end(wait)
        fail(error)
      }
      const abort = (): void => giveUp(this.#abortedError())
      const closed = (): void => giveUp(this.#closedError())
      if (options.timeoutMs !== undefined) {
        timer = setInterval(() => {
          const before = progress
          progress = engine.core.progress(begin, end)
          if (progress === before) giveUp(this.#timeoutError(begin, end, options.timeoutMs!))
        }, options.timeoutMs)
        timer.unref()
      }
      options.signal?.addEventListener('abort', abort, { once: true })
      this.#close.signal.addEventListener('abort', closed, { once: true })
    })
  }

  #timeoutError(begin: number, end: number, timeoutMs: number): TorrentError {
    const { name, offset, engine } = this.#source
    const piece = engine.core.firstMissing(begin, end)
    const serving = engine.core.peersServing(piece)
    return new TorrentError(
      'ERR_TORRENTFS_READ_TIMEOUT',
      `${name}: no progress for ${timeoutMs} ms at offset ${begin - offset}, piece ${piece}: ` +
        `${serving.connected} peers connected, ${serving.have} have it, ${serving.unchoked} would send it`,
    )
  }
}
