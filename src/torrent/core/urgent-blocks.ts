/**
 * Blocks that cannot wait their turn: those a read waits for, and those that would come too late.
 *
 * Owns the choice of the peer that would deliver first. Who is asked once is not asked again while it may answer.
 */
import type { PeerNumber } from './events.js'
import type { OpenPiece } from './open-piece.js'
import type { Pace } from './pace.js'
import type { PeerState } from './peer-state.js'
import type { PieceTable } from './piece-table.js'

/** Blocks an idle peer takes over from others at a time. */
const MOST_ASSISTED = 16
/** Peers that are asked for one block: with three, those who are only slow would all send it. */
const MOST_ASKED = 2
/** Unless all of them take longer than this, in ms. */
const VERY_LATE_MS = 1000
/** Who has so many blocks to send before one has not put it into its socket yet: a cancel takes it back. */
const SURELY_QUEUED = 8
/** What comes later than it is needed by less than this, in ms, is left to come. */
const LATE_MS = 200

/** What comes later than this, in ms, is worth a try with a peer nothing is known of. */
const UNTRIED_MS = 1000

export interface UrgentBlocksOptions {
  readonly table: PieceTable
  readonly peers: ReadonlyMap<PeerNumber, PeerState>
  readonly pace: Pace
  /** Tells a peer that a block is not wanted of it any more. */
  readonly takeBack: (open: OpenPiece, block: number, peer: PeerState) => void
  /** Asks for a block; false when the download limit says no. `urgent`: a read waits for it. */
  readonly ask: (peer: PeerState, open: OpenPiece, block: number, urgent: boolean, now: number) => boolean
}

export class UrgentBlocks {
  readonly #table: PieceTable
  readonly #peers: ReadonlyMap<PeerNumber, PeerState>
  readonly #pace: Pace
  readonly #ask: UrgentBlocksOptions['ask']
  readonly #takeBack: UrgentBlocksOptions['takeBack']

  constructor(options: UrgentBlocksOptions) {
    this.#table = options.table
    this.#peers = options.peers
    this.#pace = options.pace
    this.#ask = options.ask
    this.#takeBack = options.takeBack
  }

  /**
   * Gives each free block of a piece that a read waits for to the peer that would deliver it first: those from `first` on,
   * then those before it.
   */
  spread(open: OpenPiece, now: number, first = 0): void {
    const able = [...this.#peers.values()].filter(peer => peer.serves(open.piece))
    const trusted = able.filter(peer => isTrusted(peer, open))
    const peers = trusted.length > 0 ? trusted : able.filter(peer => mayTry(peer, open, this.#peers))
    if (peers.length > 1 && open.avoid.size === 0 && peers.some(peer => peer.runs)) {
      if (!this.#spreadRuns(open, peers, now)) return
    }
    // Of 200 peers and 64 blocks: worked out once for each peer, then only for who was asked.
    const etas = peers.map(peer => this.#pace.etaMs(peer, now))
    for (const block of freeBlocks(open, first)) {
      const best = this.#quickestFor(open, block, peers, etas)
      if (best < 0) continue
      const peer = peers[best]!
      if (!this.#ask(peer, open, block, true, now)) return
      etas[best] = this.#pace.etaMs(peer, now)
      if (!open.avoid.has(peer.number) || open.sole !== undefined) continue
      // From here on it alone: were it joined by another suspect, a second failure would say as little as the first.
      open.sole = peer.number
      peers.splice(0, peers.length, peer)
      etas.splice(0, etas.length, etas[best])
    }
  }

  /**
   * As {@link spread}, but each peer's share is one run of neighbouring blocks, since web seeds answer those alone well.
   * Blocks that its peer may not be asked for stay free. Returns false when no more may be asked of anyone.
   */
  #spreadRuns(open: OpenPiece, peers: readonly PeerState[], now: number): boolean {
    const shares = new Map<PeerState, number>()
    for (let left = open.freeBlocks; left > 0; left--) {
      let best: PeerState | undefined
      let bestEta = Infinity
      for (const peer of peers) {
        const share = shares.get(peer) ?? 0
        if (peer.outstanding.size + share >= peer.requestQueue) continue
        const eta = this.#pace.etaMs(peer, now) + share * peer.blockMs
        if (eta < bestEta) [best, bestEta] = [peer, eta]
      }
      if (best === undefined) break
      shares.set(best, (shares.get(best) ?? 0) + 1)
    }
    let block = open.nextFree(0)
    for (const [peer, share] of shares) {
      for (let given = 0; given < share && block >= 0; block = open.nextFree(block + 1)) {
        const key = this.#table.blockKey(open.piece, block)
        if (open.excludes(block, peer.number) || peer.outstanding.has(key)) continue
        if (!this.#ask(peer, open, block, true, now)) return false
        given++
      }
    }
    return true
  }

  /** Which of the peers would deliver a free block first, or -1. */
  #quickestFor(open: OpenPiece, block: number, peers: readonly PeerState[], etas: readonly number[]): number {
    const key = this.#table.blockKey(open.piece, block)
    let best = -1
    for (let i = 0; i < peers.length; i++) {
      if (best >= 0 && etas[i]! >= etas[best]!) continue
      const peer = peers[i]!
      if (peer.outstanding.size >= peer.requestQueue || open.excludes(block, peer.number)) continue
      // Who was snubbing and is pardoned may still owe it.
      if (!peer.outstanding.has(key)) best = i
    }
    return best
  }

  /** Asks a second peer for blocks of the piece, needed in `neededMs`, that would come too late from the first. */
  rescue(open: OpenPiece, neededMs: number, now: number): void {
    for (let block = 0; block < open.blockCount; block++) {
      if (open.isRequested(block)) this.#rescueBlock(open, block, neededMs, true, now)
    }
  }

  /**
   * End game: a peer with nothing else to do takes over blocks of selected pieces that would come much later from others.
   * Windows go on, so that what is late there is rescued when it is needed.
   */
  assist(peer: PeerState, now: number): void {
    const { selection, open } = this.#table
    if (this.#peers.size < 2 || peer.snubbedSince !== undefined || selection.waiting > 0) return
    let room = Math.min(peer.depth, MOST_ASSISTED)
    for (const piece of open.values()) {
      if (piece.phase !== 'fetching' || !selection.has(piece.piece) || !peer.serves(piece.piece)) continue
      for (let block = 0; block < piece.blockCount && room > 0; block++) {
        if (piece.isRequested(block) && this.#rescueBlock(piece, block, 0, false, now)) room--
      }
    }
  }

  #rescueBlock(open: OpenPiece, block: number, neededMs: number, urgent: boolean, now: number): boolean {
    const asked = open.askedOf(block)
    const key = this.#table.blockKey(open.piece, block)
    let soonest = Infinity
    let able = 0
    for (const number of asked) {
      const peer = this.#peers.get(number)
      if (peer === undefined) continue
      soonest = Math.min(soonest, peer.remainingMs(key, now))
      if (peer.snubbedSince === undefined) able++
    }
    if (this.#pace.isSoon(soonest) || (neededMs > 0 && soonest <= neededMs + LATE_MS)) return false
    const queued = asked.map(number => this.#peers.get(number)).filter(peer => isQueued(peer, key))
    if (able - queued.length >= MOST_ASKED && soonest < VERY_LATE_MS) return false
    let best = this.#bestFor(open, block, asked, now, peer => this.#pace.mayTakeOver(peer))
    if (best === undefined || this.#pace.isWorthWhile(soonest, this.#pace.etaMs(best, now))) {
      // Nobody known can help: whoever was never tried may.
      if (soonest < UNTRIED_MS) return false
      best = this.#bestFor(open, block, asked, now, peer => this.#pace.mayTry(peer))
      if (best === undefined) return false
    }
    if (!this.#ask(best, open, block, urgent, now)) return false
    for (const peer of queued) this.#takeBack(open, block, peer)
    return true
  }

  /** The peer that would deliver the block first, of those that were not asked. */
  #bestFor(
    open: OpenPiece,
    block: number,
    asked: readonly PeerNumber[],
    now: number,
    may: (peer: PeerState) => boolean,
  ): PeerState | undefined {
    let best: PeerState | undefined
    let bestEta = Infinity
    for (const peer of this.#peers.values()) {
      if (!peer.serves(open.piece) || asked.includes(peer.number) || open.excludes(block, peer.number))
        continue
      if (peer.outstanding.size >= peer.requestQueue || peer.snubbedSince !== undefined) continue
      if (peer.outstanding.has(this.#table.blockKey(open.piece, block))) continue
      if (!may(peer)) continue
      if (open.avoid.has(peer.number) && !asked.every(number => open.avoid.has(number))) continue
      const eta = this.#pace.etaMs(peer, now)
      if (eta < bestEta) [best, bestEta] = [peer, eta]
    }
    return best
  }
}

/** The free blocks of a piece from `first` on, then those before it. What was yielded may be asked for meanwhile. */
function* freeBlocks(open: OpenPiece, first: number): Generator<number, void, undefined> {
  for (let block = open.nextFree(first); block >= 0; block = open.nextFree(block + 1)) yield block
  if (first === 0) return
  for (let block = open.nextFree(0); block >= 0 && block < first; block = open.nextFree(block + 1))
    yield block
}

/** Whether a peer had no part in failed attempts at this piece, and is known to deliver. */
export function isTrusted(peer: PeerState, open: OpenPiece): boolean {
  return (
    !open.avoid.has(peer.number) &&
    (open.avoid.size === 0 || peer.measured) &&
    peer.snubbedSince === undefined
  )
}

/** Whether any peer that is trusted with the piece would send it. */
export function trustedServe(open: OpenPiece, peers: ReadonlyMap<PeerNumber, PeerState>): boolean {
  for (const peer of peers.values()) if (isTrusted(peer, open) && peer.serves(open.piece)) return true
  return false
}

/**
 * Whether a peer may be asked for a piece that no trusted peer serves. Of the suspects of failed attempts one alone tries
 * again: it convicts itself, or its good copy shows who lied.
 */
export function mayTry(peer: PeerState, open: OpenPiece, peers: ReadonlyMap<PeerNumber, PeerState>): boolean {
  if (open.avoid.size === 0 || open.sole === undefined || open.sole === peer.number) return true
  const sole = peers.get(open.sole)
  if (sole !== undefined && sole.snubbedSince === undefined && sole.serves(open.piece)) return false
  open.sole = undefined
  return true
}

/** Whether a block lies so deep in the peer's queue that a cancel takes it back for sure. */
function isQueued(peer: PeerState | undefined, key: number): peer is PeerState {
  return peer !== undefined && peer.blocksBefore(key) >= SURELY_QUEUED
}
