/**
 * Fetching an info dictionary from peers: whom to ask for which part, and whom to believe. BEP 9.
 *
 * Pure: events in, requests out. Owns the parts until they are whole; must not judge them (the infohash does). Sizes are
 * claims of strangers: parts of one claimed size are never mixed with those of another.
 */
import type { PeerNumber } from './events.js'

/** Bytes in every part but the last. */
const PART_LENGTH = 16384
/** The largest info dictionary that is fetched, in bytes: a million pieces take half of it twice over. */
export const MAX_METADATA_LENGTH = 10 * 1024 * 1024 + 65536
/** Parts asked of one peer at a time. */
const DEPTH = 8
/** A part that has not come after this long is asked of another peer, in ms. */
const PATIENCE_MS = 3000
/** Nor does a reader wait for one slow peer: after this long, in ms, a part is asked of a second one too. */
const RACE_MS = 800
/** When peers are tried one by one, this many are at a time, each with a dictionary of its own. */
const MOST_ALONE = 3

/** A part to be asked of a peer. */
export interface MetadataRequest {
  readonly peer: PeerNumber
  readonly part: number
}

/** A whole dictionary to be checked, and who sent parts of it. */
export interface MetadataCandidate {
  readonly bytes: Uint8Array
  readonly senders: ReadonlySet<PeerNumber>
}

interface Peer {
  readonly number: PeerNumber
  readonly size: number
  /** Part to when it was asked. */
  readonly asked: Map<number, number>
  readonly refused: Set<number>
}

interface Attempt {
  readonly size: number
  readonly bytes: Uint8Array
  readonly have: Set<number>
  readonly senders: Set<PeerNumber>
  /** Every part must come from this peer: mixing failed before. */
  readonly only: PeerNumber | undefined
}

export class MetadataExchange {
  readonly #peers = new Map<PeerNumber, Peer>()
  readonly #attempts = new Set<Attempt>()
  /** Several peers together sent a wrong dictionary: from now on one peer at a time. */
  #alone = false

  /** A peer says it has the dictionary, of `size` bytes. Returns false when that cannot be. */
  offer(peer: PeerNumber, size: number): boolean {
    if (!(size > 0 && size <= MAX_METADATA_LENGTH)) return false
    this.#peers.set(peer, { number: peer, size, asked: new Map(), refused: new Set() })
    return true
  }

  gone(peer: PeerNumber): void {
    this.#peers.delete(peer)
    for (const attempt of this.#attempts) if (attempt.only === peer) this.#attempts.delete(attempt)
  }

  /** The peer will not send this part. */
  refuse(peer: PeerNumber, part: number): void {
    const state = this.#peers.get(peer)
    if (state?.asked.delete(part) === true) state.refused.add(part)
  }

  /** A part came. Returns the dictionary when it is whole. Parts that were not asked for are ignored. */
  receive(
    peer: PeerNumber,
    part: number,
    totalSize: number,
    bytes: Uint8Array,
  ): MetadataCandidate | undefined {
    const state = this.#peers.get(peer)
    const attempt = this.#attemptOf(peer)
    if (state?.asked.delete(part) !== true || attempt === undefined) return undefined
    const expected = Math.min(PART_LENGTH, attempt.size - part * PART_LENGTH)
    if (state.size !== attempt.size || totalSize !== attempt.size || bytes.length !== expected) {
      state.refused.add(part)
      return undefined
    }
    if (attempt.have.has(part)) return undefined
    attempt.bytes.set(bytes, part * PART_LENGTH)
    attempt.have.add(part)
    attempt.senders.add(peer)
    if (attempt.have.size < partCount(attempt.size)) return undefined
    this.#attempts.delete(attempt)
    return { bytes: attempt.bytes, senders: attempt.senders }
  }

  /** A candidate was wrong. Returns who is guilty beyond doubt. */
  rejected(candidate: MetadataCandidate): PeerNumber | undefined {
    if (candidate.senders.size !== 1) {
      this.#alone = true
      return undefined
    }
    const [guilty] = candidate.senders
    if (guilty !== undefined) this.#peers.delete(guilty)
    return guilty
  }

  /** What to ask now, at `now` (ms). Call after every change and once a second. */
  requests(now: number): MetadataRequest[] {
    this.#begin()
    const requests: MetadataRequest[] = []
    for (const attempt of [...this.#attempts]) this.#ask(attempt, now, requests)
    return requests
  }

  #attemptOf(peer: PeerNumber): Attempt | undefined {
    for (const attempt of this.#attempts)
      if (attempt.only === undefined || attempt.only === peer) return attempt
    return undefined
  }

  #ask(attempt: Attempt, now: number, requests: MetadataRequest[]): void {
    const able = [...this.#peers.values()].filter(
      peer => peer.size === attempt.size && (attempt.only === undefined || attempt.only === peer.number),
    )
    const pending = this.#pending(able, now)
    const before = requests.length
    for (let part = 0; part < partCount(attempt.size); part++) {
      if (attempt.have.has(part) || now - (pending.get(part) ?? -Infinity) < RACE_MS) continue
      const free = able.filter(
        peer => peer.asked.size < DEPTH && !peer.asked.has(part) && !peer.refused.has(part),
      )
      if (free.length === 0) continue
      const peer = free.reduce((least, other) => (other.asked.size < least.asked.size ? other : least))
      peer.asked.set(part, now)
      requests.push({ peer: peer.number, part })
    }
    if (requests.length === before && pending.size === 0) this.#giveUp(attempt, able)
  }

  /**
   * Parts whose answer may still come in time, with when they were asked last. A late one stays asked of its peer, but
   * counts no more.
   */
  #pending(peers: readonly Peer[], now: number): Map<number, number> {
    const pending = new Map<number, number>()
    for (const peer of peers) {
      for (const [part, at] of peer.asked) {
        if (now - at < PATIENCE_MS) pending.set(part, Math.max(at, pending.get(part) ?? at))
        else {
          peer.asked.delete(part)
          peer.refused.add(part)
        }
      }
    }
    return pending
  }

  /** Nobody is left to ask for what is missing: forgive the slow ones, or try another size or peer next. */
  #giveUp(attempt: Attempt, able: readonly Peer[]): void {
    this.#attempts.delete(attempt)
    for (const peer of able) peer.refused.clear()
    const first = able[0]
    if (first === undefined) return
    // Last in line for the next attempt.
    this.#peers.delete(first.number)
    this.#peers.set(first.number, first)
  }

  /** Begins one attempt with all that agree on a size; or, once mixing failed, one with each of the first few peers. */
  #begin(): void {
    if (this.#alone) {
      for (const { number, size } of this.#peers.values()) {
        if (this.#attempts.size >= MOST_ALONE) return
        if (this.#attemptOf(number) === undefined) this.#attempts.add(newAttempt(size, number))
      }
    } else if (this.#attempts.size === 0 && this.#peers.size > 0) {
      this.#attempts.add(newAttempt(this.#commonSize(), undefined))
    }
  }

  /** What most peers say; of several, what was said first. */
  #commonSize(): number {
    const votes = new Map<number, number>()
    for (const { size } of this.#peers.values()) votes.set(size, (votes.get(size) ?? 0) + 1)
    let common = 0
    // The first in line decides between equals: it was moved behind when its size led nowhere.
    for (const [size, count] of votes) if (count > (votes.get(common) ?? 0)) common = size
    return common
  }
}

function newAttempt(size: number, only: PeerNumber | undefined): Attempt {
  return { size, bytes: new Uint8Array(size), have: new Set(), senders: new Set(), only }
}

function partCount(size: number): number {
  return Math.ceil(size / PART_LENGTH)
}
