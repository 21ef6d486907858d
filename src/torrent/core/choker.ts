/**
 * Whom to upload to: tit for tat with one optimistic slot (BEP 3), by need of the many when seeding.
 *
 * Pure decision over the peers' states; the core sends what follows.
 */
import type { PeerState } from './peer-state.js'

/** Upload slots, the optimistic one among them. */
export const UPLOAD_SLOTS = 8
/** Rates are compared this often, in ms. */
export const RECHOKE_MS = 10_000
/** The optimistic slot moves on this often, in ms. */
const OPTIMISTIC_MS = 30_000

export class Choker {
  #optimistic: number | undefined
  #optimisticSince = -Infinity

  /**
   * The peers to keep unchoked from now on.
   *
   * @param seeding - We want nothing of them: those that take fastest are served, so that the torrent spreads.
   */
  choose(peers: Iterable<PeerState>, seeding: boolean, now: number): Set<PeerState> {
    const interested = [...peers].filter(peer => peer.peerInterested)
    if (interested.length <= UPLOAD_SLOTS) return new Set(interested)
    const rate = (peer: PeerState): number => (seeding ? peer.uploadRate : peer.downloadRate)
    interested.sort((a, b) => rate(b) - rate(a) || a.number - b.number)
    const chosen = new Set(interested.slice(0, UPLOAD_SLOTS - 1))
    const rest = interested.slice(UPLOAD_SLOTS - 1)
    const held = rest.find(peer => peer.number === this.#optimistic)
    if (held !== undefined && now - this.#optimisticSince < OPTIMISTIC_MS) return chosen.add(held)
    const next = rest.reduce((least, peer) => (peer.unchokedAt < least.unchokedAt ? peer : least))
    this.#optimistic = next.number
    this.#optimisticSince = now
    return chosen.add(next)
  }
}
