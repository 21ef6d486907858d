/**
 * Blocks that cannot wait their turn: those a read waits for, and those that would come too late.
 *
 * Owns the choice of the peer that would deliver first. Who is asked once is not asked again while it may answer.
 */
import type { PeerNumber } from './events.js'
import type { OpenPiece } from './open-piece.js'
import type { PeerState } from './peer-state.js'
import type { PieceTable } from './piece-table.js'

/** Blocks an idle peer takes over from others at a time. */
const MOST_ASSISTED = 16

export interface UrgentBlocksOptions {
  readonly table: PieceTable
  readonly peers: ReadonlyMap<PeerNumber, PeerState>
  readonly ask: (peer: PeerState, open: OpenPiece, block: number, now: number) => void
}

export class UrgentBlocks {
  readonly #table: PieceTable
  readonly #peers: ReadonlyMap<PeerNumber, PeerState>
  readonly #ask: UrgentBlocksOptions['ask']

  constructor(options: UrgentBlocksOptions) {
    this.#table = options.table
    this.#peers = options.peers
    this.#ask = options.ask
  }

  /** Gives each free block of a piece that a read waits for to the peer that would deliver it first. */
  spread(open: OpenPiece, now: number): void {
    const able = [...this.#peers.values()].filter(peer => peer.serves(open.piece))
    const trusted = able.filter(peer => isTrusted(peer, open))
    const peers = trusted.length > 0 ? trusted : able.filter(peer => mayTry(peer, open, this.#peers))
    for (let block = open.nextFree(0); block >= 0; block = open.nextFree(block + 1)) {
      let best: PeerState | undefined
      let bestEta = Infinity
      for (const peer of peers) {
        if (peer.outstanding.size >= peer.requestQueue || open.excludes(block, peer.number)) continue
        // Who was snubbing and is pardoned may still owe it.
        if (peer.outstanding.has(this.#table.blockKey(open.piece, block))) continue
        const eta = peer.etaMs()
        if (eta < bestEta) [best, bestEta] = [peer, eta]
      }
      if (best === undefined) continue
      this.#ask(best, open, block, now)
      if (!open.avoid.has(best.number) || open.sole !== undefined) continue
      // From here on it alone: were it joined by another suspect, a second failure would say as little as the first.
      open.sole = best.number
      peers.splice(0, peers.length, best)
    }
  }

  /** Asks a second peer for blocks of the piece that would come too late from the first. */
  rescue(open: OpenPiece, now: number): void {
    for (let block = 0; block < open.blockCount; block++) {
      if (open.isRequested(block)) this.#rescueBlock(open, block, now)
    }
  }

  /** End game: a peer with nothing else to do takes over blocks that would come much later from others. */
  assist(peer: PeerState, now: number): void {
    if (this.#peers.size < 2 || peer.snubbedSince !== undefined) return
    let room = Math.min(peer.depth, MOST_ASSISTED)
    for (const open of this.#table.open.values()) {
      if (open.phase !== 'fetching' || open.unwantedSince !== undefined || !peer.serves(open.piece)) continue
      for (let block = 0; block < open.blockCount && room > 0; block++) {
        if (open.isRequested(block) && this.#rescueBlock(open, block, now)) room--
      }
    }
  }

  #rescueBlock(open: OpenPiece, block: number, now: number): boolean {
    const asked = open.askedOf(block)
    const key = this.#table.blockKey(open.piece, block)
    let soonest = Infinity
    for (const number of asked) {
      const peer = this.#peers.get(number)
      if (peer !== undefined) soonest = Math.min(soonest, remainingMs(peer, key, now))
    }
    const best = this.#bestFor(open, block, asked)
    if (best === undefined || 2 * best.etaMs() + 20 >= soonest) return false
    this.#ask(best, open, block, now)
    return true
  }

  /** The peer that would deliver the block first, of those that were not asked. */
  #bestFor(open: OpenPiece, block: number, asked: readonly PeerNumber[]): PeerState | undefined {
    let best: PeerState | undefined
    for (const peer of this.#peers.values()) {
      if (!peer.serves(open.piece) || asked.includes(peer.number) || open.excludes(block, peer.number))
        continue
      if (peer.outstanding.size >= peer.requestQueue || peer.snubbedSince !== undefined) continue
      if (peer.outstanding.has(this.#table.blockKey(open.piece, block))) continue
      if (open.avoid.has(peer.number) && !asked.every(number => open.avoid.has(number))) continue
      if (best === undefined || peer.etaMs() < best.etaMs()) best = peer
    }
    return best
  }
}

/** Whether a peer had no part in failed attempts at this piece, and is known to deliver. */
export function isTrusted(peer: PeerState, open: OpenPiece): boolean {
  return (
    !open.avoid.has(peer.number) &&
    (open.avoid.size === 0 || peer.measured) &&
    peer.snubbedSince === undefined
  )
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

/** When a block that was asked of a peer is to be expected, in ms from now; once it is late, as much later again. */
function remainingMs(peer: PeerState, key: number, now: number): number {
  const at = peer.outstanding.get(key)
  if (at === undefined || peer.snubbedSince !== undefined) return Infinity
  const elapsed = now - at
  const eta = peer.etaMs()
  return elapsed < eta ? eta - elapsed : elapsed
}
