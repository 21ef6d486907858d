/**
 * A file mapped to memory, and copies in and out of it that cannot end the process.
 *
 * Whoever touches a mapped page that the file no longer has, or that the disk cannot read or has no room for, gets a SIGBUS; the
 * file may be cut by anyone at any moment, so no check beforehand helps. So we never touch one: the kernel copies for us
 * (process_vm_readv and process_vm_writev on our own process), and where it meets such a page, it says EFAULT. The mapping is
 * always the local side of the copy, which the kernel accesses as the process itself would, so that files hear of
 * writes to their pages; the remote side is pinned, and file systems do not take that well.
 *
 * Owns the mapping. Must not know files' names or torrents.
 */
import { constants } from 'node:os'
import { messageOf, TorrentError } from '../../errors.js'
import { loadLibc, type Libc } from '../../../native/libc.js'

const PROT_READ = 1
const PROT_WRITE = 2
const MAP_SHARED = 1
/** Of `struct iovec`, on machines of 64 bits. */
const VECTOR = 16

type Call = ((...args: unknown[]) => unknown) & { async: (...args: unknown[]) => void }

interface MemoryCalls {
  readonly libc: Libc
  readonly mmap: Call
  readonly munmap: Call
  readonly fallocate: Call
  /** Copies from its remote side to its local one. */
  readonly copyIn: Call
  /** Copies from its local side to its remote one. */
  readonly copyOut: Call
}

let loaded: MemoryCalls | undefined

/**
 * Loads what mappings need, and tries it.
 *
 * @throws ERR_TORRENTFS_STORAGE where files cannot be mapped safely: another system than Linux, or a sandbox that forbids it
 */
export function loadMemoryCalls(): void {
  if (loaded !== undefined) return
  try {
    if (process.platform !== 'linux') throw new Error(`not on ${process.platform}`)
    if (process.arch === 'arm' || process.arch === 'ia32') throw new Error(`not on ${process.arch}`)
    const libc = loadLibc()
    const copy = 'int64_t %(int, void *, unsigned long, void *, unsigned long, unsigned long)'
    const calls: MemoryCalls = {
      libc,
      mmap: libc.func('int64_t mmap(int64_t, size_t, int, int, int, int64_t)') as Call,
      munmap: libc.func('int munmap(int64_t, size_t)') as Call,
      fallocate: libc.func('int fallocate(int, int, int64_t, int64_t)') as Call,
      copyIn: libc.func(copy.replace('%', 'process_vm_readv')) as Call,
      copyOut: libc.func(copy.replace('%', 'process_vm_writev')) as Call,
    }
    const [from, to] = [Uint8Array.of(1), new Uint8Array(1)]
    const count = calls.copyOut(process.pid, ...sides(calls, libc.address(from), to, 1), 0)
    if (count !== 1 || to[0] !== 1) throw new Error(`copying failed with errno ${libc.errno()}`)
    loaded = calls
  } catch (thrown) {
    throw new TorrentError(
      'ERR_TORRENTFS_STORAGE',
      `files cannot be mapped to memory here: ${messageOf(thrown)}`,
      {
        cause: thrown,
      },
    )
  }
}

function calls(): MemoryCalls {
  loadMemoryCalls()
  return loaded!
}

/** Both sides of a copy, as the call takes them: the mapped one is local. */
function sides(
  { libc }: MemoryCalls,
  mapped: bigint,
  buffer: Uint8Array,
  length: number,
): [Buffer, number, Buffer, number] {
  const [local, remote] = [Buffer.allocUnsafe(VECTOR), Buffer.allocUnsafe(VECTOR)]
  local.writeBigUInt64LE(mapped, 0)
  local.writeBigUInt64LE(BigInt(length), 8)
  remote.writeBigUInt64LE(libc.address(buffer), 0)
  remote.writeBigUInt64LE(BigInt(length), 8)
  return [local, 1, remote, 1]
}

/**
 * Has the file system set room aside for [position, position + length) of a file.
 *
 * @returns 0, or the errno; 0 also where the file system cannot do that
 */
export function reserve(fd: number, position: number, length: number): number {
  const { fallocate, libc } = calls()
  for (;;) {
    if (fallocate(fd, 0, position, length) === 0) return 0
    const errno = libc.errno()
    const { EINTR, EOPNOTSUPP, ENOSYS } = constants.errno
    if (errno === EOPNOTSUPP || errno === ENOSYS) return 0
    if (errno !== EINTR) return errno
  }
}

/** The first bytes of a file, for as long as {@link unmap} was not called. */
export class Mapping {
  /** Bytes. */
  readonly length: number
  readonly #calls: MemoryCalls
  readonly #address: bigint
  #unmapped = false

  /**
   * Maps a file; the descriptor may be closed then.
   *
   * @param length above 0
   * @throws an error with the errno as its number, and ERR_TORRENTFS_STORAGE as {@link loadMemoryCalls}
   */
  constructor(fd: number, length: number, access: 'read' | 'write') {
    this.#calls = calls()
    const protection = access === 'read' ? PROT_READ : PROT_READ | PROT_WRITE
    const address = BigInt(this.#calls.mmap(0, length, protection, MAP_SHARED, fd, 0) as number | bigint)
    if (address === -1n) throw new Error(`cannot map ${length} bytes: errno ${this.#calls.libc.errno()}`)
    this.#address = address
    this.length = length
  }

  /** Copies from `position` on into `target`. @returns the bytes copied: fewer where a page cannot be had */
  read(target: Uint8Array, position: number): number {
    return this.#copy(this.#calls.copyOut, target, position)
  }

  /** Like {@link read}, in another thread: for pages that may have to be read from the disk. */
  readLater(target: Uint8Array, position: number): Promise<number> {
    const length = this.#within(target, position)
    if (length <= 0) return Promise.resolve(0)
    const args = sides(this.#calls, this.#address + BigInt(position), target, length)
    return new Promise((resolve, reject) => {
      this.#calls.copyOut.async(process.pid, ...args, 0, (error: Error | null, count: number) => {
        if (error !== null) reject(error)
        // What the addresses are of must live until now.
        else resolve(args.length === 4 && target.length > 0 && count > 0 ? count : 0)
      })
    })
  }

  /** Copies `source` to `position`. @returns the bytes copied: fewer where a page cannot be had */
  write(source: Uint8Array, position: number): number {
    return this.#copy(this.#calls.copyIn, source, position)
  }

  unmap(): void {
    if (this.#unmapped) return
    this.#unmapped = true
    this.#calls.munmap(this.#address, this.length)
  }

  #copy(call: Call, buffer: Uint8Array, position: number): number {
    const length = this.#within(buffer, position)
    if (length <= 0) return 0
    const args = sides(this.#calls, this.#address + BigInt(position), buffer, length)
    return Math.max(0, call(process.pid, ...args, 0) as number)
  }

  /** Bytes of the buffer that have a place in the mapping. */
  #within(buffer: Uint8Array, position: number): number {
    if (this.#unmapped || !(position >= 0)) return 0
    return Math.min(buffer.length, this.length - position)
  }
}
