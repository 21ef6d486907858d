/**
 * What the session needs of the world, and how it answers the kernel.
 */
import type { OpenedFile } from './open-handles.js'
import { writeOpenReply } from './protocol/encode.js'
import { writeInvalidateInode } from './protocol/notifications.js'
import type { Fate } from './reader-fate.js'
import type { ReplyBuffer } from './reply-buffer.js'
import type { SessionReport } from './session-protocol.js'

export interface SessionPort {
  /** Gives the kernel a reply or a notification. Never throws; the kernel may not want it any more. */
  transmit(message: Uint8Array): void
  /** Tells the engine's side. */
  report(report: SessionReport): void
  /**
   * Reads stored bytes of a file whose place is known into the start of `target`.
   *
   * @returns how many, or a negative errno: -EAGAIN when it would have to wait for the disk
   */
  readFile(opened: OpenedFile, target: Uint8Array, length: number, position: number): number
  /** Gives the kernel the file for passthrough. @returns the kernel's number of it, or 0 when that cannot be */
  openBacking(opened: OpenedFile): number
  /** Closes what `readFile` and `openBacking` opened. */
  close(opened: OpenedFile): void
  /** What a blocked reader is about. */
  fateOf(pid: number): Fate
  /** ms since the epoch. */
  nowMs(): number
}

/** Replies, made in the one buffer there is. All lengths are bytes of payload that lie in it. */
export class Answers {
  readonly #port: SessionPort
  readonly buffer: ReplyBuffer

  constructor(port: SessionPort, buffer: ReplyBuffer) {
    this.#port = port
    this.buffer = buffer
  }

  /** A reply of what was written up to `end` of the buffer. */
  sendTo(unique: number, end: number): undefined {
    return this.send(unique, end - this.buffer.start)
  }

  send(unique: number, length: number): undefined {
    this.#port.transmit(this.buffer.finish(unique, 0, length))
  }

  /** @param errno positive, or 0 for an empty success */
  fail(unique: number, errno: number): undefined {
    this.#port.transmit(this.buffer.finish(unique, errno, 0))
  }

  open(unique: number, handle: number, flags: number, backing: number): undefined {
    const { bytes, start } = this.buffer
    return this.sendTo(unique, writeOpenReply(bytes, start, handle, flags, backing))
  }

  /** Has the kernel forget the attributes of a node: the one notification that waits for nothing of ours. */
  forgetAttributes(node: number): void {
    const { bytes, start } = this.buffer
    this.#port.transmit(bytes.subarray(start, writeInvalidateInode(bytes, start, node, -1, 0)))
  }
}
