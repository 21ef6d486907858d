/**
 * Frees parts of files: what is freed reads as zeros from then on and takes no room.
 *
 * Owns nothing. Loads the way to the C library when it is first needed.
 */
import { constants } from 'node:os'
import { loadLibc } from '../../../native/libc.js'

/** `FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE` */
const PUNCH_HOLE = 3

let calls: { fallocate: (fd: number, mode: number, position: number, length: number) => number } | undefined

/**
 * Frees [position, position + length) of an open file, as far as it covers whole blocks of the filesystem.
 *
 * @returns 0, or the errno: EOPNOTSUPP where the filesystem cannot do that
 * @throws when system calls cannot be made on this machine
 */
export function punchHole(fd: number, position: number, length: number): number {
  const libc = loadLibc()
  calls ??= { fallocate: libc.func('int fallocate(int, int, int64_t, int64_t)') }
  for (;;) {
    if (calls.fallocate(fd, PUNCH_HOLE, position, length) === 0) return 0
    const errno = libc.errno()
    if (errno !== constants.errno.EINTR) return errno
  }
}
