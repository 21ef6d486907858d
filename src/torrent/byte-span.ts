/**
 * Which bytes of a file a stream is of, and how it reads them.
 *
 * Owns the meaning and the checks of a stream's options. Must not read anything.
 */
import { TorrentError } from './errors.js'
import type { Reader } from './reader.js'

/** Bytes of a file that a stream reads at a time. */
export const DEFAULT_CHUNK_BYTES = 256 * 1024
const MOST_CHUNK_BYTES = 64 * 1024 * 1024

/** The bytes [begin, end) of a file. */
export interface ByteSpan {
  readonly begin: number
  readonly end: number
}

/** Which bytes of a file are streamed, and how. */
export interface StreamOptions {
  /** The first byte. Default: 0. */
  readonly start?: number
  /** The last byte, itself included, as of `fs.createReadStream`. Default, and at most: the last of the file. */
  readonly end?: number
  /** Bytes to read at a time, and the most that lie ready while nobody takes them. Default: 256 KiB. */
  readonly highWaterMark?: number
  /** The most bytes to fetch ahead. Default: the client's `readaheadBytes`. Never beyond `end`. */
  readonly readaheadBytes?: number
  /** Take blocks before they are verified, as of {@link ReaderOptions.unverified}: what comes may be wrong. */
  readonly unverified?: boolean
  /** Ends it with ERR_TORRENTFS_READ_TIMEOUT after this long without a block of what it waits for, in ms. */
  readonly timeoutMs?: number
  /** Aborting it ends the stream with ERR_TORRENTFS_ABORTED. */
  readonly signal?: AbortSignal
}

/** What a stream reads, and by whom. */
export interface SpanSource {
  /** For messages: the file. */
  readonly name: string
  readonly span: ByteSpan
  /** Opens a reader that ends where the span does; the stream closes it. @throws the error the torrent ended with */
  readonly open: () => Reader
}

/**
 * The bytes that are meant, of a file of `length` bytes.
 *
 * @param name - the file, for messages
 * @throws ERR_TORRENTFS_ARGUMENT
 */
export function spanOf(name: string, length: number, options: StreamOptions): ByteSpan {
  const { start = 0, end = Infinity } = options
  const wrong = (option: string, value: unknown): TorrentError =>
    new TorrentError('ERR_TORRENTFS_ARGUMENT', `${name}: a stream cannot have the ${option} ${String(value)}`)
  if (!(Number.isSafeInteger(start) && start >= 0)) throw wrong('start', start)
  if (end !== Infinity && !(Number.isSafeInteger(end) && end >= start)) throw wrong('end', end)
  return { begin: Math.min(start, length), end: Math.min(length, end + 1) }
}

/** Bytes to read at a time. @throws ERR_TORRENTFS_ARGUMENT */
export function chunkBytesOf(name: string, options: StreamOptions): number {
  const { highWaterMark = DEFAULT_CHUNK_BYTES } = options
  if (Number.isInteger(highWaterMark) && highWaterMark > 0 && highWaterMark <= MOST_CHUNK_BYTES)
    return highWaterMark
  throw new TorrentError(
    'ERR_TORRENTFS_ARGUMENT',
    `${name}: highWaterMark must be between 1 and ${MOST_CHUNK_BYTES}, not ${String(highWaterMark)}`,
  )
}

/** What a stream ends with whose signal was aborted. */
export function streamAborted(name: string): TorrentError {
  return new TorrentError('ERR_TORRENTFS_ABORTED', `${name}: the stream was given up`)
}
