/**
 * The reads the session cannot answer by itself, on the engine's side: needs wait for bytes to be stored, fetches read and
 * answer the kernel.
 *
 * Owns the filesystem's handles that belong to the session's, opened when the engine first hears of them.
 */
import { constants } from 'node:os'
import type { TorrentFs } from '../../torrent-fs.js'
import { HEADER_LENGTH, writeHeader } from './protocol/encode.js'
import type { ReadOrder, SessionOrder } from './session-protocol.js'
import type { MirroredTorrent, TreeMirror } from './tree-mirror.js'

const { EINTR, EIO } = constants.errno

export interface EngineReadsOptions {
  readonly fs: TorrentFs
  readonly mirror: TreeMirror
  send(order: SessionOrder): void
  /** What was needed is stored. */
  wake(): void
  /** Gives the kernel a whole reply. */
  transmit(reply: Uint8Array): void
}

export class EngineReads {
  readonly #o: EngineReadsOptions
  /** The filesystem's handles by the session's. */
  readonly #handles = new Map<number, number>()
  readonly #pending = new Map<number, AbortController>()

  constructor(options: EngineReadsOptions) {
    this.#o = options
  }

  /** Number of reads that are not settled. */
  get pending(): number {
    return this.#pending.size
  }

  /** Settles, if only by an error, unless {@link drop} comes first. */
  async need(order: ReadOrder): Promise<void> {
    const mirrored = this.#o.mirror.get(order.torrent)
    // Asked again because of a doubt, while it is looked after all the time.
    if (this.#pending.has(order.unique)) return
    await this.#settle(order, async (handle, signal) => {
      if (!mirrored) return -EIO
      mirrored.needs++
      try {
        return await this.#available(mirrored, order, handle, signal)
      } finally {
        mirrored.needs--
        this.#o.wake()
      }
    })
  }

  async fetch(order: ReadOrder): Promise<void> {
    const { unique, position, length } = order
    await this.#settle(order, async (handle, signal) => {
      const reply = Buffer.allocUnsafe(HEADER_LENGTH + length)
      const count = await this.#o.fs.read(handle, reply.subarray(HEADER_LENGTH), position, signal)
      if (count < 0) return count
      if (signal.aborted) return -EINTR
      const end = HEADER_LENGTH + count
      writeHeader(reply, 0, unique, 0, end)
      this.#o.transmit(reply.subarray(0, end))
      this.#o.send({ type: 'answered', unique })
      return 0
    })
  }

  drop(unique: number): void {
    this.#pending.get(unique)?.abort()
    this.#pending.delete(unique)
  }

  note(order: Omit<ReadOrder, 'unique'>): void {
    const handle = this.#handle(order)
    if (handle >= 0) this.#o.fs.note(handle, order.position, order.length)
  }

  flush(number: number): void {
    const handle = this.#handles.get(number)
    if (handle !== undefined) this.#o.fs.flush(handle)
  }

  release(number: number): void {
    const handle = this.#handles.get(number)
    if (handle === undefined) return
    this.#handles.delete(number)
    this.#o.fs.release(handle)
  }

  close(): void {
    for (const unique of [...this.#pending.keys()]) this.drop(unique)
    for (const number of [...this.#handles.keys()]) this.release(number)
  }

  /** Waits until the session will find the bytes: a piece may be doubted again before it looked. */
  async #available(
    mirrored: MirroredTorrent,
    { position, length, file }: ReadOrder,
    handle: number,
    signal: AbortSignal,
  ): Promise<number> {
    const { stored } = mirrored
    for (;;) {
      const result = await this.#o.fs.available(handle, position, length, signal)
      if (result < 0 || !stored) return result
      const begin = stored.offset(file) + position
      const first = Math.floor(begin / stored.pieceLength)
      const end = Math.floor((begin + length - 1) / stored.pieceLength) + 1
      if (mirrored.pieces?.hasAll(first, end) === true) return 0
    }
  }

  async #settle(
    order: ReadOrder,
    run: (handle: number, signal: AbortSignal) => Promise<number>,
  ): Promise<void> {
    const { unique } = order
    const handle = this.#handle(order)
    if (handle < 0) return this.#o.send({ type: 'failed', unique, errno: -handle })
    const controller = new AbortController()
    this.#pending.set(unique, controller)
    const result = await run(handle, controller.signal)
    if (this.#pending.get(unique) !== controller) return
    this.#pending.delete(unique)
    if (result < 0) this.#o.send({ type: 'failed', unique, errno: -result })
  }

  /** @returns the filesystem's handle, or a negative errno */
  #handle({ handle: number, torrent, file, flags }: Omit<ReadOrder, 'unique'>): number {
    const known = this.#handles.get(number)
    if (known !== undefined) return known
    const mirrored = this.#o.mirror.get(torrent)
    const node = mirrored && this.#o.mirror.node(mirrored, file)
    if (!node) return -EIO
    const handle = this.#o.fs.open(node, flags)
    if (handle >= 0) this.#handles.set(number, handle)
    return handle
  }
}
