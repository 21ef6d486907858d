/**
 * The session's thread: waits for the kernel and for the engine's side at once, and never returns to the event loop.
 *
 * Owns nothing but the loop: the device and the eventfd are the engine's side's, so that it can end us.
 */
import { closeSync, openSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import { type MessagePort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { messageOf } from '../../../torrent/index.js'
import { decodeRequest } from './protocol/decode.js'
import { fateOf } from './reader-fate.js'
import { ReplyBuffer } from './reply-buffer.js'
import { SessionCore } from './session-core.js'
import type { SessionOrder, SessionReport, SessionStart } from './session-protocol.js'
import { StoredFiles } from './stored-files.js'
import { loadSyscalls, PollSet, type Syscalls } from './syscalls.js'
import { WakeFlag } from './wake-flag.js'

const { EAGAIN, EINTR, ENODEV, ENOENT } = constants.errno
const POLLIN = 1
const POLLPRI = 2
const POLLERR = 8

/** More than any request needs: nothing is ever written to us. The kernel insists on 8 KiB. */
const REQUEST_BYTES = 128 * 1024
/** Requests answered before the engine's side is listened to again. */
const MOST_AT_ONCE = 64
/** How often (ms) readers are looked at, attributes are refreshed, notes told. */
const READERS_MS = 50
const REFRESH_MS = 400
/** How often (ms) the files the kernel serves by itself are looked at. */
const GIVEN_MS = 1000
/** ms of the thread's time that looking at readers may take in each turn, and how often (ms) each is looked at at most. */
const READERS_BUDGET_MS = 1
const READER_MS = 150
const NICE = -10
/** The longest sleep: a process that ends without a word must not wait for this thread longer. */
const SLEEP_MS = 2000

class SessionThread {
  readonly #start: SessionStart
  readonly #port: MessagePort
  readonly #syscalls: Syscalls
  readonly #core: SessionCore
  readonly #files: StoredFiles
  readonly #flag: WakeFlag
  readonly #poll: PollSet
  readonly #mounts: number
  readonly #request = Buffer.alloc(REQUEST_BYTES)
  #reports: SessionReport[] = []
  #readersAt = 0
  #roundAt = 0
  #refreshAt = 0
  #givenAt = 0
  #readersSeen = new Set<number>()
  #ended: string | undefined

  constructor(start: SessionStart, port: MessagePort) {
    this.#start = start
    this.#port = port
    const syscalls = loadSyscalls()
    this.#syscalls = syscalls
    const files = new StoredFiles(syscalls, start.device)
    this.#files = files
    this.#flag = new WakeFlag(start.control)
    this.#core = new SessionCore({
      buffer: new ReplyBuffer(syscalls.alignedBuffer(ReplyBuffer.SIZE)),
      uid: start.uid,
      gid: start.gid,
      passthrough: start.passthrough,
      port: {
        transmit: message => this.#transmit(message),
        report: report => void this.#reports.push(report),
        readFile: (opened, target, length, position) => files.read(opened, target, length, position),
        openBacking: opened => files.openBacking(opened),
        close: opened => files.close(opened),
        fateOf,
        nowMs: () => Date.now(),
      },
    })
    goFirst(syscalls.threadId())
    this.#mounts = openSync('/proc/self/mountinfo', 'r')
    this.#poll = new PollSet([
      { fd: start.device, events: POLLIN },
      { fd: start.wake, events: POLLIN },
      { fd: this.#mounts, events: POLLPRI },
    ])
  }

  run(): string {
    while (this.#ended === undefined) {
      this.#listen()
      this.#core.reads.piecesChanged()
      this.#care()
      this.#tell()
      if (this.#ended === undefined) this.#sleep()
    }
    return this.#ended
  }

  close(): void {
    this.#files.closeAll()
    closeSync(this.#mounts)
  }

  #sleep(): void {
    if (this.#flag.fallAsleep()) {
      this.#syscalls.poll(this.#poll, this.#sleepMs())
      this.#flag.wakeUp()
    } else this.#syscalls.poll(this.#poll, 0)
    if (this.#poll.ready(1) !== 0) this.#syscalls.read(this.#start.wake, this.#request, 8)
    if ((this.#poll.ready(2) & (POLLPRI | POLLERR)) !== 0) this.#reports.push({ type: 'mountsChanged' })
    if (this.#poll.ready(0) !== 0) this.#serve()
  }

  #sleepMs(): number {
    if (this.#core.reads.blocked > 0) return READERS_MS
    if (this.#core.reads.untold || this.#core.tree.torrentsTold.size > 0) return REFRESH_MS
    return this.#core.opens.given ? GIVEN_MS : SLEEP_MS
  }

  /** Answers what the kernel asks, as long as it asks. */
  #serve(): void {
    for (let count = 0; count < MOST_AT_ONCE && this.#ended === undefined; count++) {
      const length = this.#syscalls.read(this.#start.device, this.#request, REQUEST_BYTES)
      if (length === -EAGAIN) return
      // ENOENT: the request was taken back.
      if (length === -EINTR || length === -ENOENT) continue
      if (length <= 0) {
        this.#ended = length === -ENODEV ? 'unmounted' : `reading the device failed: errno ${-length}`
        return
      }
      this.#listen()
      const request = decodeRequest(this.#request.subarray(0, length))
      if (request) this.#core.handle(request)
      if (this.#reports.length > 0) this.#tell()
    }
  }

  /** Does what the engine's side has said. */
  #listen(): void {
    if (!this.#flag.takeNews()) return
    for (;;) {
      const received = receiveMessageOnPort(this.#port) as { message: readonly SessionOrder[] } | undefined
      if (!received) return
      for (const order of received.message) {
        if (order.type === 'stop') this.#ended = 'stopped'
        this.#core.obey(order)
      }
    }
  }

  #care(): void {
    const { reads } = this.#core
    const now = performance.now()
    if (now - this.#refreshAt >= REFRESH_MS) {
      this.#refreshAt = now
      this.#core.forgetOutdated()
      reads.tellNotes()
    }
    if (now - this.#givenAt >= GIVEN_MS) {
      this.#givenAt = now
      this.#core.opens.checkGiven()
    }
    if (reads.blocked === 0 || now - this.#readersAt < READERS_MS) return
    this.#readersAt = now
    this.#lookAtReaders(now)
  }

  /** Some of the readers at a time: each once before any a second time. */
  #lookAtReaders(now: number): void {
    const { reads } = this.#core
    const readers = reads.readers()
    for (const pid of readers) {
      if (this.#readersSeen.has(pid)) continue
      this.#readersSeen.add(pid)
      reads.endAbandoned(new Set([pid]))
      if (performance.now() - now > READERS_BUDGET_MS) return
    }
    if (now - this.#roundAt < READER_MS) return
    this.#roundAt = now
    this.#readersSeen.clear()
  }

  #tell(): void {
    if (this.#reports.length === 0) return
    this.#port.postMessage(this.#reports)
    this.#reports = []
  }

  #transmit(message: Uint8Array): void {
    const written = this.#syscalls.write(this.#start.device, message, message.length)
    // ENOENT: the kernel does not wait for it any more, or has never heard of the node.
    if (written < 0 && written !== -ENOENT && written !== -ENODEV) {
      const text = `the kernel refused ${message.length} bytes: errno ${-written}`
      this.#reports.push({ type: 'log', level: 'warn', text })
    }
  }
}

/** Someone waits for each of its answers, and it needs little: it goes before the threads that hash and write. Root's alone. */
function goFirst(thread: number): void {
  try {
    setPriority(thread, NICE)
  } catch {
    // Then it takes its turn.
  }
}

const { start, port } = workerData as { start: SessionStart; port: MessagePort }
let reason: string
try {
  const thread = new SessionThread(start, port)
  reason = thread.run()
  thread.close()
} catch (error) {
  reason = `the session failed: ${messageOf(error)}`
  port.postMessage([{ type: 'log', level: 'error', text: reason }] satisfies SessionReport[])
}
port.postMessage([{ type: 'ended', reason }] satisfies SessionReport[])
port.close()
