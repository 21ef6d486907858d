/**
 * What a reader that waits for us is about, told from /proc: buffered reads reach us as readahead, of which the kernel
 * never says that no one wants it any more, and a signal with a handler does not reach a reader that waits for a page.
 */
import { closeSync, openSync, readSync } from 'node:fs'

export type Fate =
  /** It waits, or is unknown to us. */
  | 'waiting'
  /** It is dead or dying: it takes no answer. */
  | 'gone'
  /** A signal it has a handler for is pending while it is in a system call: the call should return. */
  | 'interrupted'
  /** Such a signal is pending while it touches a mapping: an error would kill it. */
  | 'faulting'

const SIGKILL_BIT = 1n << 8n
/** Signals that end a process with a core dump: QUIT, ILL, TRAP, ABRT, BUS, FPE, SEGV, XCPU, XFSZ, SYS. Others that end one become a SIGKILL. */
const CORE_BITS = [3, 4, 5, 6, 7, 8, 11, 24, 25, 31].reduce(
  (bits, signal) => bits | (1n << BigInt(signal - 1)),
  0n,
)
const buffer = Buffer.allocUnsafe(4096)

/** The fate of a thread, by its number in our pid namespace; 0 is unknown. Three to six system calls. */
export function fateOf(pid: number): Fate {
  if (pid === 0) return 'waiting'
  const status = readSmall(`/proc/${pid}/status`)
  if (status === 'ENOENT' || status === 'ESRCH') return 'gone'
  const fate = fateIn(status)
  if (fate !== 'interrupted') return fate
  // `-1` instead of the number of a system call: it was stopped at an instruction.
  return readSmall(`/proc/${pid}/syscall`).startsWith('-1') ? 'faulting' : 'interrupted'
}

/** The fate a /proc/PID/status tells; `interrupted` may be `faulting`. PURE. */
export function fateIn(status: string): Fate {
  const state = /^State:\s*(\w)/m.exec(status)?.[1]
  if (state === 'Z' || state === 'X') return 'gone'
  const mask = (name: string): bigint => {
    const digits = new RegExp(`^${name}:\\s*([0-9a-f]+)`, 'm').exec(status)?.[1]
    return digits === undefined ? 0n : BigInt(`0x${digits}`)
  }
  const pending = mask('SigPnd') | mask('ShdPnd')
  if (pending === 0n) return 'waiting'
  if ((pending & SIGKILL_BIT) !== 0n) return 'gone'
  const caught = mask('SigCgt')
  const open = pending & ~mask('SigBlk')
  if ((open & CORE_BITS & ~caught & ~mask('SigIgn')) !== 0n) return 'gone'
  return (open & caught) === 0n ? 'waiting' : 'interrupted'
}

/** The start of a small file of /proc; the error's code when it cannot be read. */
function readSmall(path: string): string {
  let fd: number | undefined
  try {
    fd = openSync(path, 'r')
    return buffer.toString('latin1', 0, readSync(fd, buffer, 0, buffer.length, 0))
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? ''
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}
