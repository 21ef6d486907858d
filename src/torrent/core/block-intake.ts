/**
 * Takes in the blocks that peers send: where their payload goes, and which of them count.
 *
 * Owns the count of useful and wasted payload. Only blocks that were asked of their sender are taken, so that nobody can
 * spoil a piece uninvited.
 */
import { BLOCK_LENGTH } from '../pieces/geometry.js'
import type { CoreEvent, Effect, PeerNumber, RequestAllowance } from './events.js'
import type { OpenPiece } from './open-piece.js'
import type { PeerState } from './peer-state.js'
import type { PieceTable } from './piece-table.js'
import type { Requester } from './requester.js'

/** Where the payload of a block goes: into the piece's memory, aside until it is complete, or nowhere. */
export type BlockPlace = 'slab' | 'scratch' | 'discard'

/** A block whose payload is complete. */
export type ReceivedBlock = Extract<CoreEvent, { type: 'block' }>

export interface BlockIntakeOptions {
  readonly table: PieceTable
  readonly peers: ReadonlyMap<PeerNumber, PeerState>
  readonly requester: Requester
  readonly allowance: RequestAllowance
  readonly emit: (effect: Effect) => void
}

export class BlockIntake {
  readonly #table: PieceTable
  readonly #peers: ReadonlyMap<PeerNumber, PeerState>
  readonly #requester: Requester
  readonly #allowance: RequestAllowance
  readonly #emit: (effect: Effect) => void
  #useful = 0
  readonly #waste = { duplicate: 0, hashFailed: 0, unrequested: 0 }

  constructor(options: BlockIntakeOptions) {
    this.#table = options.table
    this.#peers = options.peers
    this.#requester = options.requester
    this.#allowance = options.allowance
    this.#emit = options.emit
  }

  /** Payload bytes that went into pieces. */
  get useful(): number {
    return this.#useful
  }

  /** Payload bytes that came twice, unasked, or for pieces that failed. */
  get wasted(): number {
    const { duplicate, hashFailed, unrequested } = this.#waste
    return duplicate + hashFailed + unrequested
  }

  /** The same by reason. `duplicate`: it came twice, or too late to be of use. */
  get waste(): { readonly duplicate: number; readonly hashFailed: number; readonly unrequested: number } {
    return this.#waste
  }

  /** Bytes that were counted as useful were of a piece that failed its hash. */
  failed(bytes: number): void {
    this.#waste.hashFailed += bytes
    this.#useful -= Math.min(bytes, this.#useful)
  }

  /**
   * Where a peer's block goes, asked when its first byte is here. Notes who writes into the slab.
   *
   * With 'scratch', another peer is writing the same block: who finishes first wins, see {@link takes}.
   */
  place(number: PeerNumber, piece: number, begin: number, length: number): BlockPlace {
    const peer = this.#peers.get(number)
    const block = begin / BLOCK_LENGTH
    const open = this.#table.open.get(piece)
    if (peer === undefined || open?.phase !== 'fetching') return 'discard'
    if (!this.#table.isBlock(piece, begin, length) || open.isReceived(block)) return 'discard'
    const key = this.#table.blockKey(piece, block)
    if (!peer.outstanding.has(key) && !peer.cancelled.has(key)) return 'discard'
    const writer = open.writerOf(block)
    // A web seed begins a block anew after its connection broke.
    if (writer !== undefined && writer !== number) return 'scratch'
    open.setWriter(block, number)
    return 'slab'
  }

  /** Whether a block that was received aside is still missing. */
  takes(piece: number, begin: number): boolean {
    const open = this.#table.open.get(piece)
    return open?.phase === 'fetching' && !open.isReceived(begin / BLOCK_LENGTH)
  }

  /** Notes a block; returns the piece if that made it complete. */
  receive({ peer: number, piece, begin, length, kept }: ReceivedBlock, now: number): OpenPiece | undefined {
    const peer = this.#peers.get(number)
    if (peer === undefined || !this.#table.isBlock(piece, begin, length)) {
      this.#waste.unrequested += length
      this.#allowance.spend(length)
      return undefined
    }
    const block = begin / BLOCK_LENGTH
    const key = this.#table.blockKey(piece, block)
    peer.delivered(key, length, now)
    // Else it was paid for when it was asked.
    if (!peer.outstanding.has(key)) this.#allowance.spend(length)
    const asked = peer.settle(key)
    const open = this.#table.open.get(piece)
    if (!kept || !asked || open?.phase !== 'fetching' || open.isReceived(block)) {
      this.#waste[asked ? 'duplicate' : 'unrequested'] += length
      // What was thrown away may be needed after all.
      open?.unask(block, number)
      open?.clearWriter(block, number)
      return undefined
    }
    this.#useful += length
    const writer = open.writerOf(block)
    if (writer !== undefined && writer !== number) {
      this.#emit({ type: 'dropTarget', peer: writer, piece, begin })
    }
    const others = open.receive(block, number)
    if (others.length > 0) this.#requester.withdraw(piece, block, others)
    return open.complete ? open : undefined
  }
}
