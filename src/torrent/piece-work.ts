/**
 * What the core wants done with whole pieces of one torrent: memory for them, storing, hashing, freeing.
 *
 * Owns the slabs of open pieces. Tells the core what came of each.
 */
import { setTimeout as sleep } from 'node:timers/promises'

import type { CoreEvent, StoreResult } from './core/events.js'
import type { MemoryBudget } from './data/memory-budget.js'
import type { PieceStore, StoreTarget, VerifyOutcome } from './data/piece-store.js'
import type { Slab } from './data/slab.js'
import { TorrentError } from './errors.js'
import type { Logger } from './logger.js'
import type { EngineOwner } from './torrent-engine.js'

/** How long after a failure bytes are tried to be freed again, in ms. */
const FREE_AGAIN_MS = 1000

export interface PieceWorkOptions {
  readonly target: StoreTarget
  readonly store: PieceStore
  readonly budget: MemoryBudget
  readonly post: (event: CoreEvent) => void
  /** Whether the torrent has ended. */
  readonly ended: () => boolean
  readonly owner: Pick<EngineOwner, 'changed' | 'storageState'>
  /** The bytes of a piece are gone. */
  readonly freed: (piece: number) => void
  readonly logger: Logger
}

export class PieceWork {
  readonly #o: PieceWorkOptions
  readonly #slabs = new Map<number, Slab>()
  #storageFails = false

  constructor(options: PieceWorkOptions) {
    this.#o = options
  }

  /**
   * Pieces are wanted: begins what storing the first of them takes. Once bytes come in, the event loop is busy with them, and each
   * step would wait for a turn.
   *
   * @param somebodyIsThere - Else there is no telling when they come, and nothing is written to the disk.
   */
  expect(somebodyIsThere: boolean): void {
    const { target, store } = this.#o
    if (somebodyIsThere) store.prepare(target)
    else store.warm(target)
  }

  /** Makes the memory of a piece. */
  open(piece: number): void {
    const { target, store } = this.#o
    this.#slabs.set(piece, store.acquireSlab(target.torrent.geometry.pieceSize(piece)))
    this.#o.owner.changed(piece)
  }

  /** Gives back the memory of a piece. */
  close(piece: number): void {
    this.#o.store.releaseSlab(this.#slabs.get(piece)!)
    this.#slabs.delete(piece)
    this.#o.owner.changed(piece)
  }

  /** The memory of an open piece. */
  bytes(piece: number): Uint8Array | undefined {
    return this.#slabs.get(piece)?.bytes
  }

  async store(piece: number, blockDigests: boolean): Promise<void> {
    const { target, store } = this.#o
    const slab = this.#slabs.get(piece)!
    let result: StoreResult
    // Its file may have turned out to be another one since: then the storage doubts it before we know it as stored.
    do result = await store.store(target, piece, slab, { blockDigests })
    while (result.kind === 'stored' && !target.storage.stored.get(piece))
    if (result.kind !== 'mismatch') this.#noteStorage(result.kind === 'failed' ? result.error : undefined)
    this.#o.post({ type: 'storeResult', piece, result })
  }

  async verify(piece: number): Promise<void> {
    const { target, store } = this.#o
    this.#o.owner.changed(piece)
    let outcome: VerifyOutcome
    do outcome = await store.verify(target, piece)
    while (outcome === 'good' && !target.storage.stored.get(piece))
    if (typeof outcome === 'string') this.#o.post({ type: 'verified', piece, good: outcome === 'good' })
    else {
      this.#o.logger.warn({ piece, error: outcome.error.message }, 'cannot verify a piece')
      this.#o.post({ type: 'verifyFailed', piece, error: outcome.error })
    }
    this.#o.owner.changed(piece)
  }

  /** Frees what there is of a piece in the storage, however long that takes. */
  async free(piece: number): Promise<void> {
    const { target, store } = this.#o
    for (let error = await store.evict(target, piece); error !== undefined;) {
      if (this.#o.ended()) return
      this.#noteStorage(error)
      await sleep(FREE_AGAIN_MS, undefined, { ref: false })
      error = await store.evict(target, piece)
    }
    this.#o.freed(piece)
  }

  /** Gives back all memory. Only after the store has settled what it was given. */
  releaseMemory(): void {
    const { geometry } = this.#o.target.torrent
    for (const [piece, slab] of this.#slabs) {
      this.#o.store.releaseSlab(slab)
      this.#o.budget.release(geometry.pieceSize(piece))
    }
    this.#slabs.clear()
  }

  #noteStorage(error: Error | undefined): void {
    if (error !== undefined && !(error instanceof TorrentError)) return
    if ((error !== undefined) === this.#storageFails) return
    this.#storageFails = error !== undefined
    this.#o.owner.storageState(error)
  }
}
