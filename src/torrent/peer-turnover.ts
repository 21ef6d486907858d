/**
 * Which peer makes room for a stranger: one that is of no use, when there is any.
 *
 * Owns what was seen of the peers since it was first asked. How often room is made is limited here, so that strangers
 * cannot push each other, and everybody else, out. No clock: times are given, in ms.
 */
import type { PeerNumber } from './core/events.js'
import type { PeerState } from './core/peer-state.js'

/** A peer that exchanged no payload for this long, in ms, may go; and nobody before he was there as long. */
const IDLE_MS = 60_000
/** Room is made this often at most, in ms. */
const TURNOVER_MS = 5_000

/** What is known of a connected peer. */
export interface TurnoverCandidate {
  readonly number: PeerNumber
  /** Undefined before the metadata is known. */
  readonly state: PeerState | undefined
  /** Payload bytes that went either way. */
  readonly payload: number
  /** Not to be dropped: the user named it. */
  readonly pinned: boolean
}

interface Seen {
  payload: number
  /** When `payload` was first seen. */
  since: number
}

export class PeerTurnover {
  #seen = new Map<PeerNumber, Seen>()
  #madeAt = -Infinity

  /**
   * The peer to drop so that a stranger finds room; undefined when all are worth more, are not known for long enough, or
   * room was made a moment ago. Call whenever somebody finds no room: idleness is seen from call to call.
   */
  choose(candidates: readonly TurnoverCandidate[], now: number): PeerNumber | undefined {
    this.#look(candidates, now)
    if (now - this.#madeAt < TURNOVER_MS) return undefined
    let worst: TurnoverCandidate | undefined
    for (const candidate of candidates) {
      if (candidate.pinned || this.#idleFor(candidate, now) < IDLE_MS) continue
      if (worst === undefined || this.#isWorse(candidate, worst, now)) worst = candidate
    }
    if (worst !== undefined) this.#madeAt = now
    return worst?.number
  }

  #look(candidates: readonly TurnoverCandidate[], now: number): void {
    const seen = new Map<PeerNumber, Seen>()
    for (const { number, payload } of candidates) {
      const before = this.#seen.get(number)
      seen.set(number, before?.payload === payload ? before : { payload, since: now })
    }
    this.#seen = seen
  }

  #idleFor({ number }: TurnoverCandidate, now: number): number {
    return now - (this.#seen.get(number)?.since ?? now)
  }

  #isWorse(a: TurnoverCandidate, b: TurnoverCandidate, now: number): boolean {
    const difference = worth(a) - worth(b)
    return difference === 0 ? this.#idleFor(a, now) > this.#idleFor(b, now) : difference < 0
  }
}

/** How much may still come of a peer that is idle: it waits for a slot of ours, or we for one of its. */
function worth({ state }: TurnoverCandidate): number {
  if (state === undefined) return 0
  return Number(state.peerInterested) + 2 * Number(state.amInterested && state.snubbedSince === undefined)
}
