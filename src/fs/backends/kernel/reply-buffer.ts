/**
 * The memory one reply is made in, again and again: the session answers one request at a time.
 *
 * The payload starts on a page boundary and the header ends there, so that the kernel copies page by page and a reply is
 * one write.
 */
import { HEADER_LENGTH, writeHeader } from './protocol/encode.js'

const PAGE = 4096

/** The most bytes of payload: what the kernel asks for in one read (256 pages). */
export const MAX_PAYLOAD = 256 * PAGE

export class ReplyBuffer {
  readonly bytes: Buffer
  /** Where the payload goes. */
  readonly payload: Buffer
  /** First byte of the payload in `bytes`. */
  readonly start = PAGE

  /** @param memory on a page boundary if possible, of {@link ReplyBuffer.SIZE} bytes */
  constructor(memory: Uint8Array = new Uint8Array(ReplyBuffer.SIZE)) {
    this.bytes = Buffer.from(memory.buffer, memory.byteOffset, memory.byteLength)
    this.payload = this.bytes.subarray(PAGE, PAGE + MAX_PAYLOAD)
  }

  static readonly SIZE = PAGE + MAX_PAYLOAD

  /** The whole reply with the payload's first `length` bytes. Valid until the next reply. */
  finish(unique: number, errno: number, length: number): Buffer {
    const begin = PAGE - HEADER_LENGTH
    writeHeader(this.bytes, begin, unique, errno, HEADER_LENGTH + length)
    return this.bytes.subarray(begin, PAGE + length)
  }
}
