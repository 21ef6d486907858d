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
  #attempt: Attempt | undefined
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
    if (this.#attempt?.only === peer) this.#attempt = undefined
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
    const attempt = this.#attempt
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
    this.#attempt = undefined
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
    const attempt = (this.#attempt ??= this.#start())
    if (attempt === undefined) return []
    const able = [...this.#peers.values()].filter(
      peer => peer.size === attempt.size && (attempt.only === undefined || attempt.only === peer.number),
    )
    const asked = this.#pending(able, now)
    const requests: MetadataRequest[] = []
    for (let part = 0; part < partCount(attempt.size); part++) {
      if (attempt.have.has(part) || asked.has(part)) continue
      const free = able.filter(
        peer => peer.asked.size < DEPTH && !peer.asked.has(part) && !peer.refused.has(part),
      )
      if (free.length === 0) continue
      const peer = free.reduce((least, other) => (other.asked.size < least.asked.size ? other : least))
      peer.asked.set(part, now)
      requests.push({ peer: peer.number, part })
    }
    if (requests.length === 0 && asked.size === 0) this.#giveUp(able)
    return requests
  }

  /** Parts whose answer may still come in time. A late one stays asked of its peer, but counts no more. */
  #pending(peers: readonly Peer[], now: number): Set<number> {
    const pending = new Set<number>()
    for (const peer of peers) {
      for (const [part, at] of peer.asked) {
        if (now - at < PATIENCE_MS) pending.add(part)
        else {
          peer.asked.delete(part)
          peer.refused.add(part)
        }
      }
    }
    return pending
  }

  /** Nobody is left to ask for what is missing: forgive the slow ones, or try another size or peer next. */
  #giveUp(able: readonly Peer[]): void {
    this.#attempt = undefined
    for (const peer of able) peer.refused.clear()
    const first = able[0]
    if (first === undefined) return
    // Last in line for the next attempt.
    this.#peers.delete(first.number)
    this.#peers.set(first.number, first)
  }

  #start(): Attempt | undefined {
    const votes = new Map<number, number>()
    for (const peer of this.#peers.values()) votes.set(peer.size, (votes.get(peer.size) ?? 0) + 1)
    const first = this.#peers.values().next().value
    if (first === undefined) return undefined
    let size = first.size
    if (!this.#alone) for (const [other, count] of votes) if (count > votes.get(size)!) size = other
    return {
      size,
      bytes: new Uint8Array(size),
      have: new Set(),
      senders: new Set(),
      only: this.#alone ? first.number : undefined,
    }
  }
}

function partCount(size: number): number {
  return Math.ceil(size / PART_LENGTH)
}
