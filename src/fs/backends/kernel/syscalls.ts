/**
 * The system calls Node lacks, or has at a price: each costs a few hundred nanoseconds here and never throws.
 *
 * All return a non-negative number or a negative errno. All block: only the session's thread may wait in them.
 *
 * The kernel is given addresses: no length passes the end of its buffer, and what an address is of is held here meanwhile.
 */
import { constants } from 'node:os'
import { getSystemErrorName } from 'node:util'
import { loadLibc, type Libc } from '../../../native/libc.js'
import { messageOf, TorrentError } from '../../../torrent/index.js'

const PAGE = 4096
const RWF_NOWAIT = 8
const O_NONBLOCK = 0o4000
const F_GETFL = 3
const F_SETFL = 4
const EFD_FLAGS = 0o2004000
const MNT_DETACH = 2
const UMOUNT_NOFOLLOW = 8
const AF_UNIX = 1
const SOCK_STREAM_CLOEXEC = 0o2000001
const SOL_SOCKET = 1
const SCM_RIGHTS = 1
const MSG_DONTWAIT = 0x40
const MSG_CMSG_CLOEXEC = 0x40000000
const BACKING_OPEN = 0x4010e501
const BACKING_CLOSE = 0x4004e502
/** In `struct msghdr`. */
const CONTROL_LENGTH_AT = 40
/** What is asked for is not in the buffer. */
const BAD_LENGTH = -constants.errno.EINVAL

function fits(length: number, buffer: Uint8Array): boolean {
  return length >= 0 && length <= buffer.byteLength
}

/** What to wait for: descriptors and `poll(2)` events, fixed. */
export class PollSet {
  /** `struct pollfd[]`. */
  readonly memory: Buffer
  readonly count: number

  constructor(entries: readonly { readonly fd: number; readonly events: number }[]) {
    this.count = entries.length
    this.memory = Buffer.alloc(8 * entries.length)
    entries.forEach(({ fd, events }, i) => {
      this.memory.writeInt32LE(fd, 8 * i)
      this.memory.writeInt16LE(events, 8 * i + 4)
    })
  }

  /** The events that came for the `index`th descriptor; 0 for none. */
  ready(index: number): number {
    return this.memory.readUInt16LE(8 * index + 6)
  }
}

function load() {
  const libc = loadLibc()
  const calls = {
    read: libc.func('int64_t read(int, void *, size_t)'),
    write: libc.func('int64_t write(int, const void *, size_t)'),
    pread: libc.func('int64_t pread(int, void *, size_t, int64_t)'),
    preadv2: libc.func('int64_t preadv2(int, const void *, int, int64_t, int)'),
    poll: libc.func('int poll(void *, unsigned long, int)'),
    eventfd: libc.func('int eventfd(unsigned int, int)'),
    fcntl: libc.func('int fcntl(int, int, long)'),
    ioctl: libc.func('int ioctl(int, unsigned long, void *)'),
    mount: libc.func('int mount(const char *, const char *, const char *, unsigned long, const char *)'),
    umount2: libc.func('int umount2(const char *, int)'),
    close: libc.func('int close(int)'),
    gettid: libc.func('int gettid()'),
    socketpair: libc.func('int socketpair(int, int, int, void *)'),
    recvmsg: libc.func('int64_t recvmsg(int, void *, int)'),
  }
  return { libc, calls }
}

/** What `recvmsg` is told; one object, so that nothing of it is collected while the kernel writes to its address. */
interface Mail {
  /** `struct msghdr`: no name, one vector, room for one descriptor. */
  readonly message: Buffer
  readonly control: Buffer
  readonly vector: Buffer
  readonly data: Buffer
}

function mailOf({ address }: Libc): Mail {
  const [message, control] = [Buffer.alloc(56), Buffer.alloc(24)]
  const [vector, data] = [Buffer.alloc(16), Buffer.alloc(8)]
  vector.writeBigUInt64LE(address(data), 0)
  vector.writeBigUInt64LE(BigInt(data.length), 8)
  message.writeBigUInt64LE(address(vector), 16)
  message.writeBigUInt64LE(1n, 24)
  message.writeBigUInt64LE(address(control), 32)
  return { message, control, vector, data }
}

/** The system calls, for one thread: each thread loads its own. */
export class Syscalls {
  readonly #libc: Libc
  readonly #calls: ReturnType<typeof load>['calls']
  readonly #vector = Buffer.alloc(16)
  readonly #argument = Buffer.alloc(16)
  readonly #mail: Mail
  #vectorOf: Uint8Array | undefined

  constructor({ libc, calls }: ReturnType<typeof load>) {
    this.#libc = libc
    this.#calls = calls
    this.#mail = mailOf(libc)
  }

  read(fd: number, buffer: Uint8Array, length: number): number {
    if (!fits(length, buffer)) return BAD_LENGTH
    return this.#result(this.#calls.read(fd, buffer, length) as number)
  }

  write(fd: number, buffer: Uint8Array, length: number): number {
    if (!fits(length, buffer)) return BAD_LENGTH
    return this.#result(this.#calls.write(fd, buffer, length) as number)
  }

  pread(fd: number, buffer: Uint8Array, length: number, position: number): number {
    if (!fits(length, buffer)) return BAD_LENGTH
    return this.#result(this.#calls.pread(fd, buffer, length, position) as number)
  }

  /** Reads what is in memory; -EAGAIN when the disk would have to be waited for, -EOPNOTSUPP where that cannot be told. */
  preadNoWait(fd: number, buffer: Uint8Array, length: number, position: number): number {
    if (!fits(length, buffer)) return BAD_LENGTH
    if (this.#vectorOf !== buffer) {
      this.#vector.writeBigUInt64LE(this.#libc.address(buffer), 0)
      this.#vectorOf = buffer
    }
    this.#vector.writeUInt32LE(length, 8)
    return this.#result(this.#calls.preadv2(fd, this.#vector, 1, position, RWF_NOWAIT) as number)
  }

  /** @param timeoutMs -1 waits without end */
  poll(set: PollSet, timeoutMs: number): number {
    const count = this.#result(this.#calls.poll(set.memory, set.count, timeoutMs) as number)
    if (count < 0) for (let i = 0; i < set.count; i++) set.memory.writeUInt16LE(0, 8 * i + 6)
    return count
  }

  /** Non-blocking, not inherited. */
  eventfd(): number {
    return this.#result(this.#calls.eventfd(0, EFD_FLAGS) as number)
  }

  setNonBlocking(fd: number): number {
    const flags = this.#result(this.#calls.fcntl(fd, F_GETFL, 0) as number)
    return flags < 0 ? flags : this.#result(this.#calls.fcntl(fd, F_SETFL, flags | O_NONBLOCK) as number)
  }

  /** Gives the kernel a file to serve by itself. @returns its number, above 0 */
  backingOpen(device: number, fd: number): number {
    this.#argument.fill(0)
    this.#argument.writeInt32LE(fd, 0)
    return this.#result(this.#calls.ioctl(device, BACKING_OPEN, this.#argument) as number)
  }

  backingClose(device: number, id: number): number {
    this.#argument.writeUInt32LE(id, 0)
    return this.#result(this.#calls.ioctl(device, BACKING_CLOSE, this.#argument) as number)
  }

  mount(source: string, target: string, type: string, flags: number, data: string): number {
    return this.#result(this.#calls.mount(source, target, type, flags, data) as number)
  }

  unmount(target: string, o: { lazy: boolean }): number {
    return this.#result(this.#calls.umount2(target, UMOUNT_NOFOLLOW | (o.lazy ? MNT_DETACH : 0)) as number)
  }

  close(fd: number): number {
    return this.#result(this.#calls.close(fd) as number)
  }

  /** The number of the calling thread. */
  threadId(): number {
    return this.#calls.gettid() as number
  }

  /** Two connected sockets, not inherited, to pass a descriptor through. @throws when there are no descriptors left */
  socketpair(): [number, number] {
    const pair = Buffer.alloc(8)
    const result = this.#result(this.#calls.socketpair(AF_UNIX, SOCK_STREAM_CLOEXEC, 0, pair) as number)
    if (result < 0) throw new TorrentError('ERR_TORRENTFS_MOUNT', `no socket pair: ${nameOf(result)}`)
    return [pair.readInt32LE(0), pair.readInt32LE(4)]
  }

  /** The descriptor someone has sent through a socket, not inherited; -EAGAIN when none came. Does not wait. */
  receiveDescriptor(socket: number): number {
    const { message, control } = this.#mail
    control.fill(0)
    message.writeBigUInt64LE(BigInt(control.length), CONTROL_LENGTH_AT)
    const flags = MSG_DONTWAIT | MSG_CMSG_CLOEXEC
    const received = this.#result(this.#calls.recvmsg(socket, message, flags) as number)
    if (received < 0) return received
    const rights = control.readInt32LE(8) === SOL_SOCKET && control.readInt32LE(12) === SCM_RIGHTS
    const whole = message.readBigUInt64LE(CONTROL_LENGTH_AT) >= 20n
    return rights && whole ? control.readInt32LE(16) : -constants.errno.EAGAIN
  }

  /** Memory that starts on a page boundary. */
  alignedBuffer(length: number): Uint8Array {
    const memory = new Uint8Array(length + PAGE)
    const address = this.#libc.address(memory)
    const skip = (PAGE - Number(address % BigInt(PAGE))) % PAGE
    return memory.subarray(skip, skip + length)
  }

  #result(value: number): number {
    return value < 0 ? -this.#libc.errno() : value
  }
}

/** The name of a negative errno. */
export function nameOf(result: number): string {
  try {
    return getSystemErrorName(result)
  } catch {
    return `errno ${-result}`
  }
}

let loaded: Syscalls | undefined

/** @throws ERR_TORRENTFS_MOUNT when koffi is missing or does not run here */
export function loadSyscalls(): Syscalls {
  try {
    return (loaded ??= new Syscalls(load()))
  } catch (error) {
    const reason = `the kernel backend needs koffi: ${messageOf(error)}`
    throw new TorrentError('ERR_TORRENTFS_MOUNT', reason, { cause: error })
  }
}

/** Why {@link loadSyscalls} would throw; undefined when it would not. */
export function whyNoSyscalls(): string | undefined {
  try {
    loadSyscalls()
    return undefined
  } catch (error) {
    return messageOf(error)
  }
}
