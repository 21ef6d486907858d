/**
 * How we stand with each peer: whether we are interested in it, and whether we choke it. BEP 3.
 *
 * Owns both flags and when they change. Must not know requests.
 */
import { Choker, RECHOKE_MS } from './choker.js'
import type { Effect, PeerNumber } from './events.js'
import type { PeerState } from './peer-state.js'
import type { PieceTable } from './piece-table.js'

/** How long interest outlives the last want, in ms: peers that keep us unchoked answer the next read at once. */
const INTEREST_LINGERS_MS = 60_000

export interface RelationsOptions {
  readonly table: PieceTable
  readonly peers: ReadonlyMap<PeerNumber, PeerState>
  /** Whether anything is wanted now that is not stored. */
  readonly wants: () => boolean
  /** How many peers may be unchoked at a time. */
  readonly slots: () => number
  readonly emit: (effect: Effect) => void
}

export class Relations {
  readonly #o: RelationsOptions
  readonly #choker = new Choker()
  #lastChoke = -Infinity
  #wantedAt = -Infinity

  constructor(options: RelationsOptions) {
    this.#o = options
  }

  /** Something was wanted at `now` (ms): interest lasts on from here. */
  noteWant(now: number): void {
    this.#wantedAt = now
  }

  updateInterest(now: number): void {
    for (const peer of this.#o.peers.values()) this.interestIn(peer, now)
  }

  interestIn(peer: PeerState, now: number): void {
    const wanting = this.#o.wants() || now - this.#wantedAt < INTEREST_LINGERS_MS
    const interested = wanting && this.#o.table.lacksSomethingOf(peer)
    if (interested === peer.amInterested) return
    peer.amInterested = interested
    const message = interested ? 'interested' : 'notInterested'
    this.#o.emit({ type: 'send', peer: peer.number, message })
  }

  /** The peer says whether it will download nothing more (BEP 21). */
  setUploadOnly(peer: PeerState, uploadOnly: boolean, now: number): void {
    if (peer.uploadOnly === uploadOnly) return
    peer.uploadOnly = uploadOnly
    this.rechoke(now)
  }

  /** Chokes a peer until rates are compared next: what it asked for, and is to forget, no other message takes back. */
  choke(peer: PeerState): void {
    if (peer.amChoking) return
    peer.amChoking = true
    this.#o.emit({ type: 'send', peer: peer.number, message: 'choke' })
    this.#o.emit({ type: 'clearUploads', peer: peer.number })
  }

  /** Compares rates when it is time to. */
  tick(now: number): void {
    if (now - this.#lastChoke < RECHOKE_MS) return
    for (const peer of this.#o.peers.values()) peer.measureChoking(now - this.#lastChoke)
    this.#lastChoke = now
    this.rechoke(now)
  }

  /** Chooses anew whom to upload to: also when a peer becomes interested or leaves, so that no slot stays empty. */
  rechoke(now: number): void {
    const chosen = this.#choker.choose(this.#o.peers.values(), !this.#o.wants(), this.#o.slots(), now)
    for (const peer of this.#o.peers.values()) {
      if (chosen.has(peer) === !peer.amChoking) continue
      peer.amChoking = !peer.amChoking
      const message = peer.amChoking ? 'choke' : 'unchoke'
      this.#o.emit({ type: 'send', peer: peer.number, message })
      if (peer.amChoking) this.#o.emit({ type: 'clearUploads', peer: peer.number })
    }
  }
}
