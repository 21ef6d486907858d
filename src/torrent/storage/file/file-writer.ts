/**
 * How bytes get into an open file, for a thread that may block.
 */
import { constants, writeSync } from 'node:fs'

/** Writes into descriptors that someone else opens and closes. */
export interface FileWriter {
  /** The access mode, of `open(2)`, that a descriptor must have. */
  readonly access: number
  /**
   * Writes all of `bytes` at `position`; the file is that long already.
   *
   * @throws an error with the errno as its code; a part may have been written
   */
  write(fd: number, bytes: Uint8Array, position: number): void
  /** The descriptor will be closed. */
  closing(fd: number): void
}

/**
 * Bytes written by one system call.
 *
 * Linux keeps what one call writes in pages as large as the call, and takes large pages from memory that nothing has used for long.
 * A virtual machine has given that back to its host, and gets it again at five to ten times the price of the copy; pages of this size
 * come from what was freed a moment ago. Where all memory is the machine's own, the calls cost some 0.05 s a GiB.
 */
const CALL_LENGTH = 64 * 1024

/** By system calls. */
export const CALL_WRITER: FileWriter = {
  access: constants.O_WRONLY,
  write(fd, bytes, position) {
    for (let done = 0; done < bytes.length;) {
      const length = Math.min(CALL_LENGTH, bytes.length - done)
      const count = writeSync(fd, bytes, done, length, position + done)
      // A full disk first writes less than asked; the next attempt then fails with ENOSPC.
      if (count === 0) throw new Error('nothing was written')
      done += count
    }
  },
  closing: () => {},
}
