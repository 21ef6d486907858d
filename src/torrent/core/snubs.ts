/**
 * Peers that owe blocks and send none: when to give their blocks to others, and when to take them back.
 *
 * Owns the two decisions. What they owe stays theirs to deliver between them: a hiccup of the network must not cost what is
 * on its way.
 */
import type { OpenPiece } from './open-piece.js'
import type { PeerState } from './peer-state.js'
import type { PieceTable } from './piece-table.js'

/** A peer that delivered nothing of what it owes for this long, in ms, or longer by its own pace, is snubbing. */
const SNUB_MS = 2000
/** Who is snubbing for this long, in ms, is told that we want nothing of what it owes. */
const STALL_MS = 4000

export interface SnubsOptions {
  readonly table: PieceTable
  /** Lets others be asked for a block. */
  readonly unask: (open: OpenPiece, block: number, peer: PeerState) => void
  /** Tells the peer that a block is not wanted any more. */
  readonly takeBack: (peer: PeerState, key: number) => void
}

export class Snubs {
  readonly #o: SnubsOptions

  constructor(options: SnubsOptions) {
    this.#o = options
  }

  /** Looks at one peer. Call ten times a second while it owes anything. */
  check(peer: PeerState, now: number): void {
    if (peer.outstanding.size === 0) return
    if (peer.snubbedSince !== undefined) {
      if (now - peer.snubbedSince > STALL_MS) this.#startAnew(peer)
    } else if (now - peer.lastDelivery >= Math.max(SNUB_MS, peer.patienceMs())) this.#snubs(peer, now)
  }

  /** It may still answer, and then its blocks are taken; but others may be asked for them. */
  #snubs(peer: PeerState, now: number): void {
    const { table } = this.#o
    peer.snubbedSince = now
    peer.strayed = true
    for (const key of peer.outstanding.keys()) {
      const open = table.open.get(table.pieceOfKey(key))
      if (open === undefined) continue
      open.exclude(table.blockOfKey(key), peer.number)
      this.#o.unask(open, table.blockOfKey(key), peer)
    }
  }

  /**
   * Some lose their way in a long queue (too many requests for their memory, a disk that failed) and go on when it is short.
   * And while it owes so much, nothing is asked that would show whether it answers again.
   */
  #startAnew(peer: PeerState): void {
    const { table } = this.#o
    peer.askLess()
    for (const key of [...peer.outstanding.keys()]) {
      this.#o.takeBack(peer, key)
      const open = table.open.get(table.pieceOfKey(key))
      if (open === undefined) continue
      // It may have been asked for one block or another since it is snubbing.
      this.#o.unask(open, table.blockOfKey(key), peer)
      open.pardon(peer.number)
    }
  }
}
