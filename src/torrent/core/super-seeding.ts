/**
 * Seeding a torrent nobody else has: each peer is shown one piece or two at a time, another only once it passed one on.
 * So the first whole copy costs little more upload than its size. BEP 16.
 *
 * Owns which pieces were shown to whom. Pure: knows neither clock nor chance, and never chokes anyone.
 */
import type { Effect, PeerNumber } from './events.js'
import type { PeerState } from './peer-state.js'
import type { PieceTable } from './piece-table.js'

/** Pieces a peer is shown that it has not passed on yet: with two it is never idle while others take the first. */
const SHOWN_AT_A_TIME = 2

export interface SuperSeedingOptions {
  readonly table: PieceTable
  readonly peers: ReadonlyMap<PeerNumber, PeerState>
  readonly emit: (effect: Effect) => void
}

interface Shown {
  /** Every piece it was told that we have. */
  readonly pieces: Set<number>
  /** Of those, the ones nobody else has told to have yet. */
  readonly waiting: Set<number>
}

export class SuperSeeding {
  readonly #o: SuperSeedingOptions
  #on = false
  readonly #shown = new Map<PeerNumber, Shown>()
  /** To how many connected peers each piece was shown. */
  #times: Uint16Array | undefined

  constructor(options: SuperSeedingOptions) {
    this.#o = options
  }

  /** Whether pieces are hidden now: it was asked for, everything is stored, and no other peer has everything. */
  get active(): boolean {
    return this.#on
  }

  /** Begins, where everything is stored; peers that are connected know what we have already and keep it. */
  start(): void {
    if (this.#on || !this.#o.table.stored.full) return
    for (const peer of this.#o.peers.values()) if (peer.hasAll) return
    this.#on = true
    this.#times = new Uint16Array(this.#o.table.pieceCount)
  }

  /** Ends: every peer is told of everything it was not shown. */
  stop(): void {
    if (!this.#on) return
    this.#on = false
    const { stored } = this.#o.table
    for (const [number, { pieces }] of this.#shown) {
      const peer = this.#o.peers.get(number)
      if (peer === undefined) continue
      for (let piece = stored.next(0); piece >= 0; piece = stored.next(piece + 1)) {
        if (!pieces.has(piece) && !peer.has(piece)) this.#o.emit({ type: 'have', peer: number, piece })
      }
    }
    this.#shown.clear()
    this.#times = undefined
  }

  /** A peer connected, and was told that we have nothing. */
  join(peer: PeerState): void {
    if (this.#on) this.#shown.set(peer.number, { pieces: new Set(), waiting: new Set() })
  }

  /** A peer is gone: what it was shown may be shown to another. */
  leave(peer: PeerState): void {
    const shown = this.#shown.get(peer.number)
    if (shown === undefined) return
    this.#shown.delete(peer.number)
    for (const piece of shown.pieces) this.#times![piece]!--
    this.#showMore()
  }

  /** Whether the peer may be sent this piece. */
  shows(peer: PeerState, piece: number): boolean {
    return !this.#on || (this.#shown.get(peer.number)?.pieces.has(piece) ?? true)
  }

  /** The peer said all it has. */
  look(peer: PeerState): void {
    if (!this.#on) return
    // With another seed the first copy is out: from here on hiding only slows the swarm.
    if (peer.hasAll) return this.stop()
    this.#show(peer)
  }

  /** The peer has one piece more: whoever was shown it and is not this peer has passed it on. */
  has(peer: PeerState, piece: number): void {
    if (!this.#on) return
    if (peer.hasAll) return this.stop()
    const alone = this.#shown.size === 1
    for (const [number, { waiting }] of this.#shown) {
      // A peer with nobody to pass anything on to would wait for ever.
      if ((number === peer.number && !alone) || !waiting.delete(piece)) continue
      const giver = this.#o.peers.get(number)
      if (giver !== undefined) this.#show(giver)
    }
  }

  #showMore(): void {
    for (const number of this.#shown.keys()) {
      const peer = this.#o.peers.get(number)
      if (peer !== undefined) this.#show(peer)
    }
  }

  /** Shows the peer pieces until it has enough to do. */
  #show(peer: PeerState): void {
    const shown = this.#shown.get(peer.number)
    if (shown === undefined) return
    this.#settle(peer, shown)
    while (shown.waiting.size < SHOWN_AT_A_TIME) {
      const piece = this.#rarest(peer, shown)
      if (piece < 0) return
      shown.pieces.add(piece)
      shown.waiting.add(piece)
      this.#times![piece]!++
      this.#o.emit({ type: 'have', peer: peer.number, piece })
    }
  }

  /** What the peer has and others have too is passed on, whoever told first; and alone it needs only to have it. */
  #settle(peer: PeerState, shown: Shown): void {
    for (const piece of shown.waiting) {
      if (!peer.has(piece)) continue
      if (this.#shown.size === 1 || this.#holders(piece) > 1) shown.waiting.delete(piece)
    }
  }

  #holders(piece: number): number {
    let count = 0
    for (const peer of this.#o.peers.values()) if (peer.has(piece)) count++
    return count
  }

  /** The piece the fewest peers have or were shown that this one lacks, the lowest index first; -1 for none. */
  #rarest(peer: PeerState, shown: Shown): number {
    let best = -1
    let least = Infinity
    for (let piece = 0; piece < this.#o.table.pieceCount && least > 0; piece++) {
      if (shown.pieces.has(piece) || peer.has(piece)) continue
      // Shown and had are the same copy mostly; the larger number is the better guess.
      const copies = Math.max(this.#times![piece]!, this.#o.table.availabilityOf(piece))
      if (copies >= least) continue
      least = copies
      best = piece
    }
    return best
  }
}
