/**
 * A cursor over one file: reads wait until their bytes are stored, and what will be read next is fetched ahead.
 *
 * Owns its place in the torrent's demand. Must not cache bytes: the storage and the system's page cache do.
 */
import { setMaxListeners } from 'node:events'

import { TorrentError } from './errors.js'
import type { TorrentEngine } from './torrent-engine.js'

/** A read whose bytes vanish from the storage while it reads them is begun anew this often. */
const MOST_ATTEMPTS = 8

export interface ReadOptions {
  /** Aborting it rejects the read with ERR_TORRENTFS_ABORTED. */
  readonly signal?: AbortSignal
  /** Rejects with ERR_TORRENTFS_READ_TIMEOUT after this long without a block of what it waits for, in ms. */
  readonly timeoutMs?: number
}

/** What a reader needs of its file. */
export interface ReaderSource {
  /** For messages: the torrent's name and the file's path. */
  readonly name: string
  /** First byte of the file in the torrent. */
  readonly offset: number
  /** Bytes. */
  readonly length: number
  readonly engine: TorrentEngine
  /** The most bytes to fetch ahead. */
  readonly readahead: number
  /** Why there is nothing to read any more; undefined while there is. */
  ended(): TorrentError | undefined
}

/** Made by `File.createReader`; close it, or its wants stay. Any number of reads may be outstanding at once. */
export class Reader {
  readonly #source: ReaderSource
  readonly #number: number
  readonly #close = new AbortController()

  constructor(source: ReaderSource, signal?: AbortSignal) {
    this.#source = source
    // Every read that waits listens, and the kernel has a dozen under way for one handle.
    setMaxListeners(0, this.#close.signal)
    this.#number = source.engine.openReader(source.offset, source.offset + source.length, source.readahead)
    if (signal?.aborted === true) this.close()
    else signal?.addEventListener('abort', () => this.close(), { once: true, signal: this.#close.signal })
  }

  /**
   * Fills `target` with verified bytes from `position` (bytes from the start of the file) and resolves with how many it
   * read: fewer than `target.length` only at the end of the file. Nothing writes into `target` once it has settled.
   *
   * @throws ERR_TORRENTFS_READER_CLOSED, ERR_TORRENTFS_REMOVED, ERR_TORRENTFS_CLOSED, ERR_TORRENTFS_ABORTED,
   * ERR_TORRENTFS_READ_TIMEOUT, ERR_TORRENTFS_STORAGE, ERR_TORRENTFS_DISK_FULL, ERR_TORRENTFS_ARGUMENT
   */
  async read(target: Uint8Array, position: number, options: ReadOptions = {}): Promise<number> {
    const { length, offset, engine } = this.#source
    if (!(Number.isSafeInteger(position) && position >= 0)) {
      throw new TorrentError('ERR_TORRENTFS_ARGUMENT', `${this.#source.name}: cannot read at ${position}`)
    }
    const count = Math.min(target.length, length - position)
    if (count <= 0) return 0
    const begin = offset + position
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      this.#check(options.signal)
      if (engine.isStored(begin, begin + count)) {
        engine.post({ type: 'readStored', reader: this.#number, begin, end: begin + count })
      } else await this.#wait(begin, begin + count, options)
      const got = await engine.readStored(count === target.length ? target : target.subarray(0, count), begin)
      this.#check(options.signal)
      // Bytes of a file that turned out to be changed meanwhile are not served.
      if (got === count && engine.isStored(begin, begin + count)) return count
      // The file was cut short behind our back.
      if (got < count) engine.doubt(begin, begin + count)
    }
    throw new TorrentError(
      'ERR_TORRENTFS_STORAGE',
      `${this.#source.name}: the bytes at ${position} do not stay on the disk`,
    )
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
      const wait = engine.wait(this.#number, begin, end, {
        done: () => {
          release()
          resolve()
        },
        failed: fail,
      })
      const giveUp = (error: Error): void => {
        engine.endWait(wait)
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
