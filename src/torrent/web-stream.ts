/**
 * The bytes of a file as a stream of the web: a byte stream, which fills buffers of its consumer where it brings them.
 *
 * Owns one reader, from the first byte that is asked for to the stream's end. Nothing lies ready that nobody asked for.
 */
import {
  ReadableStream,
  type ReadableByteStreamController,
  type ReadableStreamBYOBRequest,
} from 'node:stream/web'

import { chunkBytesOf, streamAborted, type SpanSource, type StreamOptions } from './byte-span.js'
import type { Reader } from './reader.js'

/** Cancelling it closes its reader. @throws ERR_TORRENTFS_ARGUMENT */
export function webStream(source: SpanSource, options: StreamOptions): ReadableStream<Uint8Array> {
  const { span } = source
  const { signal, timeoutMs } = options
  let reader: Reader | undefined
  let position = span.begin
  let abort: (() => void) | undefined
  const end = (): void => {
    if (abort !== undefined) signal?.removeEventListener('abort', abort)
    reader?.close()
  }
  const fill = async (controller: ReadableByteStreamController): Promise<void> => {
    // Always there: a buffer is made for consumers that bring none.
    const request = controller.byobRequest as ReadableStreamBYOBRequest
    const view = request.view as Uint8Array
    const length = Math.min(view.byteLength, span.end - position)
    if (length > 0) {
      reader ??= source.open()
      const target = new Uint8Array(view.buffer, view.byteOffset, length)
      await reader.readAt(target, position, timeoutMs === undefined ? {} : { timeoutMs })
      position += length
    } else {
      controller.close()
      end()
    }
    request.respond(length)
  }
  return new ReadableStream(
    {
      type: 'bytes',
      autoAllocateChunkSize: chunkBytesOf(source.name, options),
      start(controller) {
        abort = () => {
          end()
          controller.error(streamAborted(source.name))
        }
        if (signal?.aborted === true) abort()
        else signal?.addEventListener('abort', abort, { once: true })
      },
      async pull(controller) {
        try {
          await fill(controller)
        } catch (error) {
          end()
          throw error
        }
      },
      cancel: end,
    },
    { highWaterMark: 0 },
  )
}
