/**
 * A lookup under way: sends what {@link Lookup} says, and hands over what the answers bring as it comes. BEP 5.
 *
 * Pure but for what it is given to send with. Once stopped it sends nothing more and reports nothing more.
 */
import type { HostPort } from '../../metainfo/addresses.js'
import type { Contact } from './contact.js'
import type { KrpcReply, OwnQuery } from './krpc.js'
import { Lookup, type Announceable, type Candidate } from './lookup.js'
import type { Outcome } from './transactions.js'

/** What a walk uses of its node. */
export interface WalkNode {
  /** Asks a node. False when too much is under way. */
  ask(candidate: Candidate, query: OwnQuery, outcome: Outcome<KrpcReply>, now: number): boolean
  /** Nodes an answer tells of that may be believed. */
  believable(reply: KrpcReply, from: HostPort): readonly Contact[]
  /** Peers an answer tells of that may be believed. */
  believablePeers(reply: KrpcReply, from: HostPort): readonly HostPort[]
}

/** What comes of a walk. */
export interface WalkResult {
  /** Nodes that were asked. */
  readonly queries: number
  readonly answers: number
  /** Peers that were told of, repetitions not counted. */
  readonly peers: number
  /** Where to announce: the nearest nodes that gave a token. */
  readonly announceable: readonly Announceable[]
}

export interface WalkOptions {
  readonly method: 'find_node' | 'get_peers'
  /** 20 bytes. */
  readonly target: Uint8Array
  readonly parallel: number
  readonly wants: readonly (4 | 6)[]
  readonly maxQueries?: number
  /** Called with what nobody told of before, as it comes. */
  readonly onPeers?: (peers: readonly HostPort[]) => void
  /** A query was sent. */
  readonly onQuery?: (now: number) => void
  /** Called once, unless the walk is stopped. */
  readonly onDone?: (result: WalkResult, now: number) => void
}

/** Different peers of one walk: more than anyone can use. */
const MAX_PEERS = 2000

export class Walk {
  readonly lookup: Lookup
  readonly #node: WalkNode
  readonly #o: WalkOptions
  readonly #peers = new Set<string>()
  #answers = 0
  #over = false
  #pumping = false

  constructor(node: WalkNode, options: WalkOptions) {
    this.#node = node
    this.#o = options
    this.lookup = new Lookup(options)
  }

  get over(): boolean {
    return this.#over
  }

  /** Sends what is to be sent now. */
  pump(now: number): void {
    // An outcome may come while we send: it is seen to when the sending is done.
    if (this.#over || this.#pumping) return
    this.#pumping = true
    const { method, target, wants, onQuery } = this.#o
    for (let next = this.lookup.next(); next !== undefined; next = this.lookup.next()) {
      if (!this.#node.ask(next, { method, target, wants }, this.#outcome(next), now)) this.lookup.failed(next)
      else onQuery?.(now)
    }
    this.#pumping = false
    if (this.#over || !this.lookup.done) return
    this.#over = true
    this.#o.onDone?.(this.#result(), now)
  }

  /** Ends it without a word. Idempotent. */
  stop(): void {
    this.#over = true
  }

  #outcome(candidate: Candidate): Outcome<KrpcReply> {
    return {
      answered: (reply, now) => {
        // Late answers of a walk that is done: the peers are welcome all the same, but nobody waits for them.
        if (this.#over) return
        this.#answers++
        this.lookup.answered(candidate, reply.id, reply.token)
        this.lookup.add(this.#node.believable(reply, candidate.where))
        this.#tell(this.#node.believablePeers(reply, candidate.where))
        this.pump(now)
      },
      late: now => {
        this.lookup.late(candidate)
        this.pump(now)
      },
      failed: now => {
        this.lookup.failed(candidate)
        this.pump(now)
      },
    }
  }

  #tell(peers: readonly HostPort[]): void {
    const fresh = peers.filter(({ host, port }) => {
      const size = this.#peers.size
      return size < MAX_PEERS && this.#peers.add(`${host} ${port}`).size > size
    })
    if (fresh.length > 0) this.#o.onPeers?.(fresh)
  }

  #result(): WalkResult {
    return {
      queries: this.lookup.queries,
      answers: this.#answers,
      peers: this.#peers.size,
      announceable: this.lookup.announceable(),
    }
  }
}
