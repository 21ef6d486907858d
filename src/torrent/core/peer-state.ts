/**
 * What a torrent knows of one connected peer: what it has, what it owes us, how fast it is.
 *
 * Owns the choke and interest flags, the outstanding requests and the estimates that follow from them. Must not choose
 * what to request.
 */
import { BLOCK_LENGTH } from '../pieces/geometry.js'
import { type Bitfield } from '../pieces/bitfield.js'
import type { PeerNumber } from './events.js'

/** Requests to begin with, before anything is known of the peer. */
const INITIAL_DEPTH = 16
const LEAST_DEPTH = 4
/** 8 MiB in flight: with it a loopback peer was never idle; more only delays a seek. */
const MOST_DEPTH = 512
/** What BEP 10 has a peer accept that does not say. */
const DEFAULT_REQUEST_QUEUE = 250
/** Time of queued blocks beyond the round trip, in s: enough to ride out our own hiccups, little enough for seeks. */
const QUEUE_SECONDS = 0.2
/** What is believed of a peer that has not delivered yet. */
const UNKNOWN_RATE = 512 * 1024
const UNKNOWN_RTT_MS = 150
/** How far the estimate follows one second of deliveries. */
const RATE_MEMORY_MS = 400

export class PeerState {
  readonly number: PeerNumber
  /** Speaks the fast extension (BEP 6). */
  readonly fast: boolean
  readonly incoming: boolean
  readonly since: number
  amChoking = true
  amInterested = false
  peerChoking = true
  peerInterested = false
  /** Pieces it has, when it has some but not all. */
  have: Bitfield | undefined
  hasAll = false
  /** Whether it has said what it has (by BEP 3 that must come first). */
  saidHave = false
  /** Pieces it sends even while choking us (BEP 6). */
  readonly allowedFast = new Set<number>()
  requestQueue = DEFAULT_REQUEST_QUEUE
  /** Asked and not answered: block key to the time it was asked. Oldest first. */
  readonly outstanding = new Map<number, number>()
  /** Cancelled, but an answer may still come. */
  readonly cancelled = new Set<number>()
  /** Delivered nothing of what it owes for too long; undefined when it does deliver. */
  snubbedSince: number | undefined
  /** It was snubbing, and may still owe blocks that were given to others then. */
  strayed = false
  /** When it last delivered a block, or was first asked after an idle time. */
  lastDelivery = 0
  /** Payload bytes, useful and wasted. */
  downloaded = 0
  uploaded = 0
  /** Bytes/s lately, for choking. */
  downloadRate = 0
  uploadRate = 0
  /** Blocks of pieces that failed their hash in which it had a part. */
  failures = 0
  /** When it was last unchoked by us, for the optimistic slot. */
  unchokedAt = -Infinity
  #rate = 0
  #rttMs = UNKNOWN_RTT_MS
  #rttKnown = false
  #depth = INITIAL_DEPTH
  #probe: { key: number; at: number } | undefined
  #busySince: number | undefined
  #busyMs = 0
  #busyBytes = 0
  #chokeDown = 0
  #chokeUp = 0

  constructor(number: PeerNumber, fast: boolean, incoming: boolean, now: number) {
    this.number = number
    this.fast = fast
    this.incoming = incoming
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
    return Math.max(1, Math.min(this.#depth, this.requestQueue, MOST_DEPTH))
  }

  /** Bytes/s it delivers when it is asked for more than it can. */
  get rate(): number {
    return this.#rate
  }

  get rttMs(): number {
    return this.#rttMs
  }

  /** Whether it has delivered enough to be judged. */
  get measured(): boolean {
    return this.#rate > 0
  }

  /** When a block asked of it now should be here, in ms from now. */
  etaMs(extraBlocks = 0): number {
    const rate = this.#rate > 0 ? this.#rate : UNKNOWN_RATE
    const eta = this.#rttMs + ((this.outstanding.size + extraBlocks + 1) * BLOCK_LENGTH * 1000) / rate
    return this.snubbedSince === undefined ? eta : eta + 30_000
  }

  /** When a block of one piece's size asked of it should have come at the latest: past it, others are asked. */
  patienceMs(): number {
    return Math.max(500, 3 * this.etaMs())
  }

  asked(key: number, now: number): void {
    if (this.outstanding.size === 0) {
      this.lastDelivery = now
      this.#busySince = now
      this.#probe = { key, at: now }
    }
    // A cancelled request of the same block stays: its refusal must not be taken for one of this request.
    this.outstanding.set(key, now)
  }

  /** It refused a request. Returns false when that was one we had cancelled, or never made. */
  refused(key: number, now: number): boolean {
    if (this.cancelled.delete(key)) return false
    return this.settle(key, now)
  }

  /** It answered, or never will. Returns false when it was not asked. */
  settle(key: number, now: number): boolean {
    if (!this.outstanding.delete(key)) return this.cancelled.delete(key)
    if (this.#probe?.key === key) this.#probe = undefined
    if (this.outstanding.size === 0) this.#idle(now)
    return true
  }

  /** We told it that we do not want this any more. */
  cancel(key: number, now: number): void {
    if (!this.outstanding.delete(key)) return
    if (this.#probe?.key === key) this.#probe = undefined
    this.cancelled.add(key)
    if (this.outstanding.size === 0) this.#idle(now)
  }

  /** Payload arrived for a block it was asked for. Call before {@link settle}. */
  delivered(key: number, bytes: number, now: number): void {
    if (this.#probe?.key === key) {
      const rtt = Math.max(0.05, now - this.#probe.at)
      this.#rttMs = this.#rttKnown ? Math.min(rtt, this.#rttMs * 1.1) : rtt
      this.#rttKnown = true
      this.#probe = undefined
    }
    this.downloaded += bytes
    this.#busyBytes += bytes
    this.#chokeDown += bytes
    this.lastDelivery = now
    this.snubbedSince = undefined
    // Until the first estimate, every block delivered lets one more be asked: it doubles each round trip.
    if (this.#rate === 0 && this.#depth < MOST_DEPTH) this.#depth++
  }

  sent(bytes: number): void {
    this.uploaded += bytes
    this.#chokeUp += bytes
  }

  /** Takes stock of the deliveries since the last call. */
  measure(now: number): void {
    if (this.#busySince !== undefined) {
      this.#busyMs += now - this.#busySince
      this.#busySince = now
    }
    if (this.#busyMs < 20) return
    const silent = this.#busyBytes === 0 && this.#busyMs < 1000
    if (silent) return
    const sample = (this.#busyBytes * 1000) / this.#busyMs
    const weight = this.#rate === 0 ? 1 : 1 - Math.exp(-this.#busyMs / RATE_MEMORY_MS)
    this.#rate += (sample - this.#rate) * weight
    this.#busyBytes = 0
    this.#busyMs = 0
    const target = Math.ceil((this.#rate * (this.#rttMs / 1000 + QUEUE_SECONDS)) / BLOCK_LENGTH)
    this.#depth = Math.min(MOST_DEPTH, Math.max(LEAST_DEPTH, Math.min(target, 2 * this.#depth)))
  }

  /** Rates for choking, over the interval since the last call. */
  measureChoking(intervalMs: number): void {
    this.downloadRate = (this.#chokeDown * 1000) / intervalMs
    this.uploadRate = (this.#chokeUp * 1000) / intervalMs
    this.#chokeDown = 0
    this.#chokeUp = 0
  }

  #idle(now: number): void {
    this.strayed = false
    if (this.#busySince !== undefined) this.#busyMs += now - this.#busySince
    this.#busySince = undefined
  }
}
