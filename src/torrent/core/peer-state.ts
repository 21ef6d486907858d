/**
 * What a torrent knows of one connected peer: what it has, what it owes us, how fast it is.
 *
 * Owns the choke and interest flags, the outstanding requests and the estimates that follow from them. Must not choose
 * what to request.
 */
import { type Bitfield } from '../pieces/bitfield.js'
import { DeliveryEstimate, LEAST_DEPTH, type Asked } from './delivery-estimate.js'
import type { PeerNumber } from './events.js'

/** What BEP 10 has a peer accept that does not say. */
const DEFAULT_REQUEST_QUEUE = 250

export class PeerState {
  readonly number: PeerNumber
  /** Speaks the fast extension (BEP 6). */
  readonly fast: boolean
  readonly incoming: boolean
  /** It answers neighbouring blocks far better than scattered ones (a web seed). */
  readonly runs: boolean
  readonly since: number
  amChoking = true
  amInterested = false
  peerChoking = true
  peerInterested = false
  /** It says that it will download nothing (BEP 21). */
  uploadOnly = false
  /** Pieces it has, when it has some but not all. */
  have: Bitfield | undefined
  hasAll = false
  /** It once said that it lost a piece (BEP 54). */
  loses = false
  /** Whether it has said what it has (by BEP 3 that must come first). */
  saidHave = false
  /** Pieces it sends even while choking us (BEP 6). */
  readonly allowedFast = new Set<number>()
  requestQueue = DEFAULT_REQUEST_QUEUE
  /** Asked and not answered, by block key. Oldest first. */
  readonly outstanding = new Map<number, Asked>()
  /** Cancelled, but an answer may still come. */
  readonly cancelled = new Set<number>()
  /** Delivered nothing of what it owes for too long; undefined when it does deliver. */
  snubbedSince: number | undefined
  /** It was snubbing, and may still owe blocks that were given to others then. */
  strayed = false
  /** Payload bytes, useful and wasted. */
  downloaded = 0
  uploaded = 0
  /** Bytes/s lately, for choking. */
  downloadRate = 0
  uploadRate = 0
  /** Blocks of pieces that failed their hash in which it had a part. */
  failures = 0
  readonly #estimate = new DeliveryEstimate()
  #chokeDown = 0
  #chokeUp = 0
  /** The same, of the interval before. */
  #lastDown = 0
  #lastUp = 0

  constructor(number: PeerNumber, fast: boolean, incoming: boolean, now: number, runs = false) {
    this.number = number
    this.fast = fast
    this.incoming = incoming
    this.runs = runs
    this.since = now
  }

  has(piece: number): boolean {
    return this.hasAll || (this.have?.get(piece) ?? false)
  }

  /** Whether it would answer a request for this piece now. */
  serves(piece: number): boolean {
    return (!this.peerChoking || this.allowedFast.has(piece)) && this.has(piece)
  }

  /** How many requests it should have outstanding. */
  get depth(): number {
    if (this.snubbedSince !== undefined) return 1
    return Math.max(1, Math.min(this.#estimate.depth, this.requestQueue))
  }

  /** Bytes/s it delivers when it is asked for more than it can. */
  get rate(): number {
    return this.#estimate.rate
  }

  get rttMs(): number {
    return this.#estimate.rttMs
  }

  /** When it last delivered a block, or was first asked after an idle time, in ms. */
  get lastDelivery(): number {
    return this.#estimate.latest
  }

  /** Whether it has delivered enough to be judged. */
  get measured(): boolean {
    return this.#estimate.rate > 0
  }

  /** How long it sends at one block, in ms. */
  get blockMs(): number {
    return this.#estimate.blockMs
  }

  /** When a block comes from it while its queue is kept full, in ms after the request. */
  get fullEtaMs(): number {
    return this.#estimate.fullEtaMs
  }

  /** When a block asked of it at `now` should be here, in ms from then. */
  etaMs(now: number): number {
    let eta = this.#estimate.etaMs(this.outstanding.size, this.#oldest(), now)
    // It may be sending a block that was withdrawn: only with the fast extension we hear when it is not.
    if (this.fast && this.cancelled.size > 0) eta += this.blockMs
    return this.snubbedSince === undefined ? eta : eta + 30_000
  }

  /** When a block that it was asked for is to be expected, in ms from now; once it is late, as much later again. */
  remainingMs(key: number, now: number): number {
    const asked = this.outstanding.get(key)
    if (asked === undefined || this.snubbedSince !== undefined) return Infinity
    return this.#estimate.remainingMs(asked, now)
  }

  /** How many blocks it is to send before one that it was asked for. */
  blocksBefore(key: number): number {
    const asked = this.outstanding.get(key)
    return asked === undefined ? 0 : this.#estimate.before(asked)
  }

  /** How long it may deliver nothing of what it owes, by its own pace, in ms: past it, others are asked. */
  patienceMs(): number {
    return this.#estimate.patienceMs(this.outstanding.size)
  }

  asked(key: number, now: number): void {
    // A cancelled request of the same block stays: its refusal must not be taken for one of this request.
    this.outstanding.set(key, this.#estimate.asked(this.outstanding.size, now))
  }

  /** It refused a request. Returns false when that was one we had cancelled, or never made. */
  refused(key: number): boolean {
    if (this.cancelled.delete(key)) return false
    return this.settle(key)
  }

  /** It answered, or never will. Returns false when it was not asked. */
  settle(key: number): boolean {
    return this.#end(key) || this.cancelled.delete(key)
  }

  /** We told it that we do not want this any more. Returns false when it was not asked. */
  cancel(key: number): boolean {
    if (!this.#end(key)) return false
    this.cancelled.add(key)
    return true
  }

  /** Payload arrived for a block it was asked for. Call before {@link settle}. */
  delivered(key: number, bytes: number, now: number): void {
    this.#estimate.delivered(this.outstanding.get(key), bytes, now)
    this.downloaded += bytes
    this.#chokeDown += bytes
    this.snubbedSince = undefined
  }

  /** It was silent for too long: what it owed was taken back, and it is to be asked for less. */
  askLess(): void {
    this.requestQueue = Math.max(
      LEAST_DEPTH,
      Math.floor(Math.min(this.#estimate.depth, this.requestQueue) / 2),
    )
  }

  sent(bytes: number): void {
    this.uploaded += bytes
    this.#chokeUp += bytes
  }

  /** Takes stock of the deliveries since the last call. */
  measure(now: number): void {
    this.#estimate.measure(this.#oldest(), now)
  }

  /** Rates for choking, over the interval since the last call. */
  measureChoking(intervalMs: number): void {
    // Over two intervals: one alone is noise (BEP 3 asks for an average of 20 s).
    this.downloadRate = ((this.#chokeDown + this.#lastDown) * 1000) / (2 * intervalMs)
    this.uploadRate = ((this.#chokeUp + this.#lastUp) * 1000) / (2 * intervalMs)
    this.#lastDown = this.#chokeDown
    this.#lastUp = this.#chokeUp
    this.#chokeDown = 0
    this.#chokeUp = 0
  }

  #oldest(): Asked | undefined {
    if (this.outstanding.size === 0) return undefined
    return this.outstanding.values().next().value
  }

  #end(key: number): boolean {
    const asked = this.outstanding.get(key)
    if (asked === undefined) return false
    this.outstanding.delete(key)
    this.#estimate.ended(asked)
    if (this.outstanding.size === 0) this.strayed = false
    return true
  }
}
