/**
 * What one peer asked of us and is to get.
 *
 * Owns the queue and the pace: blocks are read only as fast as the socket takes them and the limit allows. Whether the peer may ask is decided
 * before (core); a block that is no longer stored is not sent.
 */
import type { RateLimiter, RateShare } from './net/rate-limiter.js'
import type { PeerConnection } from './peer/connection.js'

/** Blocks waiting for one peer; what is asked beyond is refused. We tell peers half of it as our request queue. */
const MAX_QUEUED = 1024
/** Bytes in the socket's backlog at which reading from the storage stops. */
const BACKLOG = 1024 * 1024
/** Neighbouring blocks are read together, up to this many bytes. */
const READ_LENGTH = 256 * 1024

/** A block somebody asked for. */
export interface BlockRange {
  readonly piece: number
  readonly begin: number
  readonly length: number
}

export interface UploadQueueOptions {
  readonly connection: PeerConnection
  /** Of what is uploaded to all. */
  readonly limiter: RateLimiter
  /** Fills `target` from a stored piece; resolves with false when the bytes are not to be had. */
  readonly read: (target: Uint8Array, piece: number, begin: number) => Promise<boolean>
  /** Told of payload that was written to the socket. */
  readonly sent: (bytes: number) => void
}

export class UploadQueue {
  readonly #connection: PeerConnection
  readonly #read: UploadQueueOptions['read']
  readonly #sent: (bytes: number) => void
  readonly #allowance: RateShare
  #queue: BlockRange[] = []
  #reading = false

  constructor(options: UploadQueueOptions) {
    this.#connection = options.connection
    this.#read = options.read
    this.#sent = options.sent
    this.#allowance = options.limiter.share(() => this.pump())
  }

  add(block: BlockRange): void {
    if (this.#queue.length >= MAX_QUEUED) return this.#refuse(block)
    this.#queue.push(block)
    this.pump()
  }

  /** The peer no longer wants a block. By BEP 6 it is still answered. */
  cancel(block: BlockRange): void {
    const at = this.#queue.findIndex(
      other => other.piece === block.piece && other.begin === block.begin && other.length === block.length,
    )
    if (at < 0) return
    this.#queue.splice(at, 1)
    this.#refuse(block)
  }

  /** Refuses everything: the peer was choked. */
  clear(): void {
    const queue = this.#queue
    this.#queue = []
    for (const block of queue) this.#refuse(block)
  }

  /** The peer is gone. */
  end(): void {
    this.#queue = []
    this.#allowance.end()
  }

  /** Sends on, if there is room. */
  pump(): void {
    if (!this.#reading && this.#queue.length > 0) void this.#run()
  }

  async #run(): Promise<void> {
    this.#reading = true
    try {
      while (this.#queue.length > 0 && !this.#connection.closed && this.#connection.sendBacklog < BACKLOG) {
        const run = this.#takeRun()
        // Goes on when the limit allows it.
        if (run.length === 0) return
        await this.#sendRun(run)
      }
    } finally {
      this.#reading = false
    }
  }

  /** Takes neighbouring blocks from the head of the queue, as many as the limit allows. */
  #takeRun(): BlockRange[] {
    let count = 0
    let length = 0
    for (; count < this.#queue.length; count++) {
      const last = this.#queue[count - 1]
      const next = this.#queue[count]!
      const follows =
        last === undefined || (next.piece === last.piece && next.begin === last.begin + last.length)
      if (!follows || (count > 0 && length + next.length > READ_LENGTH)) break
      if (!this.#allowance.take(next.length)) break
      length += next.length
    }
    return this.#queue.splice(0, count)
  }

  async #sendRun(run: readonly BlockRange[]): Promise<void> {
    const first = run[0]!
    const last = run[run.length - 1]!
    // Not pooled: the socket refers to it until it is sent.
    const bytes = new Uint8Array(last.begin + last.length - first.begin)
    const good = await this.#read(bytes, first.piece, first.begin)
    for (const block of run) {
      if (!good || this.#connection.closed) {
        this.#allowance.giveBack(block.length)
        this.#refuse(block)
        continue
      }
      const at = block.begin - first.begin
      this.#connection.block(block.piece, block.begin, bytes.subarray(at, at + block.length))
      this.#sent(block.length)
    }
  }

  #refuse(block: BlockRange): void {
    if (this.#connection.supportsFast) this.#connection.reject(block.piece, block.begin, block.length)
  }
}
