/**
 * Opens pieces: those that are missing, that somebody would send, and that there is memory and room for.
 *
 * Owns when to try again after memory, room or the storage was refused. Must not ask for blocks.
 */
import type { Blame } from './blame.js'
import type { Demand } from './demand.js'
import type { Effect, PeerNumber, PieceBudget, PieceRoom } from './events.js'
import { OpenPiece } from './open-piece.js'
import type { PeerState } from './peer-state.js'
import type { PieceTable } from './piece-table.js'

/**
 * While so many bytes, and at least two pieces, wait to be stored, nothing new is begun: it would lie in memory until it is no
 * longer in the processor's caches, and be fetched no sooner in the end. With 64 MiB a download took 5 % more CPU.
 */
const MOST_STORING = 16 * 1024 * 1024

export interface OpenerOptions {
  readonly table: PieceTable
  readonly demand: Demand
  readonly blame: Blame
  readonly peers: ReadonlyMap<PeerNumber, PeerState>
  readonly budget: PieceBudget
  /** Undefined where the storage may hold everything. */
  readonly room: PieceRoom | undefined
  readonly emit: (effect: Effect) => void
  /** Has a suspect piece hashed. */
  readonly verify: (piece: number) => void
  /** Ends an open piece and gives back its memory. */
  readonly close: (open: OpenPiece) => void
}

export class Opener {
  readonly #o: OpenerOptions
  /** Memory was refused since the last `memory` event. */
  starved = false
  /** Room was refused since it was last asked to try again. */
  full = false
  /** Nothing new is begun before this time (ms): the storage fails. */
  pausedUntil = -Infinity

  constructor(options: OpenerOptions) {
    this.#o = options
  }

  /** The open piece, opened if need be and memory allows; undefined when there is nothing to fetch (yet). */
  begin(piece: number, force: boolean, now: number): OpenPiece | undefined {
    const { table } = this.#o
    const open = table.open.get(piece)
    if (open !== undefined) return open
    const state = table.stateOf(piece)
    if (state === 'suspect') this.#o.verify(piece)
    if (state !== 'missing' || this.full || (now < this.pausedUntil && !force)) return undefined
    if (!this.#anyoneServes(piece)) return undefined
    const bytes = table.geometry.pieceSize(piece)
    if (!force && this.#isStoreBusy()) {
      this.starved = true
      return undefined
    }
    if (!this.#takeRoom(piece)) return undefined
    if (this.#reserve(bytes, force)) return this.#open(piece, bytes)
    this.#o.room?.giveBack(piece)
    return undefined
  }

  #open(piece: number, bytes: number): OpenPiece {
    const { table, blame, emit } = this.#o
    const { geometry } = table
    const open = new OpenPiece(
      piece,
      geometry.blockCount(piece),
      bytes,
      block => geometry.requestSize(piece, block) === 0,
      blame.suspects(piece),
    )
    table.open.set(piece, open)
    table.selection.started(piece)
    emit({ type: 'openPiece', piece })
    // All pad: zeros, known without asking anyone.
    if (open.complete) {
      open.phase = 'storing'
      emit({ type: 'store', piece, blockDigests: false })
    }
    return open
  }

  /** What nobody reads is fetched into free room only: it must not push out what was read. */
  #takeRoom(piece: number): boolean {
    const { room, demand, table } = this.#o
    if (room === undefined) return true
    const evicting = demand.isReadNext(piece)
    if (room.take(piece, evicting)) return true
    if (!evicting) return false
    for (const open of table.open.values()) {
      if (open.unwantedSince === undefined || open.phase !== 'fetching') continue
      this.#o.close(open)
      if (room.take(piece, evicting)) return true
    }
    this.full = true
    return false
  }

  #reserve(bytes: number, force: boolean): boolean {
    const { budget, table } = this.#o
    if (budget.tryReserve(bytes)) return true
    for (const open of table.open.values()) {
      if (open.unwantedSince === undefined || open.phase !== 'fetching') continue
      this.#o.close(open)
      if (budget.tryReserve(bytes)) return true
    }
    // With no piece open at all this torrent would wait for others for ever.
    if (force || table.open.size < 2) return budget.tryReserve(bytes, true)
    this.starved = true
    return false
  }

  #isStoreBusy(): boolean {
    let [pieces, bytes] = [0, 0]
    for (const open of this.#o.table.open.values()) {
      if (open.phase !== 'storing') continue
      pieces++
      bytes += open.reserved
    }
    return pieces >= 2 && bytes >= MOST_STORING
  }

  #anyoneServes(piece: number): boolean {
    const { peers, table } = this.#o
    for (const peer of peers.values()) if (peer.serves(piece)) return true
    return table.geometry.hasPad(piece)
  }
}
