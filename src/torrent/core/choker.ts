/**
 * Whom to upload to: tit for tat with an optimistic slot, in turns when seeding. BEP 3.
 *
 * Pure decision over the peers' states; the core sends what follows. Nothing here is left to chance: who is new comes
 * three times as often to the optimistic slot because turns are shared out by weight.
 */
import type { PeerNumber } from './events.js'
import type { PeerState } from './peer-state.js'

/** Upload slots without a rate limit, the optimistic one among them. */
export const UPLOAD_SLOTS = 8
/** Rates are compared this often, in ms. */
export const RECHOKE_MS = 10_000
/** The optimistic slot moves on this often, in ms. */
export const OPTIMISTIC_MS = 30_000
/** Weight of a peer that never had a turn, where others have 1. */
const NEW_WEIGHT = 3
/** Less than this for each peer, in bytes/s, is worth nothing to anyone: under a rate limit there are fewer slots. */
const LEAST_SLOT_RATE = 16 * 1024

/** How many slots an upload limit in bytes/s is shared by; 0: no limit. */
export function uploadSlots(rateLimit: number): number {
  if (rateLimit === 0) return UPLOAD_SLOTS
  return Math.max(2, Math.min(UPLOAD_SLOTS, Math.floor(rateLimit / LEAST_SLOT_RATE)))
}

export class Choker {
  /** Peers whose turn it is, to when it began. */
  readonly #turns = new Map<PeerNumber, number>()
  /** Peers that had a turn, the longest ago first. */
  readonly #served = new Set<PeerNumber>()
  /** How much of a turn is due to those who never had one. */
  #dueToNew = 0

  /**
   * The peers to keep unchoked from now on.
   *
   * @param seeding - We want nothing of them. Half of the slots go to those that take fastest, so that the torrent
   * spreads, half in turns, so that everyone gets something.
   * @param slots - How many may be unchoked; 0 for none.
   */
  choose(peers: Iterable<PeerState>, seeding: boolean, slots: number, now: number): Set<PeerState> {
    const all = [...peers]
    this.#forget(all)
    // Who says that it will download nothing needs no slot, whatever else it says.
    const interested = slots > 0 ? all.filter(peer => peer.peerInterested && !peer.uploadOnly) : []
    if (interested.length <= slots) return new Set(interested)
    const rate = (peer: PeerState): number => (seeding ? peer.uploadRate : peer.downloadRate)
    const deserving = interested
      // Rates are of the last 20 s: who snubs us that long has none, and gets nothing but optimistic slots.
      .filter(peer => rate(peer) > 0)
      .sort((a, b) => rate(b) - rate(a) || a.number - b.number)
    const regular = seeding ? Math.floor(slots / 2) : slots - 1
    const chosen = new Set(deserving.slice(0, regular))
    // Slots that nobody deserves are optimistic ones too.
    this.#takeTurns(interested, chosen, slots - chosen.size, now)
    return chosen
  }

  /** Fills `free` slots with those whose turn it is, and then with those who are most due one. */
  #takeTurns(interested: readonly PeerState[], chosen: Set<PeerState>, free: number, now: number): void {
    const rest = interested.filter(peer => !chosen.has(peer))
    for (const [number, since] of this.#turns) if (now - since >= OPTIMISTIC_MS) this.#turns.delete(number)
    for (const peer of rest) {
      if (free === 0) return
      if (!this.#turns.has(peer.number)) continue
      chosen.add(peer)
      free--
    }
    const waiting = new Set(rest.filter(peer => !chosen.has(peer)))
    for (; free > 0 && waiting.size > 0; free--) {
      const next = this.#next(waiting)
      waiting.delete(next)
      this.#turns.set(next.number, now)
      this.#served.delete(next.number)
      this.#served.add(next.number)
      chosen.add(next)
    }
  }

  /** Turns go to the new and to the others as their weights say, and among each in order. */
  #next(waiting: ReadonlySet<PeerState>): PeerState {
    const newcomers = [...waiting].filter(peer => !this.#served.has(peer.number))
    const weight = NEW_WEIGHT * newcomers.length
    this.#dueToNew += weight / (weight + waiting.size - newcomers.length)
    const newcomer = newcomers[0]
    if (newcomer !== undefined && this.#dueToNew >= 0.5) {
      this.#dueToNew -= 1
      return newcomer
    }
    const byNumber = new Map(Array.from(waiting, peer => [peer.number, peer]))
    for (const number of this.#served) {
      const peer = byNumber.get(number)
      if (peer !== undefined) return peer
    }
    return newcomer!
  }

  #forget(connected: readonly PeerState[]): void {
    if (this.#served.size === 0) return
    const numbers = new Set(connected.map(peer => peer.number))
    for (const number of this.#served) {
      if (numbers.has(number)) continue
      this.#served.delete(number)
      this.#turns.delete(number)
    }
  }
}
