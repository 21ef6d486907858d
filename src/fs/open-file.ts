/**
 * One open handle: one reader, its reads in flight, and how they end.
 *
 * Owns the reader. Must not know names or any FUSE binding. Answers are bytes or a negative errno, never exceptions.
 */
import { TorrentError } from '../torrent/index.js'
import { EINTR, EIO, errnoOf } from './errno.js'
import type { FilePort, ReaderPort, ReadPortOptions } from './ports.js'

/** What every read of a mount is given. */
export interface ReadSettings {
  /** Bytes; the engine's own default if undefined. */
  readonly readaheadBytes?: number | undefined
  /** ms without progress after which a read fails; never if undefined. */
  readonly readTimeoutMs?: number | undefined
}

/** A read not answered yet. */
interface PendingRead {
  readonly position: number
  readonly length: number
}

/** The kernel reads a page by itself, and waits for it so that nothing but an answer ends the wait, when it retries. */
const PAGE = 4096

/** A reader and the errno its reads end with once it was closed. */
interface Cursor {
  readonly reader: ReaderPort
  closedWith: number
}

/** Told of reads that failed for a reason of the engine's (neither closed nor interrupted by us). */
export type FailureListener = (open: OpenFile, position: number, length: number, error: unknown) => void

export class OpenFile {
  readonly infohash: string
  /** The name it was opened by; what `/proc/PID/fd` shows of it. */
  readonly name: string
  readonly #file: FilePort
  readonly #settings: ReadSettings
  readonly #onFailure: FailureListener
  readonly #direct: boolean
  readonly #pending = new Set<PendingRead>()
  #cursor: Cursor | undefined
  #endedWith = 0
  #waitingSince = 0
  #idle: (() => void)[] = []

  constructor(o: {
    file: FilePort
    infohash: string
    name: string
    settings: ReadSettings
    onFailure: FailureListener
    /** Opened with O_DIRECT. */
    direct: boolean
  }) {
    this.#file = o.file
    this.infohash = o.infohash
    this.name = o.name
    this.#settings = o.settings
    this.#onFailure = o.onFailure
    this.#direct = o.direct
  }

  /** Number of reads not answered yet. */
  get waiting(): number {
    return this.#pending.size
  }

  /** ms on the clock of `performance.now()` since when reads wait and none was answered; meaningless if none waits. */
  get waitingSince(): number {
    return this.#waitingSince
  }

  /**
   * Fills `target` from `position`, and resolves (it never rejects) with bytes or a negative errno, once nothing will
   * write into `target` any more.
   *
   * @param signal aborting it ends this read alone, with EINTR
   */
  read(target: Uint8Array, position: number, signal?: AbortSignal): Promise<number> {
    return this.#pend(position, target.length, signal, async (reader, length, options) => {
      const wanted = length === target.length ? target : target.subarray(0, length)
      const read = await reader.readAt(wanted, position, options)
      // The kernel would take a short read for the end of the file and show zeros.
      if (read !== length)
        throw new TorrentError('ERR_TORRENTFS_STORAGE', `short read: ${read} of ${length} bytes`)
      return read
    })
  }

  /** Resolves (it never rejects) with 0 when those bytes are stored, or with a negative errno. Counts as a read. */
  available(position: number, length: number, signal?: AbortSignal): Promise<number> {
    return this.#pend(position, length, signal, async (reader, wanted, options) => {
      await reader.available(position, wanted, options)
      return 0
    })
  }

  /** Stored bytes were read by someone else for this handle. */
  note(position: number, length: number): void {
    if (this.#endedWith) return
    try {
      this.#openCursor().reader.note(position, length)
    } catch {
      // The torrent has ended: nothing is fetched ahead any more.
    }
  }

  async #pend(
    position: number,
    asked: number,
    signal: AbortSignal | undefined,
    run: (reader: ReaderPort, length: number, options: ReadPortOptions) => Promise<number>,
  ): Promise<number> {
    if (this.#endedWith) return -this.#endedWith
    const length = Math.min(asked, this.#file.length - position)
    if (length <= 0) return 0
    const pending: PendingRead = { position, length: asked }
    if (this.#pending.size === 0) this.#waitingSince = performance.now()
    this.#pending.add(pending)
    let cursor: Cursor | undefined
    try {
      cursor = this.#openCursor()
      const { readTimeoutMs } = this.#settings
      return await run(cursor.reader, length, {
        ...(readTimeoutMs === undefined ? {} : { timeoutMs: readTimeoutMs }),
        ...(signal === undefined ? {} : { signal }),
      })
    } catch (error) {
      if (signal?.aborted === true) return -EINTR
      if (cursor?.closedWith) return -cursor.closedWith
      this.#onFailure(this, position, length, error)
      return -errnoOf(error)
    } finally {
      this.#waitingSince = performance.now()
      this.#pending.delete(pending)
      if (this.#pending.size === 0) for (const resolve of this.#idle.splice(0)) resolve()
    }
  }

  /** Whether a read waits, from a position in [begin, end), whose caller cannot be killed before it is answered. */
  waitsUnkillably(begin = 0, end = Infinity): boolean {
    for (const { position, length } of this.#pending) {
      if ((this.#direct || length <= PAGE) && position >= begin && position < end) return true
    }
    return false
  }

  /** A descriptor of this handle was closed, perhaps not the last: the window goes, what is waited for stays. */
  flush(): void {
    this.#cursor?.reader.lowerPriority()
  }

  /** Ends the reads in flight with EINTR. Later ones start anew. */
  interrupt(): void {
    this.#closeCursor(EINTR)
  }

  /** Ends the reads in flight, and every later one, with `errno`. */
  end(errno: number = EIO): void {
    this.#endedWith = errno
    this.#closeCursor(errno)
  }

  /** Resolves when no read is in flight. */
  idle(): Promise<void> {
    if (this.#pending.size === 0) return Promise.resolve()
    return new Promise(resolve => this.#idle.push(resolve))
  }

  #openCursor(): Cursor {
    if (!this.#cursor) {
      const { readaheadBytes } = this.#settings
      const reader = this.#file.createReader(readaheadBytes === undefined ? undefined : { readaheadBytes })
      this.#cursor = { reader, closedWith: 0 }
    }
    return this.#cursor
  }

  #closeCursor(errno: number): void {
    const cursor = this.#cursor
    if (!cursor) return
    this.#cursor = undefined
    cursor.closedWith = errno
    cursor.reader.close()
  }
}
