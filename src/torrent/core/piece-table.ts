/**
 * The state of every piece of a torrent, and how many peers have it.
 *
 * Owns the five states a piece can be in and the availability counts. Must not choose pieces or peers.
 */
import { Bitfield } from '../pieces/bitfield.js'
import { BLOCK_LENGTH, type Geometry } from '../pieces/geometry.js'
import { type OpenPiece } from './open-piece.js'
import type { PeerState } from './peer-state.js'
import { Selection } from './selection.js'

/** `suspect`: may be in the storage, must be hashed first; `verifying`: is being hashed; `open`: is being fetched. */
export type PieceState = 'missing' | 'suspect' | 'verifying' | 'open' | 'stored'

export class PieceTable {
  readonly geometry: Geometry
  readonly open = new Map<number, OpenPiece>()
  readonly verifying = new Set<number>()
  readonly stored: Bitfield
  readonly suspect: Bitfield
  readonly selection: Selection
  /** Pieces that were given up, and which peers may still think we have; undefined while there are none. */
  #evicted: Bitfield | undefined
  /** Blocks in a piece that is not the last: what block keys are made with. */
  readonly #blocksPerPiece: number
  /** Peers having each piece, those that have all not counted. */
  #availability: Uint16Array | undefined

  /** `stored` and `suspect` are copied. An empty `suspect` may have length 0. */
  constructor(geometry: Geometry, stored: Bitfield, suspect: Bitfield) {
    this.geometry = geometry
    this.stored = stored.clone()
    this.suspect =
      suspect.length === geometry.pieceCount ? suspect.clone() : new Bitfield(geometry.pieceCount)
    this.#blocksPerPiece = geometry.pieceCount > 0 ? geometry.blockCount(0) : 1
    this.selection = new Selection(geometry.pieceCount, piece => this.#availability?.[piece] ?? 0)
  }

  get pieceCount(): number {
    return this.geometry.pieceCount
  }

  stateOf(piece: number): PieceState {
    if (this.stored.get(piece)) return 'stored'
    if (this.open.has(piece)) return 'open'
    if (this.verifying.has(piece)) return 'verifying'
    return this.suspect.get(piece) ? 'suspect' : 'missing'
  }

  /** One number for a block of a piece. */
  blockKey(piece: number, block: number): number {
    return piece * this.#blocksPerPiece + block
  }

  pieceOfKey(key: number): number {
    return Math.floor(key / this.#blocksPerPiece)
  }

  blockOfKey(key: number): number {
    return key % this.#blocksPerPiece
  }

  /** Whether these numbers, a stranger's, name a block as we ask for it. */
  isBlock(piece: number, begin: number, length: number): boolean {
    const { geometry } = this
    if (piece >= geometry.pieceCount || begin % BLOCK_LENGTH !== 0) return false
    const block = begin / BLOCK_LENGTH
    return block < geometry.blockCount(piece) && length > 0 && length === geometry.requestSize(piece, block)
  }

  markStored(piece: number): void {
    this.stored.set(piece)
    this.#evicted?.clear(piece)
    this.suspect.clear(piece)
    this.verifying.delete(piece)
    this.selection.started(piece)
  }

  markSuspect(piece: number): void {
    this.stored.clear(piece)
    this.suspect.set(piece)
    this.selection.stopped(piece)
  }

  markMissing(piece: number): void {
    this.stored.clear(piece)
    this.suspect.clear(piece)
    this.verifying.delete(piece)
    this.selection.stopped(piece)
  }

  markEvicted(piece: number): void {
    this.markMissing(piece)
    this.#evicted ??= new Bitfield(this.pieceCount)
    this.#evicted.set(piece)
  }

  /** Whether peers may think wrongly that we have a piece. */
  wasEvicted(piece: number): boolean {
    return this.#evicted?.get(piece) ?? false
  }

  /** A peer says it has a piece. Returns false when it said so before. */
  claim(peer: PeerState, piece: number): boolean {
    if (peer.hasAll) return false
    peer.saidHave = true
    peer.have ??= new Bitfield(this.pieceCount)
    if (!peer.have.set(piece)) return false
    this.#availability ??= new Uint16Array(this.pieceCount)
    const before = this.#availability[piece]!
    this.#availability[piece] = before + 1
    this.selection.moved(piece, before, before + 1)
    // Who loses pieces and gets them again would otherwise cost a count of all of them each time.
    if (peer.have.full && !peer.loses) this.claimAll(peer, true, undefined)
    return true
  }

  /** A peer says that it lost a piece. Returns false when it did not have it. */
  disclaim(peer: PeerState, piece: number): boolean {
    if (!peer.has(piece)) return false
    peer.loses = true
    if (peer.hasAll) {
      // From here on its pieces are counted one by one.
      const have = new Bitfield(this.pieceCount)
      for (let other = 0; other < this.pieceCount; other++) if (other !== piece) have.set(other)
      this.claimAll(peer, false, have)
      return true
    }
    peer.have!.clear(piece)
    const before = this.#availability![piece]!
    this.#availability![piece] = before - 1
    this.selection.moved(piece, before, before - 1)
    return true
  }

  /** How many peers have a piece, those that have all not counted. */
  availabilityOf(piece: number): number {
    return this.#availability?.[piece] ?? 0
  }

  /** A peer says all it has: everything, the pieces of `have`, or nothing. */
  claimAll(peer: PeerState, all: boolean, have: Bitfield | undefined): void {
    this.countPeer(peer, -1)
    peer.saidHave = true
    peer.hasAll = all
    peer.have = all ? undefined : have
    this.countPeer(peer, 1)
  }

  /** Counts the pieces of a peer that says for the first time what it has, or that leaves. */
  countPeer(peer: PeerState, sign: 1 | -1): void {
    if (peer.hasAll || peer.have === undefined) return
    this.#availability ??= new Uint16Array(this.pieceCount)
    for (let piece = peer.have.next(0); piece >= 0; piece = peer.have.next(piece + 1)) {
      const before = this.#availability[piece]!
      this.#availability[piece] = before + sign
      this.selection.moved(piece, before, before + sign)
    }
  }

  /** Whether the peer has a piece that is not stored. */
  lacksSomethingOf(peer: PeerState): boolean {
    if (peer.hasAll) return !this.stored.full
    const have = peer.have
    if (have === undefined || have.empty) return false
    if (this.stored.empty) return true
    for (let piece = have.next(0); piece >= 0; piece = have.next(piece + 1)) {
      if (!this.stored.get(piece)) return true
    }
    return false
  }
}
