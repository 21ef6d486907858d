/**
 * Where log lines go: standard error, without ever waiting for whoever reads it.
 *
 * A reader that has stopped (a full pipe, a terminal on hold) must not stop the daemon, and one that is gone must not end
 * it: lines wait in a bounded queue and are dropped with a note when it is full. Owns its own descriptor.
 */

import { constants, openSync, writeSync } from 'node:fs'

/** Characters that may wait. */
const MAX_WAITING = 1 << 20
/** ms until a full pipe is tried again. */
const RETRY_MS = 50

/** A sink of whole lines. */
export class LogOutput {
  readonly #fd: number
  #waiting = Buffer.alloc(0)
  #dropped = 0
  #retry: NodeJS.Timeout | undefined
  #gone = false

  /** @param fd of this process; written through a non-blocking twin of it where the system gives one */
  constructor(fd = 2) {
    this.#fd = nonBlockingTwin(fd)
  }

  /** Takes one or more lines, each with its end. Never throws, never blocks. */
  write(text: string): void {
    if (this.#gone) return
    if (this.#waiting.length > MAX_WAITING) {
      this.#dropped++
      return
    }
    this.#waiting =
      this.#waiting.length === 0 ? Buffer.from(text) : Buffer.concat([this.#waiting, Buffer.from(text)])
    if (this.#retry === undefined) this.flush()
  }

  /** Writes what can be written now. */
  flush(): void {
    clearTimeout(this.#retry)
    this.#retry = undefined
    try {
      while (this.#waiting.length > 0) {
        const written = writeSync(this.#fd, this.#waiting)
        this.#waiting = this.#waiting.subarray(written)
        if (this.#waiting.length === 0 && this.#dropped > 0) {
          this.#waiting = Buffer.from(
            `torrentfs: ${this.#dropped} log lines were dropped, no one read them\n`,
          )
          this.#dropped = 0
        }
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') {
        this.#retry = setTimeout(() => this.flush(), RETRY_MS).unref()
        return
      }
      // EPIPE and its like: no one will ever read this. The mount matters more than its log.
      this.#gone = true
      this.#waiting = Buffer.alloc(0)
    }
  }
}

/** A second descriptor of the same file, so that O_NONBLOCK is not forced upon others who share the first. */
function nonBlockingTwin(fd: number): number {
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_APPEND | constants.O_NONBLOCK)
  } catch {
    // A socket (a service manager's journal) cannot be opened anew.
    return fd
  }
}
