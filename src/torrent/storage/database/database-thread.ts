/**
 * The thread that has a database, seen from the main one. It is a thread because databases block: a piece of 1 MiB takes a
 * millisecond, and the sync that comes now and then up to a quarter of a second.
 *
 * Owns the worker: started when it is first needed, anew after a crash, keeping the process alive only while it has work.
 */
import { existsSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { messageOf, TorrentError } from '../../errors.js'
import type { DatabaseOperation, DatabaseReply, DatabaseRequest } from './database-protocol.js'

/** What finds nothing where there is no database, and so does not make one. */
const SEEKING = new Set<DatabaseOperation['kind']>([
  'read',
  'loadMarks',
  'remove',
  'removeTorrent',
  'removeMarks',
])

interface Pending {
  readonly resolve: (bytes: Uint8Array | undefined) => void
  readonly reject: (error: TorrentError) => void
}

export class DatabaseThread {
  /** Absolute path of the database. */
  readonly path: string
  readonly #entry: URL
  readonly #exclusive: boolean
  #worker: Worker | undefined
  readonly #pending = new Map<number, Pending>()
  /** Torrents that are open, for a thread that was started later than they were, or anew. */
  readonly #opened = new Map<string, DatabaseOperation>()
  #nextId = 1
  #closed = false

  /**
   * @param path absolute
   * @param o.worker the entry of the thread
   * @param o.exclusive whether nobody else may use the database while it is open
   */
  constructor(path: string, o: { worker: URL; exclusive: boolean }) {
    this.path = path
    this.#entry = o.worker
    this.#exclusive = o.exclusive
  }

  /** Operations are performed in the order of the calls. @throws ERR_TORRENTFS_STORAGE, ERR_TORRENTFS_DISK_FULL naming the file */
  async perform(operation: DatabaseOperation): Promise<Uint8Array | undefined> {
    if (this.#closed) throw new TorrentError('ERR_TORRENTFS_CLOSED', `${this.path} is closed`)
    const { kind } = operation
    if (kind === 'open') this.#opened.set(operation.infohash, operation)
    else if (kind === 'removeTorrent') this.#opened.delete(operation.infohash)
    if (this.#worker === undefined && (kind === 'open' || SEEKING.has(kind)) && !existsSync(this.path))
      return undefined
    const worker = (this.#worker ??= this.#start())
    return this.#ask(worker, operation)
  }

  /** Ends the thread after what it was asked. Never rejects. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    if (this.#worker === undefined) return
    const worker = this.#worker
    await this.#ask(worker, { kind: 'close' }).catch(() => undefined)
    await worker.terminate()
  }

  #ask(worker: Worker, operation: DatabaseOperation): Promise<Uint8Array | undefined> {
    const id = this.#nextId++
    return new Promise((resolve, reject) => {
      if (this.#pending.size === 0) worker.ref()
      this.#pending.set(id, { resolve, reject })
      worker.postMessage({ id, operation } satisfies DatabaseRequest)
    })
  }

  #start(): Worker {
    const worker = new Worker(this.#entry, {
      name: 'torrentfs-database',
      workerData: { path: this.path, exclusive: this.#exclusive },
      // Node calls its SQLite experimental, and would say so to every user of ours.
      execArgv: ['--disable-warning=ExperimentalWarning'],
    })
    worker.on('message', (reply: DatabaseReply) => this.#settle(worker, reply))
    worker.on('error', thrown => this.#lose(worker, messageOf(thrown)))
    worker.on('exit', code => this.#lose(worker, `it ended with ${code}`))
    for (const opened of this.#opened.values()) void this.#ask(worker, opened).catch(() => undefined)
    return worker
  }

  #settle(worker: Worker, { id, bytes, error }: DatabaseReply): void {
    const pending = this.#pending.get(id)
    this.#pending.delete(id)
    if (this.#pending.size === 0) worker.unref()
    if (error === undefined) pending?.resolve(bytes)
    else pending?.reject(new TorrentError(error.code, error.message))
  }

  #lose(worker: Worker, why: string): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    const error = new TorrentError('ERR_TORRENTFS_STORAGE', `the thread of ${this.path} failed: ${why}`)
    for (const { reject } of this.#pending.values()) reject(error)
    this.#pending.clear()
  }
}

/** The bytes in a form that a message carries without copying more than them: shared memory as it is, else a copy of their own. */
export function forMessage(bytes: Uint8Array): Uint8Array {
  return bytes.buffer instanceof SharedArrayBuffer || bytes.length === bytes.buffer.byteLength
    ? bytes
    : bytes.slice()
}
