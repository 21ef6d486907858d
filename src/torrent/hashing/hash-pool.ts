/**
 * Hashing the pieces of files on several threads.
 *
 * Owns the threads, for the time of one call. Must not read files itself.
 */
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { messageOf, TorrentError, type TorrentErrorCode } from '../errors.js'
import { ContentHasher, type HashedContent } from './content-hasher.js'

/** Pieces `[first, end)` to be hashed. */
export interface HashJob {
  readonly first: number
  readonly end: number
}

/** What became of a job. */
export type HashAnswer = HashJob &
  (
    | { readonly digests: Uint8Array }
    | { readonly failure: { readonly code: TorrentErrorCode; readonly message: string } }
  )

/** Options of {@link hashContent}. */
export interface HashOptions extends HashedContent {
  /** Threads, in [1, 64]; as many as there are cores, up to 4, by default. */
  readonly workers?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** Called now and then with the bytes hashed so far and the bytes in all; at last with both equal. */
  readonly onProgress?: ((hashed: number, total: number) => void) | undefined
}

const DIGEST_LENGTH = 20
const MAX_WORKERS = 64
const DEFAULT_WORKERS = 4
/** Bytes of a job: enough to forget the message it comes by, little enough for a bar that moves. */
const JOB_BYTES = 8 * 1024 * 1024
/** Of one that keeps the calling thread from other work meanwhile. */
const INLINE_JOB_BYTES = 1024 * 1024
/** Content of no more bytes than this is hashed by the calling thread: a worker takes some 40 ms to start. */
const INLINE_BYTES = 16 * 1024 * 1024

/**
 * Hashes all pieces.
 *
 * @returns their digests, 20 bytes each
 * @throws ERR_TORRENTFS_ARGUMENT for a number of workers that makes no sense
 * @throws ERR_TORRENTFS_STORAGE naming the file that cannot be read or has changed
 * @throws ERR_TORRENTFS_ABORTED
 */
export async function hashContent(o: HashOptions): Promise<Uint8Array> {
  const workers = o.workers ?? Math.min(DEFAULT_WORKERS, availableParallelism())
  if (!Number.isInteger(workers) || workers < 1 || workers > MAX_WORKERS)
    throw new TorrentError('ERR_TORRENTFS_ARGUMENT', `workers: ${workers} is not in [1, ${MAX_WORKERS}]`)
  const run = new HashRun(o)
  return run.isSmall ? run.inline() : run.onThreads(workers)
}

class HashRun {
  readonly #o: HashOptions
  readonly #content: HashedContent
  readonly #digests: Uint8Array
  readonly #pieceCount: number
  readonly #step: number
  /** Bytes in all. */
  readonly total: number
  /** Not worth a thread. */
  readonly isSmall: boolean
  #next = 0
  #hashed = 0

  constructor(o: HashOptions) {
    this.#o = o
    this.#content = { files: o.files, pieceLength: o.pieceLength, tolerant: o.tolerant }
    this.total = o.files.reduce((sum, file) => sum + file.length, 0)
    this.#pieceCount = Math.ceil(this.total / o.pieceLength)
    this.#digests = new Uint8Array(this.#pieceCount * DIGEST_LENGTH)
    this.isSmall = this.total <= INLINE_BYTES
    this.#step = Math.max(1, Math.floor((this.isSmall ? INLINE_JOB_BYTES : JOB_BYTES) / o.pieceLength))
  }

  async inline(): Promise<Uint8Array> {
    const hasher = new ContentHasher(this.#content)
    for (let job = this.#take(); job !== undefined; job = this.#take()) {
      this.#checkAborted()
      this.#keep(job, await hasher.hash(job.first, job.end))
    }
    this.#checkAborted()
    return this.#digests
  }

  async onThreads(count: number): Promise<Uint8Array> {
    this.#checkAborted()
    const { signal } = this.#o
    const threads: Worker[] = []
    try {
      await new Promise<void>((resolve, reject) => {
        signal?.addEventListener('abort', () => reject(this.#aborted()), { once: true })
        let busy = 0
        const give = (thread: Worker): void => {
          const job = this.#take()
          if (job !== undefined) {
            busy++
            thread.postMessage(job)
          } else if (busy === 0) resolve()
        }
        const jobs = Math.ceil(this.#pieceCount / this.#step)
        for (let index = 0; index < Math.min(count, jobs); index++) {
          const thread = new Worker(new URL('./hash-worker.js', import.meta.url), {
            name: 'torrentfs-hash',
            // Flags of the program, such as a debugger's or a test runner's, are not meant for this thread.
            execArgv: [],
            workerData: this.#content,
          })
          threads.push(thread)
          thread.on('message', (answer: HashAnswer) => {
            busy--
            if ('failure' in answer)
              return reject(new TorrentError(answer.failure.code, answer.failure.message))
            try {
              this.#keep(answer, answer.digests)
            } catch (error) {
              return reject(error instanceof Error ? error : broken(String(error)))
            }
            give(thread)
          })
          thread.on('error', error => reject(broken(messageOf(error))))
          thread.on('exit', code => reject(broken(`exit code ${code}`)))
          give(thread)
        }
      })
      return this.#digests
    } finally {
      await Promise.all(threads.map(thread => thread.terminate()))
    }
  }

  #take(): HashJob | undefined {
    const first = this.#next
    if (first >= this.#pieceCount) return undefined
    this.#next = Math.min(this.#pieceCount, first + this.#step)
    return { first, end: this.#next }
  }

  #keep({ first, end }: HashJob, digests: Uint8Array): void {
    this.#digests.set(digests, first * DIGEST_LENGTH)
    const { pieceLength, onProgress } = this.#o
    this.#hashed += Math.min(end * pieceLength, this.total) - first * pieceLength
    onProgress?.(this.#hashed, this.total)
  }

  #checkAborted(): void {
    if (this.#o.signal?.aborted === true) throw this.#aborted()
  }

  #aborted(): TorrentError {
    return new TorrentError('ERR_TORRENTFS_ABORTED', 'hashing was aborted', {
      cause: this.#o.signal?.reason,
    })
  }
}

function broken(reason: string): TorrentError {
  return new TorrentError('ERR_TORRENTFS_STORAGE', `a hashing thread ended: ${reason}`)
}
