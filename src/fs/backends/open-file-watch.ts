/**
 * Ends reads that no one waits for any more.
 *
 * A killed `cat` leaves its readahead behind, and one that waits for a single page cannot die before it is answered; the
 * binding tells of neither. So while reads are blocked, a worker looks through /proc for who still has their files
 * open. Files, not handles: as long as any living process has a file open its reads stay, for the kernel shares them
 * among all readers of the file. Only a process that is being killed and still waits gets what it waits for ended.
 */
import { Worker } from 'node:worker_threads'
import { type Logger, messageOf } from '../../torrent/index.js'
import type { TorrentFs } from '../torrent-fs.js'
import type { ScanRequest, ScanResult } from './open-file-scan.js'

/** Reads younger than this (ms) are not looked into: in a living swarm most are answered sooner. */
const BLOCKED_MS = 400
const INTERVAL_MS = 200

export class OpenFileWatch {
  readonly #fs: TorrentFs
  readonly #logger: Logger
  readonly #othersMayRead: boolean
  readonly #timer: NodeJS.Timeout
  #worker: Worker | undefined
  #busy = false
  #closed = false

  constructor(options: { fs: TorrentFs; logger: Logger; othersMayRead: boolean }) {
    this.#fs = options.fs
    this.#logger = options.logger
    this.#othersMayRead = options.othersMayRead
    this.#timer = setInterval(() => this.#tick(), INTERVAL_MS).unref()
  }

  /** Idempotent. */
  async close(): Promise<void> {
    this.#closed = true
    clearInterval(this.#timer)
    const worker = this.#worker
    this.#worker = undefined
    // Not waited for: it may be held up in /proc by a process whose read is about to be ended.
    void worker?.terminate()
  }

  #tick(): void {
    if (this.#busy || this.#closed) return
    const names = this.#fs.blockedNames(BLOCKED_MS)
    if (names.size === 0) return
    this.#busy = true
    const request: ScanRequest = {
      names: [...names.keys()],
      unkillable: [...names].filter(([, unkillable]) => unkillable).map(([name]) => name),
      othersMayRead: this.#othersMayRead,
    }
    this.#start().postMessage(request)
  }

  #start(): Worker {
    if (this.#worker) return this.#worker
    const worker = new Worker(new URL('./open-file-scan.js', import.meta.url), { stdin: false })
    worker.unref()
    worker.on('message', (result: ScanResult) => this.#finish(result))
    worker.on('error', error => {
      this.#logger.warn({ err: error }, `looking for abandoned reads failed: ${messageOf(error)}`)
      this.#worker = undefined
      this.#busy = false
    })
    return (this.#worker = worker)
  }

  #finish({ abandoned, dying }: ScanResult): void {
    this.#busy = false
    if (this.#closed) return
    for (const name of abandoned) {
      const handles = this.#fs.interrupt(name)
      if (handles > 0)
        this.#logger.debug({ file: name, handles }, `no one reads "${name}" any more, its reads end`)
    }
    for (const { name, begin, end } of dying) {
      const handles = this.#fs.interrupt(name, { begin, end })
      if (handles > 0)
        this.#logger.debug({ file: name, handles }, `a reader of "${name}" is being killed, its read ends`)
    }
  }
}
