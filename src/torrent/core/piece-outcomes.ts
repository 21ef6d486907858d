/**
 * What became of pieces: stored, wrong, refused by the storage, found on the disk, or no longer to be trusted.
 *
 * Owns what follows from it for readers, peers and the selection. Must not choose what to fetch.
 */
import type { Blame } from './blame.js'
import type { BlockIntake } from './block-intake.js'
import type { Demand } from './demand.js'
import type { Effect, PeerNumber, StoreResult } from './events.js'
import type { OpenPiece } from './open-piece.js'
import type { PeerState } from './peer-state.js'
import type { PieceTable } from './piece-table.js'
import type { Relations } from './relations.js'
import type { Requester } from './requester.js'

/** Pieces that failed their hash with a peer's help before it is dropped without proof. */
const MOST_FAILURES = 16
/** After the storage failed, it is tried again this much later, in ms. */
const STORE_RETRY_MS = 1000

export interface PieceOutcomesOptions {
  readonly table: PieceTable
  readonly demand: Demand
  readonly blame: Blame
  readonly peers: ReadonlyMap<PeerNumber, PeerState>
  readonly requester: Requester
  readonly relations: Relations
  readonly intake: BlockIntake
  /** Whether what is of no use in the storage is to be freed: its room is counted. */
  readonly frees: boolean
  /** The wants changed. */
  readonly derive: (now: number) => void
  readonly emit: (effect: Effect) => void
}

export class PieceOutcomes {
  readonly #o: PieceOutcomesOptions
  #failedPieces = 0
  #announcedComplete = false

  constructor(options: PieceOutcomesOptions) {
    this.#o = options
  }

  /** Pieces that did not match their hash. */
  get failedPieces(): number {
    return this.#failedPieces
  }

  /** All blocks of the piece are here: it is to be hashed and written. */
  store(open: OpenPiece): void {
    open.phase = 'storing'
    const blockDigests = this.#o.blame.wantsDigests(open.piece)
    this.#o.emit({ type: 'store', piece: open.piece, blockDigests })
  }

  /** What became of a piece that was to be stored. */
  storeResult(piece: number, result: StoreResult, now: number): void {
    const open = this.#o.table.open.get(piece)
    if (open?.phase !== 'storing') return
    if (result.kind === 'stored') {
      this.#o.table.markStored(piece)
      this.#o.requester.close(open)
      if (result.blockDigests !== undefined) this.#punish(this.#o.blame.passed(piece, result.blockDigests))
      this.#isStored(piece, now)
    } else if (result.kind === 'mismatch') this.#onMismatch(open, result.blockDigests, now)
    else this.#onStoreFailed(open, result.error, now)
    this.#o.requester.starved = false
    this.#o.requester.fillAll(now)
  }

  #isStored(piece: number, now: number): void {
    this.#o.emit({ type: 'stored', piece })
    for (const wait of this.#o.demand.stored(piece)) this.#o.emit({ type: 'waitDone', wait })
    for (const peer of this.#o.peers.values()) {
      if (peer.saidHave && peer.has(piece)) continue
      this.#o.emit({ type: 'have', peer: peer.number, piece })
    }
    if (this.#o.table.stored.full) this.#o.relations.updateInterest(now)
    this.#checkComplete()
  }

  /** Whether everything is stored, or all that is selected, if anything is. */
  get complete(): boolean {
    const { stored, selection } = this.#o.table
    return stored.full || (selection.selectedCount > 0 && !this.selectionOpen)
  }

  #checkComplete(): void {
    if (this.#announcedComplete || !this.complete) return
    this.#announcedComplete = true
    this.#o.emit({ type: 'complete' })
  }

  /** Whether something selected is not stored. */
  get selectionOpen(): boolean {
    const { selection, open, suspect, verifying } = this.#o.table
    if (selection.waiting > 0 || !suspect.empty || verifying.size > 0) return selection.selectedCount > 0
    for (const piece of open.keys()) if (selection.has(piece)) return true
    return false
  }

  /** Tries again to store what the storage refused, once it has had time to recover. */
  retry(now: number): void {
    if (now < this.#o.requester.pausedUntil) return
    for (const open of this.#o.table.open.values()) if (open.phase === 'retrying') this.store(open)
  }

  /** Pieces were selected or deselected. */
  selectionChanged(): void {
    this.#announcedComplete = false
    this.#checkComplete()
  }

  #onMismatch(open: OpenPiece, digests: Uint8Array, now: number): void {
    this.#failedPieces++
    this.#o.emit({ type: 'failed', piece: open.piece })
    this.#o.intake.failed(this.#o.table.geometry.pieceSize(open.piece))
    const senders = Array.from({ length: open.blockCount }, (_, block) => open.senderOf(block))
    const guilty = this.#o.blame.failed(open.piece, digests, senders)
    this.#o.requester.close(open)
    if (guilty !== undefined) this.#punish([guilty])
    else if (open.avoid.size > 0) {
      // First failures count against no one: beside one liar every honest peer has a part in many of them. The next
      // attempt is one suspect's alone, so only who keeps getting between counts up.
      for (const sender of new Set(senders)) {
        const peer = sender === undefined ? undefined : this.#o.peers.get(sender)
        if (peer !== undefined && ++peer.failures >= MOST_FAILURES) this.#punish([peer.number])
      }
    }
    this.#o.requester.urge(now)
  }

  #punish(guilty: readonly PeerNumber[]): void {
    for (const peer of guilty) {
      this.#o.emit({ type: 'disconnect', peer, reason: 'sent corrupt data', ban: true })
    }
  }

  #onStoreFailed(open: OpenPiece, error: Error, now: number): void {
    this.#o.requester.pausedUntil = now + STORE_RETRY_MS
    open.phase = 'retrying'
    this.#failWaits(open.piece, error)
    this.#o.derive(now)
  }

  #failWaits(piece: number, error: Error): void {
    for (const wait of this.#o.demand.waitsFor(piece)) {
      this.#o.demand.endWait(wait)
      this.#o.emit({ type: 'waitFailed', wait, error })
    }
  }

  /** What became of a piece that was to be hashed. */
  verified(piece: number, good: boolean, now: number): void {
    if (!this.#o.table.verifying.has(piece)) return
    if (good) {
      this.#o.table.markStored(piece)
      this.#isStored(piece, now)
    } else {
      this.#o.table.markMissing(piece)
      if (this.#o.frees) this.#o.emit({ type: 'free', piece })
    }
    // The next one at once, not a tick later.
    this.#o.requester.suspects.verifyInBackground()
    if (!good) {
      this.#o.requester.demandChanged(now)
      this.#o.requester.fillAll(now)
    }
  }

  /** A piece that nobody reads or waits for is given up. */
  evict(piece: number, now: number): void {
    const stored = this.#o.table.stored.get(piece)
    this.#o.table.markEvicted(piece)
    this.#announcedComplete = false
    this.#o.emit({ type: 'evicted', piece, stored })
    this.#o.emit({ type: 'free', piece })
    this.#o.relations.updateInterest(now)
  }

  /** The storage could not be read. */
  verifyFailed(piece: number, error: Error): void {
    this.#o.table.verifying.delete(piece)
    this.#failWaits(piece, error)
  }

  /** Stored pieces are no longer to be trusted: they will be hashed again. */
  doubt(pieces: readonly number[], now: number): void {
    for (const piece of pieces) {
      if (!this.#o.table.stored.get(piece)) continue
      this.#o.table.markSuspect(piece)
      this.#o.demand.doubted(piece)
      this.#o.emit({ type: 'doubted', piece })
    }
    this.#announcedComplete = false
    this.#o.requester.demandChanged(now)
    // At once: the next tick may be far away, where nothing else is under way.
    this.#o.requester.suspects.verifyInBackground()
  }
}
