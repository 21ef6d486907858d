/**
 * How fast one peer delivers, and when what it was asked for is to be expected.
 *
 * Owns rate, round trip and the depth of its queue. A rate is told by blocks that waited at the peer for one another: what
 * comes alone shows the round trip, and a peer that is asked for little would seem to be slow. Must not know pieces.
 */
import { BLOCK_LENGTH } from '../pieces/geometry.js'

/** One request, as the estimate numbered it. */
export interface Asked {
  /** In ms. */
  readonly at: number
  /** How many requests were made before it. */
  readonly sequence: number
  /** When it must have been answered, unless the peer forgot it. In ms. */
  readonly latest: number
}

/** Requests to begin with, before anything is known of the peer. */
const INITIAL_DEPTH = 16
/** One is being sent while the next one is asked for. */
export const LEAST_DEPTH = 2
/** 8 MiB in flight: with it a loopback peer was never idle; more only delays a seek. */
const MOST_DEPTH = 512
/** Time of queued blocks beyond the round trip, in s: enough to ride out our own hiccups, little enough for seeks. */
const QUEUE_SECONDS = 0.2
/** What is believed of a peer that has not delivered yet. */
const UNKNOWN_RATE = 512 * 1024
export const UNKNOWN_RTT_MS = 150
/** The slowest peer worth waiting for sends a block in this time, in ms. */
const MOST_PATIENCE_MS = 20_000
/** How far the estimate follows one second of deliveries. */
const RATE_MEMORY_MS = 400
/** Silence is no news before this time, in ms. */
const SILENCE_MS = 1000
/** A request is taken for forgotten after this many times what was expected, and this many ms. */
const FORGOTTEN = 4
const FORGOTTEN_MS = 1000
/** Requests that were answered out of turn, at most: beyond, the one that was passed over counts as answered. */
const MOST_GAPS = 256

export class DeliveryEstimate {
  /** When it last delivered a block, or was first asked after an idle time. */
  latest = 0
  /** Since when it has been sending what it owes: from its last block, or a round trip after it was first asked. */
  #sendingFrom = 0
  #rate = 0
  /** Whether the rate was told by blocks that waited for one another. Else it is a lower bound. */
  #known = false
  /** The rate when it last delivered: silence must not make us more patient. */
  #pace = 0
  #rttMs = UNKNOWN_RTT_MS
  #rttKnown = false
  #depth = INITIAL_DEPTH
  #made = 0
  /** All requests before this number were answered or withdrawn. */
  #head = 0
  /** Those beyond it that were, too. */
  readonly #gaps = new Set<number>()
  /** The request whose answer shows the round trip: it found the peer idle. */
  #probe: Asked | undefined
  #busyMs = 0
  #busyBytes = 0

  /** Bytes/s it delivers when it is asked for more than it can; 0 while nothing has come. */
  get rate(): number {
    return this.#rate
  }

  /** The least time from a request to its block's first byte. */
  get rttMs(): number {
    return this.#rttMs
  }

  /** How many requests keep it busy. */
  get depth(): number {
    return this.#depth
  }

  /** How long it sends at one block, in ms. */
  get blockMs(): number {
    return (BLOCK_LENGTH * 1000) / (this.#rate > 0 ? this.#rate : UNKNOWN_RATE)
  }

  /** When a block comes from it while its queue is kept full, in ms after the request. */
  get fullEtaMs(): number {
    return Math.max(this.#rttMs, this.#depth * this.blockMs) + this.blockMs
  }

  /** A request is made while `queued` others are outstanding. */
  asked(queued: number, now: number): Asked {
    const expected = Math.max(this.#rttMs, queued * this.blockMs) + this.blockMs
    const asked = { at: now, sequence: this.#made++, latest: now + FORGOTTEN * expected + FORGOTTEN_MS }
    if (queued > 0) return asked
    this.latest = now
    this.#sendingFrom = now + this.#rttMs
    this.#head = asked.sequence
    this.#gaps.clear()
    return (this.#probe = asked)
  }

  /** A request was answered, refused or withdrawn. */
  ended(asked: Asked): void {
    if (this.#probe === asked) this.#probe = undefined
    if (asked.sequence !== this.#head) this.#gaps.add(asked.sequence)
    // One that is never answered must not be waited for for ever.
    if (asked.sequence === this.#head || this.#gaps.size > MOST_GAPS) {
      do this.#head++
      while (this.#gaps.delete(this.#head))
    }
  }

  /** A block came, for a request that still stood or (undefined) had been withdrawn. Before {@link ended}. */
  delivered(asked: Asked | undefined, bytes: number, now: number): void {
    if (asked !== undefined && asked === this.#probe) this.#learnRtt(now - asked.at, bytes)
    // The request lay at the peer when the block before it had been sent: what passed since is the time of this one.
    else if (asked !== undefined && asked.at + this.#rttMs <= this.latest) {
      this.#busyMs += now - this.latest
      this.#busyBytes += bytes
    }
    // No block is here sooner than a round trip, whatever was thought to be one.
    if (asked !== undefined) this.#rttMs = Math.min(this.#rttMs, Math.max(0.05, now - asked.at))
    if (!this.#known && asked !== undefined) {
      this.#rate = Math.max(this.#rate, (bytes * 1000) / Math.max(0.05, now - asked.at))
      this.#pace = this.#rate
      // Until the first estimate, every block delivered lets one more be asked: it doubles each round trip.
      if (this.#depth < MOST_DEPTH) this.#depth++
    }
    this.latest = now
    this.#sendingFrom = now
  }

  /** Takes stock of the deliveries since the last call; `oldest`: of the requests that stand. */
  measure(oldest: Asked | undefined, now: number): void {
    this.#noteSilence(oldest, now)
    if (this.#busyMs < 20 || this.#busyBytes === 0) return
    const sample = (this.#busyBytes * 1000) / this.#busyMs
    const weight = this.#known ? 1 - Math.exp(-this.#busyMs / RATE_MEMORY_MS) : 1
    this.#rate += (sample - this.#rate) * weight
    // The first round trip was taken before it could be told how much of it the block itself took.
    if (!this.#known) this.#rttMs = Math.max(this.#rttMs / 2, this.#rttMs - this.blockMs)
    this.#known = true
    this.#pace = this.#rate
    this.#busyBytes = 0
    this.#busyMs = 0
    const target = Math.ceil((this.#rate * (this.#rttMs / 1000 + QUEUE_SECONDS)) / BLOCK_LENGTH)
    this.#depth = Math.min(MOST_DEPTH, Math.max(LEAST_DEPTH, Math.min(target, 2 * this.#depth)))
  }

  /** When a block asked for now should be here, in ms; `queued`: requests that stand, `oldest` of them. */
  etaMs(queued: number, oldest: Asked | undefined, now: number): number {
    const blockMs = this.blockMs
    if (oldest === undefined) return this.#rttMs + blockMs
    const late = now - this.#dueOf(oldest)
    if (late > 0) return Math.max(this.#rttMs, queued * blockMs) + blockMs + late
    return Math.max(this.#rttMs, this.#sendingFrom + queued * blockMs - now) + blockMs
  }

  /** When the block of a request is to be expected, in ms from now; once it is late, as much later again. */
  remainingMs(asked: Asked, now: number): number {
    if (now > asked.latest) return now - asked.at
    const left = this.#dueOf(asked) - now
    return left > 0 ? left : -left
  }

  /** How many blocks it is to send before that of a request. */
  before(asked: Asked): number {
    let before = asked.sequence - this.#head
    for (const sequence of this.#gaps) if (sequence < asked.sequence && sequence > this.#head) before--
    return Math.max(0, before)
  }

  /** How long it may deliver nothing of what it owes, by its own pace, in ms: past it, others are asked. */
  patienceMs(queued: number): number {
    const pace = this.#pace > 0 ? this.#pace : UNKNOWN_RATE
    const eta = this.#rttMs + ((queued + 1) * BLOCK_LENGTH * 1000) / pace
    return Math.min(MOST_PATIENCE_MS, Math.max(500, 3 * eta))
  }

  /** Peers answer in order: how many requests stand before this one tells when it comes. */
  #dueOf(asked: Asked): number {
    const blockMs = this.blockMs
    return Math.max(this.#sendingFrom + this.before(asked) * blockMs, asked.at + this.#rttMs) + blockMs
  }

  #learnRtt(took: number, bytes: number): void {
    // The block itself took its time; the rate may be wrong, so that is believed up to one half.
    const sending = this.#known ? (bytes * 1000) / Math.max(1, this.#rate) : 0
    const rtt = Math.max(0.05, took / 2, took - sending)
    this.#rttMs = this.#rttKnown ? Math.min(rtt, this.#rttMs * 1.1) : rtt
    this.#rttKnown = true
  }

  /** In the time that it was silent beyond what was to be expected it cannot have sent a block. */
  #noteSilence(oldest: Asked | undefined, now: number): void {
    if (oldest === undefined || this.#rate === 0 || now < this.#dueOf(oldest)) return
    const silent = now - Math.max(this.latest, oldest.at + this.#rttMs)
    if (silent >= SILENCE_MS) this.#rate = Math.min(this.#rate, (BLOCK_LENGTH * 1000) / silent)
  }
}
