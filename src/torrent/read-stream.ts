/**
 * The bytes of a file as a stream of Node.
 *
 * Owns one reader, from the first byte that is asked for to the stream's end. Reads no further than its consumer takes.
 */
import { Readable } from 'node:stream'

import { chunkBytesOf, streamAborted, type SpanSource, type StreamOptions } from './byte-span.js'
import type { Reader } from './reader.js'

/** Made by `File.createReadStream`. Destroying it closes its reader, and what was to be fetched is not any more. */
export class FileReadStream extends Readable {
  readonly #source: SpanSource
  readonly #options: StreamOptions
  readonly #chunkBytes: number
  readonly #abort: () => void
  #reader: Reader | undefined
  #position: number

  /** @throws ERR_TORRENTFS_ARGUMENT */
  constructor(source: SpanSource, options: StreamOptions) {
    const chunkBytes = chunkBytesOf(source.name, options)
    super({ highWaterMark: chunkBytes })
    this.#source = source
    this.#options = options
    this.#chunkBytes = chunkBytes
    this.#position = source.span.begin
    this.#abort = () => this.destroy(streamAborted(source.name))
    if (options.signal?.aborted === true) this.#abort()
    else options.signal?.addEventListener('abort', this.#abort, { once: true })
  }

  /** Bytes read so far. */
  get bytesRead(): number {
    return this.#position - this.#source.span.begin
  }

  /** @internal */
  override _read(): void {
    void this.#readOn()
  }

  /** @internal */
  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#options.signal?.removeEventListener('abort', this.#abort)
    this.#reader?.close()
    callback(error)
  }

  async #readOn(): Promise<void> {
    const { span, open } = this.#source
    const length = Math.min(this.#chunkBytes, span.end - this.#position)
    if (length <= 0) {
      this.push(null)
      return
    }
    try {
      this.#reader ??= open()
      const chunk = Buffer.allocUnsafeSlow(length)
      const { timeoutMs } = this.#options
      await this.#reader.readAt(chunk, this.#position, timeoutMs === undefined ? {} : { timeoutMs })
      if (this.destroyed) return
      this.#position += length
      this.push(chunk)
    } catch (error) {
      this.destroy(error as Error)
    }
  }
}
