/**
 * One store worker seen from the main thread: operations out in batches, replies back.
 *
 * Owns the worker: it is started with the first operation, started anew after a crash, and keeps the process alive only while
 * something is under way. Must not know storages or outcomes.
 */
import { Worker } from 'node:worker_threads'
import { messageOf } from '../errors.js'
import type { Logger } from '../logger.js'
import type { Slab } from './slab.js'
import type { StoreOperation, StoreReply, StoreRequest, TorrentIntroduction } from './store-protocol.js'

type Mutable<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer E)[] ? E[] : T[K] }

/** What a torrent is to a thread. */
export interface ThreadTorrent {
  readonly id: number
  /** Called when the worker must hear of the torrent. */
  introduce(): TorrentIntroduction
}

function emptyRequest(): Mutable<StoreRequest> {
  return { slabs: [], torrents: [], operations: [], forget: [], drop: [] }
}

/** A worker thread and what it was told. */
export class StoreThread {
  readonly #logger: Logger
  #worker: Worker | undefined
  #request = emptyRequest()
  #scheduled = false
  #nextId = 1
  /** Resolvers of the operations under way. */
  readonly #pending = new Map<number, (reply: StoreReply) => void>()
  readonly #knownSlabs = new Set<number>()
  readonly #knownTorrents = new Set<number>()
  /** Messages sent and received, for measurements. */
  readonly messages = { sent: 0, received: 0 }

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** Number of operations under way. */
  get pending(): number {
    return this.#pending.size
  }

  /** Starts the worker, unless it runs: an operation is expected. Never throws. */
  warm(): void {
    try {
      this.#worker ??= this.#start()
    } catch {
      // The operation will tell.
    }
  }

  /** Has the worker perform an operation; operations are performed in the order of the calls. Never rejects. */
  perform(
    torrent: ThreadTorrent,
    slab: Slab | undefined,
    operation: Omit<StoreOperation, 'id' | 'torrent' | 'slab'>,
  ): Promise<StoreReply> {
    const id = this.#nextId++
    return new Promise(resolve => {
      try {
        const worker = (this.#worker ??= this.#start())
        if (!this.#knownTorrents.has(torrent.id)) {
          this.#request.torrents.push(torrent.introduce())
          this.#knownTorrents.add(torrent.id)
        }
        if (slab !== undefined && !this.#knownSlabs.has(slab.id)) {
          this.#request.slabs.push({ id: slab.id, memory: slab.bytes.buffer as SharedArrayBuffer })
          this.#knownSlabs.add(slab.id)
        }
        if (this.#pending.size === 0) worker.ref()
        this.#pending.set(id, resolve)
        this.#request.operations.push({ ...operation, id, torrent: torrent.id, slab: slab?.id ?? 0 })
        this.#schedule()
      } catch (thrown) {
        this.#pending.delete(id)
        resolve(failure(id, `the store worker cannot start: ${messageOf(thrown)}`))
      }
    })
  }

  /** Has the worker forget a torrent. Nothing of it may be under way. */
  forget(id: number): void {
    if (!this.#knownTorrents.delete(id)) return
    this.#request.forget.push(id)
    this.#schedule()
  }

  /** Has the worker forget a slab. Nothing of it may be under way. */
  drop(id: number): void {
    if (!this.#knownSlabs.delete(id)) return
    this.#request.drop.push(id)
    this.#schedule()
  }

  /** Ends the worker; what is still under way fails. */
  async close(): Promise<void> {
    const worker = this.#worker
    this.#forgetWorker('the store was closed')
    await worker?.terminate()
  }

  #start(): Worker {
    const worker = new Worker(new URL('./store-worker.js', import.meta.url), {
      name: 'torrentfs-store',
      // Flags of the program, such as a debugger's or a test runner's, are not meant for this thread.
      execArgv: [],
    })
    worker.unref()
    worker.on('message', (replies: readonly StoreReply[]) => this.#receive(worker, replies))
    worker.on('error', (error: unknown) => this.#crashed(worker, messageOf(error)))
    worker.on('exit', (code: number) => this.#crashed(worker, `exit code ${code}`))
    return worker
  }

  #receive(worker: Worker, replies: readonly StoreReply[]): void {
    if (worker !== this.#worker) return
    this.messages.received++
    for (const reply of replies) {
      const resolve = this.#pending.get(reply.id)
      this.#pending.delete(reply.id)
      resolve?.(reply)
    }
    if (this.#pending.size === 0) worker.unref()
  }

  #crashed(worker: Worker, reason: string): void {
    if (worker !== this.#worker) return
    this.#logger.error({ reason, operations: this.#pending.size }, 'store worker ended unexpectedly')
    this.#forgetWorker(`the store worker ended: ${reason}`)
  }

  #forgetWorker(reason: string): void {
    this.#worker = undefined
    this.#request = emptyRequest()
    this.#knownSlabs.clear()
    this.#knownTorrents.clear()
    const pending = [...this.#pending]
    this.#pending.clear()
    for (const [id, resolve] of pending) resolve(failure(id, reason))
  }

  /** A microtask gathers what one turn asks for, without making any of it wait for the next. */
  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      const request = this.#request
      this.#request = emptyRequest()
      if (this.#worker === undefined) return
      this.#worker.postMessage(request)
      this.messages.sent++
    })
  }
}

function failure(id: number, message: string): StoreReply {
  return { id, kind: 'failed', error: { code: 'ERR_TORRENTFS_STORAGE', message } }
}
