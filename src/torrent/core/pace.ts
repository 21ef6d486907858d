/**
 * How fast the swarm is as a whole: when what lies ahead of a reader will be needed, and who can deliver it by then.
 *
 * Owns the measure of all peers together, taken ten times a second. Pure decisions over the peers' states.
 *
 * Of 200 peers most take most of a second for one block. What they are asked for must be needed later than that, or it comes
 * too late and is asked for twice: near the reader only the fast ones are of use, far ahead of it all are.
 */
import { BLOCK_LENGTH } from '../pieces/geometry.js'
import { UNKNOWN_RTT_MS } from './delivery-estimate.js'
import type { PeerState } from './peer-state.js'

/** Blocks asked of peers nothing is known of, all together: one each of many, several of few. */
const FIRST_BLOCKS = 32
const MOST_FIRST = 16
/** What comes within this time, in ms, is not worth a thought. */
const SLACK_MS = 20
const MOST_CHANCE_MS = 1500
/** Few are fast: a peer nothing is known of is taken to be this many times slower than the average. */
const UNKNOWN_SLOWER = 4

export class Pace {
  /** Bytes/s of all peers that send. */
  #total = 0
  #measured = 0
  /** How soon a block comes from the quickest peer: with its queue full, and with it empty. In ms. */
  #quickestFull = Infinity
  #quickest = 0
  /** How many blocks to ask of a peer nothing is known of. */
  firstDepth = MOST_FIRST

  /** Takes the measure of all peers. */
  measure(peers: Iterable<PeerState>): void {
    this.#total = 0
    this.#measured = 0
    this.#quickestFull = Infinity
    this.#quickest = Infinity
    let willing = 0
    for (const peer of peers) {
      if (peer.peerChoking || peer.snubbedSince !== undefined) continue
      willing++
      if (!peer.measured) continue
      this.#measured++
      this.#total += peer.rate
      this.#quickestFull = Math.min(this.#quickestFull, peer.fullEtaMs)
      this.#quickest = Math.min(this.#quickest, peer.rttMs + peer.blockMs)
    }
    if (this.#measured === 0) this.#quickest = 0
    this.firstDepth = Math.max(1, Math.min(MOST_FIRST, Math.floor(FIRST_BLOCKS / Math.max(1, willing))))
  }

  /** Within this time, in ms, a block that is late must be asked of someone else in order to be here when it is needed. */
  get lastChanceMs(): number {
    return Math.min(MOST_CHANCE_MS, 2 * this.#quickestFull + SLACK_MS)
  }

  /** When a reader needs what lies `distance` bytes ahead of it if all comes as fast as it can, in ms from now. */
  neededMs(distance: number): number {
    return this.#total > 0 ? SLACK_MS + (distance * 1000) / this.#total : 0
  }

  /** When a block asked of the peer now should be here, in ms from now: an unknown peer is expected to be slow. */
  etaMs(peer: PeerState, now: number): number {
    if (peer.measured || this.#measured === 0) return peer.etaMs(now)
    return UNKNOWN_RTT_MS + (peer.outstanding.size + 1) * this.#usualBlockMs
  }

  /** How many blocks that are needed in `neededMs` to ask of a peer: what it cannot bring by then, others had better. */
  inTime(peer: PeerState, neededMs: number, now: number): number {
    if (peer.snubbedSince !== undefined) return this.#total > 0 ? 0 : 1
    if (this.#measured === 0) return Infinity
    const blockMs = peer.measured ? peer.blockMs : this.#usualBlockMs
    const eta = this.etaMs(peer, now)
    // Of those that are late anyhow it may be among the first.
    const limit = Math.max(neededMs, 2 * this.#quickestFull + SLACK_MS)
    return eta > limit ? 0 : 1 + Math.floor((limit - eta) / blockMs)
  }

  /** Whether a peer may be asked for what others owe: one nothing is known of only while nothing is known of anyone. */
  mayTakeOver(peer: PeerState): boolean {
    return peer.measured || (this.#measured === 0 && peer.outstanding.size < this.firstDepth)
  }

  /** Whether a peer nothing is known of may be asked for more, to learn what it can do. */
  mayTry(peer: PeerState): boolean {
    return !peer.measured && peer.outstanding.size < this.firstDepth
  }

  /** Whether `soonest` (ms) cannot be much improved on by asking anyone else. */
  isSoon(soonest: number): boolean {
    return this.isWorthWhile(soonest, this.#quickest)
  }

  /** Whether a block that comes in `eta` should not be asked of someone else from whom it comes in `other`, in ms. */
  isWorthWhile(eta: number, other: number): boolean {
    return eta <= 2 * other + SLACK_MS
  }

  get #usualBlockMs(): number {
    return (BLOCK_LENGTH * 1000 * UNKNOWN_SLOWER * this.#measured) / this.#total
  }
}
