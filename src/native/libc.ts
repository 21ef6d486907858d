/**
 * The C library of the process, to declare functions of: system calls that Node lacks. The only importer of koffi.
 *
 * Owns nothing and knows nothing of torrents or mounts. Loads koffi when it is first asked for, never on import. Who declares a
 * function answers for it: no length passes the end of its buffer, and what an address is of stays referenced meanwhile.
 */
import { createRequire } from 'node:module'
import type * as Koffi from 'koffi'

/** A way to the C library. */
export interface Libc {
  /** Declares a function by its C prototype. */
  readonly func: (prototype: string) => ReturnType<Koffi.LibraryHandle['func']>
  /** The errno of the last call on this thread; of one that failed, when asked at once. Of no use for `async` calls. */
  readonly errno: () => number
  /** Where the bytes lie: for as long as the buffer is referenced. */
  readonly address: (buffer: Uint8Array) => bigint
}

let loaded: Libc | undefined

/** @throws whatever koffi says when it is missing or does not run here */
export function loadLibc(): Libc {
  if (loaded !== undefined) return loaded
  const koffi = createRequire(import.meta.url)('koffi') as typeof Koffi
  const libc = koffi.load(null)
  return (loaded = {
    func: prototype => libc.func(prototype),
    errno: koffi.errno.bind(koffi),
    address: buffer => BigInt(koffi.address(buffer)),
  })
}
