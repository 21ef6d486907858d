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

/** By system calls. */
export const CALL_WRITER: FileWriter = {
  access: constants.O_WRONLY,
  write(fd, bytes, position) {
    for (let done = 0; done < bytes.length;) {
      const count = writeSync(fd, bytes, done, bytes.length - done, position + done)
      // A full disk first writes less than asked; the next attempt then fails with ENOSPC.
      if (count === 0) throw new Error('nothing was written')
      done += count
    }
  },
  closing: () => {},
}
