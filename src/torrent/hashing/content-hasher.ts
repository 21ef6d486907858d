/**
 * The SHA-1 digests of pieces whose bytes lie in files, one behind the other (BEP 3).
 *
 * Owns reading and hashing on one thread: the next bytes are read while the last are hashed. Must not know threads.
 */
import { createHash, type Hash } from 'node:crypto'
import { open, type FileHandle } from 'node:fs/promises'
import { causedBy, TorrentError } from '../errors.js'

/** A file of the row. */
export interface HashedFile {
  /** Where it lies; undefined for zeros that lie nowhere (pad files, BEP 47). */
  readonly location: Uint8Array | undefined
  /** Bytes in it. */
  readonly length: number
  /** What it is if nobody changed it since, ms since 1970; not looked at when undefined. */
  readonly mtimeMs?: number
}

/** What is hashed. Plain data: it goes to other threads. */
export interface HashedContent {
  readonly files: readonly HashedFile[]
  /** Bytes in a piece; the last may be shorter. */
  readonly pieceLength: number
  /**
   * What becomes of a piece that cannot be read wholly: false ends the hashing, true gives it {@link NO_DIGEST} and goes
   * on.
   */
  readonly tolerant: boolean
}

/** Stands for the digest of a piece that could not be read. */
export const NO_DIGEST: Uint8Array = new Uint8Array(20)

const DIGEST_LENGTH = 20
const READ_BYTES = 1024 * 1024

/** A piece of a read: bytes of one file that lie within the row. */
interface Span {
  readonly file: HashedFile
  /** In the file. */
  readonly position: number
  readonly length: number
  /** Whether these are the file's last bytes of this run. */
  readonly isLast: boolean
}

/** Hashes runs of pieces of one content. */
export class ContentHasher {
  readonly #content: HashedContent
  /** Where each file begins in the row. */
  readonly #offsets: Float64Array
  /** Bytes in the row. */
  readonly length: number
  readonly #buffers = [Buffer.allocUnsafeSlow(READ_BYTES), Buffer.allocUnsafeSlow(READ_BYTES)] as const
  #handle: FileHandle | undefined
  #handleOf: HashedFile | undefined

  constructor(content: HashedContent) {
    this.#content = content
    this.#offsets = new Float64Array(content.files.length)
    let offset = 0
    content.files.forEach((file, index) => {
      this.#offsets[index] = offset
      offset += file.length
    })
    this.length = offset
  }

  /**
   * Hashes the pieces `[first, end)`. One call at a time.
   *
   * @returns their digests, 20 bytes each
   * @throws ERR_TORRENTFS_STORAGE naming the file that cannot be read or has changed
   */
  async hash(first: number, end: number): Promise<Uint8Array> {
    const { pieceLength } = this.#content
    const digests = new Uint8Array((end - first) * DIGEST_LENGTH)
    const begin = first * pieceLength
    const stop = Math.min(end * pieceLength, this.length)
    let hash: Hash = createHash('sha1')
    let missing = Math.min(pieceLength, stop - begin)
    let isBroken = false
    let piece = 0
    let position = begin
    let turn = 0
    const spans = this.#spans(begin, stop)
    let next = spans.next()
    let reading = next.done === true ? undefined : this.#read(next.value, turn)
    try {
      while (reading !== undefined && next.done !== true) {
        const { length } = next.value
        const bytes = await reading
        next = spans.next()
        turn ^= 1
        reading = next.done === true ? undefined : this.#read(next.value, turn)
        // It may fail while this thread hashes; it is waited for right after.
        reading?.catch(() => undefined)
        for (let at = 0; at < length;) {
          const cut = Math.min(length, at + missing)
          hash.update(bytes.subarray(at, cut))
          if (cut > bytes.length) isBroken = true
          missing -= cut - at
          position += cut - at
          at = cut
          if (missing > 0) continue
          digests.set(isBroken ? NO_DIGEST : hash.digest(), piece++ * DIGEST_LENGTH)
          hash = createHash('sha1')
          missing = Math.min(pieceLength, stop - position)
          isBroken = false
        }
      }
      return digests
    } finally {
      await reading?.catch(() => undefined)
      await this.#close()
    }
  }

  /** What to read, in order, for the row's bytes `[begin, end)`. */
  *#spans(begin: number, end: number): Generator<Span, void, undefined> {
    for (let index = this.#fileAt(begin); begin < end; index++) {
      const file = this.#content.files[index]!
      const offset = this.#offsets[index]!
      const fileEnd = Math.min(end, offset + file.length)
      while (begin < fileEnd) {
        const length = Math.min(READ_BYTES, fileEnd - begin)
        yield { file, position: begin - offset, length, isLast: begin + length === fileEnd }
        begin += length
      }
    }
  }

  /** The last file that begins at an offset or before it. */
  #fileAt(offset: number): number {
    let low = 0
    let high = this.#offsets.length - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if (this.#offsets[middle]! <= offset) low = middle
      else high = middle - 1
    }
    return low
  }

  /** @returns the bytes, in the buffer of this turn; fewer when the others are not there and that is tolerated */
  async #read(span: Span, turn: number): Promise<Buffer> {
    const { file, position, length, isLast } = span
    const buffer = this.#buffers[turn]!.subarray(0, length)
    if (file.location === undefined) return buffer.fill(0)
    let filled = 0
    try {
      const handle = await this.#opened(file)
      while (filled < length) {
        const { bytesRead } = await handle.read(buffer, filled, length - filled, position + filled)
        if (bytesRead === 0) throw changed(file)
        filled += bytesRead
      }
      if (isLast && file.mtimeMs !== undefined) {
        const stats = await handle.stat()
        if (stats.size !== file.length || stats.mtimeMs !== file.mtimeMs) throw changed(file)
      }
      return buffer
    } catch (error) {
      if (this.#content.tolerant) return buffer.subarray(0, filled)
      if (error instanceof TorrentError) throw error
      throw causedBy(error, 'ERR_TORRENTFS_STORAGE', `cannot read ${nameOf(file)}`)
    }
  }

  /** Reads come file after file, so one open file is enough. */
  async #opened(file: HashedFile): Promise<FileHandle> {
    if (this.#handle !== undefined && this.#handleOf === file) return this.#handle
    await this.#close()
    this.#handle = await open(Buffer.from(file.location!), 'r')
    this.#handleOf = file
    return this.#handle
  }

  async #close(): Promise<void> {
    const handle = this.#handle
    this.#handle = undefined
    await handle?.close()
  }
}

function changed(file: HashedFile): TorrentError {
  return new TorrentError('ERR_TORRENTFS_STORAGE', `${nameOf(file)} changed while it was read`)
}

function nameOf(file: HashedFile): string {
  return Buffer.from(file.location ?? []).toString()
}
