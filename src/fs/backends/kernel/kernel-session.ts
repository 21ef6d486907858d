/**
 * The session seen from the engine's thread: its worker, what it is told, and what it asks.
 *
 * Owns the worker, the eventfd and, once it was given it, the connection to the kernel: closing that is what ends readers
 * when all else has failed.
 */
import { write } from 'node:fs'
import { constants } from 'node:os'
import { MessageChannel, receiveMessageOnPort, Worker, type MessagePort } from 'node:worker_threads'
import { type Logger, messageOf, TorrentError } from '../../../torrent/index.js'
import type { TorrentFs } from '../../torrent-fs.js'
import { EngineReads } from './engine-reads.js'
import { writeInvalidateEntry } from './protocol/notifications.js'
import type { SessionOrder, SessionReport, SessionStart } from './session-protocol.js'
import type { Syscalls } from './syscalls.js'
import { TreeMirror } from './tree-mirror.js'
import { WakeFlag } from './wake-flag.js'

const { EIO } = constants.errno
const NEWS = Buffer.from(BigUint64Array.of(1n).buffer)
/** Of a notification about one name: header, argument, name. */
const NOTIFICATION_BYTES = 512
/** How long (ms) a thread that was told to stop may take. */
const STOP_MS = 1000

export interface KernelSessionOptions {
  readonly fs: TorrentFs
  /** The connection to the kernel, non-blocking; the session's to close from now on. */
  readonly device: number
  readonly syscalls: Syscalls
  readonly passthrough: boolean
  readonly uid: number
  readonly gid: number
  readonly logger: Logger
  /** The kernel's list of mounts has changed. */
  readonly mountsChanged: () => void
}

export class KernelSession {
  /** Resolves when the kernel has agreed. @throws ERR_TORRENTFS_MOUNT */
  readonly ready: Promise<{ minor: number; passthrough: boolean }>
  /** Resolves when the thread is gone: undefined after {@link stop} or an unmount, else why. Never rejects. */
  readonly ended: Promise<TorrentError | undefined>
  readonly #o: KernelSessionOptions
  readonly #worker: Worker
  readonly #port: MessagePort
  readonly #wakeFd: number
  readonly #flag: WakeFlag
  readonly #mirror: TreeMirror
  readonly #reads: EngineReads
  #orders: SessionOrder[] = []
  #isReady!: (agreed: { minor: number; passthrough: boolean }) => void
  #isRefused!: (error: TorrentError) => void
  #hasEnded!: (error: TorrentError | undefined) => void
  #over = false
  /** What was in the tree before the session has been told. */
  #mirrored = false
  /** The thread uses the descriptors no more. */
  #threadGone = false

  constructor(options: KernelSessionOptions) {
    this.#o = options
    this.ready = new Promise((resolve, reject) => {
      this.#isReady = resolve
      this.#isRefused = reject
    })
    this.ready.catch(() => {})
    this.ended = new Promise(resolve => (this.#hasEnded = resolve))
    const control = WakeFlag.memory()
    this.#flag = new WakeFlag(control)
    this.#wakeFd = options.syscalls.eventfd()
    const { port1, port2 } = new MessageChannel()
    this.#port = port1
    port1.on('message', (reports: readonly SessionReport[]) => {
      for (const report of reports) this.#hear(report)
    })
    const { device, uid, gid, passthrough } = options
    const start: SessionStart = { device, wake: this.#wakeFd, control, uid, gid, passthrough }
    this.#worker = this.#launch(start, port2)
    const send = (order: SessionOrder): void => this.#send(order)
    const wake = (): void => this.#wake()
    const { fs } = options
    this.#mirror = new TreeMirror({ fs, send, wake })
    this.#mirrored = true
    const transmit = (reply: Uint8Array): void => this.#transmit(reply)
    this.#reads = new EngineReads({ fs, mirror: this.#mirror, send, wake, transmit })
    process.once('exit', this.#atExit)
  }

  /** Ends every read, now and later, with an error. The tree goes on being shown. */
  endReads(): void {
    this.#send({ type: 'end', errno: EIO })
  }

  /** Ends the thread and the connection: whoever still has something of the mount open gets errors. Idempotent. */
  async stop(): Promise<void> {
    this.#send({ type: 'stop' })
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>(resolve => (timer = setTimeout(resolve, STOP_MS)))
    await Promise.race([this.ended, late])
    clearTimeout(timer)
    this.#finish(undefined)
  }

  /** Without this the process would wait for a thread that waits for the kernel. */
  readonly #atExit = (): void => {
    this.#orders.push({ type: 'stop' })
    this.#flush()
  }

  #launch(start: SessionStart, port: MessagePort): Worker {
    const worker = new Worker(new URL('./session-worker.js', import.meta.url), {
      name: 'torrentfs-session',
      workerData: { start, port },
      transferList: [port],
      // Flags of the program, such as a debugger's or a test runner's, are not meant for this thread.
      execArgv: [],
    })
    worker.on('error', (error: unknown) => this.#fail(messageOf(error)))
    worker.on('exit', code => {
      this.#hearTheRest()
      this.#fail(`exit code ${code}`)
    })
    return worker
  }

  /** When this thread was busy, the end of the other is told before what it said last: why it ended. */
  #hearTheRest(): void {
    for (;;) {
      const received = receiveMessageOnPort(this.#port) as { message: readonly SessionReport[] } | undefined
      if (!received) return
      for (const report of received.message) this.#hear(report)
    }
  }

  #hear(report: SessionReport): void {
    switch (report.type) {
      case 'ready':
        return this.#isReady(report)
      case 'refused':
        return this.#isRefused(new TorrentError('ERR_TORRENTFS_MOUNT', report.reason))
      case 'need':
        return void this.#reads.need(report)
      case 'fetch':
        return void this.#reads.fetch(report)
      case 'drop':
        return this.#reads.drop(report.unique)
      case 'note':
        return this.#reads.note(report)
      case 'flush':
        return this.#reads.flush(report.handle)
      case 'release':
        return this.#reads.release(report.handle)
      case 'place':
      case 'check':
        return this.#place(report)
      case 'forget':
        return this.#forget(report.parent, report.names)
      case 'mountsChanged':
        return this.#o.mountsChanged()
      case 'log':
        return this.#o.logger[report.level]({ part: 'session' }, report.text)
      case 'ended': {
        this.#threadGone = true
        const expected = report.reason === 'stopped' || report.reason === 'unmounted'
        return this.#finish(expected ? undefined : report.reason)
      }
    }
  }

  #place({ type: asked, torrent, file }: SessionReport & { type: 'place' | 'check' }): void {
    const stored = this.#mirror.get(torrent)?.stored
    const stamp = asked === 'check' ? stored?.check(file) : undefined
    this.#send({ type: 'placed', asked, torrent, file, path: stored?.path(file), stamp })
  }

  /** In the thread pool: the kernel holds the folder while it waits for the session to answer about it. */
  #forget(parent: number, names: readonly string[]): void {
    for (const name of names) {
      const message = Buffer.alloc(NOTIFICATION_BYTES)
      const end = writeInvalidateEntry(message, 0, parent, Buffer.from(name))
      if (!this.#over) write(this.#o.device, message, 0, end, null, () => {})
    }
  }

  #transmit(reply: Uint8Array): void {
    if (!this.#over) this.#o.syscalls.write(this.#o.device, reply, reply.length)
  }

  /** What one turn has to say goes at once; what changes the tree goes now: whoever looks after that must see it. */
  #send(order: SessionOrder): void {
    if (this.#over) return
    if (this.#orders.length === 0) queueMicrotask(() => this.#flush())
    this.#orders.push(order)
    if (this.#mirrored && (order.type === 'show' || order.type === 'hide' || order.type === 'rename'))
      this.#flush()
  }

  #flush(): void {
    if (this.#over || this.#orders.length === 0) return
    this.#port.postMessage(this.#orders)
    this.#orders = []
    this.#wake()
  }

  #wake(): void {
    if (this.#over || !this.#flag.announce()) return
    this.#o.syscalls.write(this.#wakeFd, NEWS, NEWS.length)
  }

  #fail(reason: string): void {
    this.#threadGone = true
    this.#finish(`the session's thread ended: ${reason}`)
  }

  #finish(failure: string | undefined): void {
    if (this.#over) return
    this.#over = true
    process.off('exit', this.#atExit)
    const error = failure === undefined ? undefined : new TorrentError('ERR_TORRENTFS_MOUNT', failure)
    if (error) this.#o.logger.error({ part: 'session' }, error.message)
    this.#mirror.close()
    this.#reads.close()
    this.#port.close()
    // Not before the thread is gone: the numbers may be given to other files.
    if (this.#threadGone) this.#closeDescriptors()
    else void this.#worker.terminate().finally(() => this.#closeDescriptors())
    this.#isRefused(error ?? new TorrentError('ERR_TORRENTFS_MOUNT', 'it was unmounted at once'))
    this.#hasEnded(error)
  }

  /** The last descriptor of the connection: the kernel gives errors to all who wait. */
  #closeDescriptors(): void {
    this.#o.syscalls.close(this.#o.device)
    this.#o.syscalls.close(this.#wakeFd)
  }
}
