/**
 * One source of a command line on its way to the disk: found, chosen from, fetched.
 *
 * Owns which files are meant and whether they are there. Must not print, nor end the client.
 */

import type { Client, File, Torrent, VerifyProgress } from '../../torrent/index.js'
import { filesMeant } from './file-globs.js'

/** What is wanted of all sources of a command line. */
export interface TransferOptions {
  /** Patterns of files; none: all of them, or those that a magnet link names. */
  readonly patterns: readonly string[]
  /** In the order of the files, from the first byte on. */
  readonly isSequential: boolean
  /** Hash what is there first, whatever is known of it. */
  readonly verifies: boolean
}

/** Pieces that were hashed, and those of them that are here and right. */
export interface VerifyOutcome {
  readonly good: number
  readonly pieces: number
}

/** Who hears of a transfer. */
export interface TransferEvents {
  /** The torrent is known by its infohash. */
  added(transfer: Transfer): void
  /** What is there was hashed, as it was asked for: `good` pieces of `pieces`. */
  verified(transfer: Transfer, outcome: VerifyOutcome): void
  /** The metadata is known, and what is on the disk. */
  ready(transfer: Transfer): void
  /** All that was meant is stored. */
  completed(transfer: Transfer): void
  failed(transfer: Transfer, error: Error): void
  /** It goes on, but someone should look. */
  warned(transfer: Transfer, error: Error): void
}

export type TransferState = 'adding' | 'metadata' | 'verifying' | 'fetching' | 'complete' | 'failed'

export class Transfer {
  /** As it stands on the command line. */
  readonly source: string
  #torrent: Torrent | undefined
  #files: readonly File[] = []
  #wanted = 0
  #state: TransferState = 'adding'
  #hashed: VerifyProgress | undefined

  constructor(source: string) {
    this.source = source
  }

  get torrent(): Torrent | undefined {
    return this.#torrent
  }

  get state(): TransferState {
    return this.#state
  }

  /** Pieces that were hashed so far, while it is `verifying`. */
  get hashed(): VerifyProgress | undefined {
    return this.#state === 'verifying' ? this.#hashed : undefined
  }

  /** The torrent's name; the source itself as long as there is none. */
  get name(): string {
    return this.#torrent?.name ?? this.source
  }

  /** Those that are meant; empty before the metadata is known. */
  get files(): readonly File[] {
    return this.#files
  }

  /** Bytes that are meant. */
  get wanted(): number {
    return this.#wanted
  }

  /** Bytes of them that are stored. */
  get stored(): number {
    return this.#files.reduce((sum, file) => sum + file.storedBytes, 0)
  }

  /**
   * Runs to its end: all that is meant is stored (true), it failed (false). What goes wrong is told to `events`.
   *
   * @throws only what `signal` was aborted with
   */
  async run(
    client: Client,
    options: TransferOptions,
    events: TransferEvents,
    signal: AbortSignal,
  ): Promise<boolean> {
    try {
      const torrent = await client.add(this.source, { signal })
      this.#torrent = torrent
      this.#state = 'metadata'
      events.added(this)
      torrent.on('warning', error => events.warned(this, error))
      await untilFilesKnown(torrent, signal)
      this.#choose(torrent, options.patterns)
      if (options.verifies) await this.#verify(torrent, events, signal)
      events.ready(this)
      this.#state = 'fetching'
      if (options.patterns.length === 0) torrent.download({ sequential: options.isSequential })
      else if (options.isSequential) for (const file of this.#files) await fetchInOrder(file, signal)
      else for (const file of this.#files) file.select()
      await this.#untilStored(torrent, signal)
      this.#state = 'complete'
      events.completed(this)
      return true
    } catch (error) {
      signal.throwIfAborted()
      this.#state = 'failed'
      events.failed(this, error instanceof Error ? error : new Error(String(error)))
      return false
    }
  }

  #choose(torrent: Torrent, patterns: readonly string[]): void {
    const only = patterns.length === 0 ? torrent.selectOnly : undefined
    const meant = filesMeant(torrent.files, patterns)
    this.#files =
      only === undefined
        ? meant
        : meant.filter(({ index }) => only.some(({ begin, end }) => index >= begin && index < end))
    if (this.#files.length === 0 && patterns.length > 0) {
      throw new Error(`no file of ${torrent.name} matches ${patterns.join(' or ')}`)
    }
    this.#wanted = this.#files.reduce((sum, file) => sum + file.length, 0)
  }

  /** Hashes the pieces of the files that are meant. @throws the first error of the disk */
  async #verify(torrent: Torrent, events: TransferEvents, signal: AbortSignal): Promise<void> {
    this.#state = 'verifying'
    const ranges = piecesOf(this.#files, torrent.info!.pieceLength)
    const total = ranges.reduce((sum, { begin, end }) => sum + end - begin, 0)
    let [good, before] = [0, 0]
    for (const { begin, end } of ranges) {
      const onProgress = ({ done }: VerifyProgress): void => {
        this.#hashed = { done: before + done, total }
      }
      const result = await torrent.verify({ begin, end, signal, onProgress })
      if (result.failures.length > 0) throw result.failures[0]!
      good += result.good
      before += end - begin
    }
    events.verified(this, { good, pieces: total })
  }

  #untilStored(torrent: Torrent, signal: AbortSignal): Promise<void> {
    const ends = new AbortController()
    return new Promise<void>((resolve, reject) => {
      const look = (): void => {
        if (this.stored === this.#wanted) resolve()
      }
      torrent.on('complete', look)
      const removed = (): void => reject(new Error(`${torrent.name} was removed`))
      torrent.on('removed', removed)
      signal.addEventListener('abort', () => reject(signal.reason as Error), { signal: ends.signal })
      ends.signal.addEventListener('abort', () => {
        torrent.off('complete', look)
        torrent.off('removed', removed)
      })
      if (signal.aborted) reject(signal.reason as Error)
      look()
    }).finally(() => ends.abort())
  }
}

/** The pieces [begin, end) that hold bytes of these files, each once; the files come in their order. */
function piecesOf(
  files: readonly File[],
  pieceLength: number,
): readonly { readonly begin: number; readonly end: number }[] {
  const ranges: { begin: number; end: number }[] = []
  for (const { offset, length } of files) {
    if (length === 0) continue
    const last = ranges.at(-1)
    const begin = Math.floor(offset / pieceLength)
    const end = Math.ceil((offset + length) / pieceLength)
    if (last !== undefined && begin <= last.end) last.end = end
    else ranges.push({ begin, end })
  }
  return ranges
}

/** Bytes that are fetched ahead at a time, and waited for at a time, in order. */
const ORDERLY_AHEAD = 64 * 1024 * 1024
const ORDERLY_STEP = 1024 * 1024

/** Fetches a file as someone does who reads it from its beginning to its end. */
async function fetchInOrder(file: File, signal: AbortSignal): Promise<void> {
  const reader = file.createReader({ readaheadBytes: ORDERLY_AHEAD, signal })
  try {
    for (let at = 0; at < file.length; at += ORDERLY_STEP)
      await reader.available(at, Math.min(ORDERLY_STEP, file.length - at))
  } finally {
    reader.close()
  }
}

/** Waits for the metadata. A storage that cannot be opened is the end: nothing would ever become ready. @throws its error */
export async function untilFilesKnown(torrent: Torrent, signal: AbortSignal): Promise<void> {
  const ends = new AbortController()
  try {
    await new Promise<void>((resolve, reject) => {
      const warned = (error: { readonly code: string } & Error): void => {
        if (error.code === 'ERR_TORRENTFS_STORAGE') reject(error)
      }
      torrent.on('warning', warned)
      ends.signal.addEventListener('abort', () => torrent.off('warning', warned))
      torrent.whenReady(AbortSignal.any([signal, ends.signal])).then(resolve, reject)
    })
  } finally {
    ends.abort()
  }
}
