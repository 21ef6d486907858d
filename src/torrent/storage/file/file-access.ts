/**
 * How a storage of real files gets at their bytes: what tells one kind of it from another.
 */
import { CALL_WRITER, type FileWriter } from './file-writer.js'
import { ReadFiles, type FileReads } from './read-files.js'

/** Ways in and out of files. */
export interface FileAccess {
  /** @param max files kept open; what is usual when undefined */
  reads(max: number | undefined): FileReads
  /** For the calling thread. */
  writer(): FileWriter
  /** See `DirectWrites.mapped`. */
  readonly mapped: boolean
}

/** By system calls on descriptors. */
export const BY_CALLS: FileAccess = {
  reads: max => new ReadFiles(max ?? 512),
  writer: () => CALL_WRITER,
  mapped: false,
}
