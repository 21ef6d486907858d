/**
 * One walk through the DHT towards a target: asks the nearest nodes it knows for nearer ones, until the nearest have
 * answered. BEP 5.
 *
 * Pure: it says whom to ask, and is told what came of it. Owns the order and the parallelism. A node that takes longer than
 * others do is not waited for: another is asked beside it, and its answer still counts when it comes.
 */
import type { HostPort } from '../../metainfo/addresses.js'
import { whereIs, type Contact } from './contact.js'
import { compareDistance } from './node-id.js'
import { BUCKET_SIZE } from './routing-table.js'

type State = 'fresh' | 'asked' | 'late' | 'answered' | 'failed'

/** Somebody to ask. Of a router the id is not known. */
export interface Candidate {
  readonly where: HostPort
  readonly id: Uint8Array | undefined
}

interface Known extends Candidate {
  id: Uint8Array | undefined
  state: State
  token: Uint8Array | undefined
}

/** A node near the target, and what it wants to hear when we announce. */
export interface Announceable {
  readonly contact: Contact
  readonly token: Uint8Array
}

export interface LookupOptions {
  /** 20 bytes. */
  readonly target: Uint8Array
  /** Queries that may be under way at a time, those not counted that are late. */
  readonly parallel: number
  /** At most so many nodes are asked in all. */
  readonly maxQueries?: number
}

/** Beyond this the farthest candidates are forgotten. */
const MAX_CANDIDATES = 128
const MAX_QUERIES = 256

export class Lookup {
  readonly target: Uint8Array
  readonly #parallel: number
  readonly #maxQueries: number
  /** The nearest first. */
  readonly #known: Known[] = []
  /** Nodes whose id is not known: asked before all others. */
  readonly #routers: Known[] = []
  readonly #seen = new Set<string>()
  #asked = 0
  #late = 0
  #queries = 0

  constructor({ target, parallel, maxQueries }: LookupOptions) {
    this.target = target
    this.#parallel = parallel
    this.#maxQueries = maxQueries ?? MAX_QUERIES
  }

  /** Queries sent so far. */
  get queries(): number {
    return this.#queries
  }

  /** Learns of nodes. */
  add(contacts: Iterable<Contact>): void {
    for (const { id, host, port } of contacts) {
      const where = { host, port }
      if (!this.#isNew(where)) continue
      this.#place({ where, id, state: 'fresh', token: undefined })
    }
  }

  /** Learns of addresses whose ids are not known. */
  addRouters(addresses: Iterable<HostPort>): void {
    for (const where of addresses) {
      if (this.#isNew(where)) this.#routers.push({ where, id: undefined, state: 'fresh', token: undefined })
    }
  }

  /** Whom to ask next, now; undefined: wait for answers, or all is asked. Counts as asked. */
  next(): Candidate | undefined {
    if (this.#asked >= this.#parallel || this.#queries >= this.#maxQueries) return undefined
    const next = this.#routers.find(({ state }) => state === 'fresh') ?? this.#nextKnown()
    if (next === undefined) return undefined
    next.state = 'asked'
    this.#asked++
    this.#queries++
    return next
  }

  /** A candidate answered, and this is its id. */
  answered(candidate: Candidate, id: Uint8Array, token: Uint8Array | undefined): void {
    const known = candidate as Known
    this.#settle(known, 'answered')
    known.token = token
    if (known.id !== undefined) return
    known.id = id
    this.#routers.splice(this.#routers.indexOf(known), 1)
    this.#place(known)
  }

  /** A candidate has not answered as fast as others do. */
  late(candidate: Candidate): void {
    const known = candidate as Known
    if (known.state !== 'asked') return
    known.state = 'late'
    this.#asked--
    this.#late++
  }

  /** A candidate will not answer. */
  failed(candidate: Candidate): void {
    this.#settle(candidate as Known, 'failed')
  }

  /** Nobody is left to ask or to wait for. Late ones are waited for while fewer than eight have answered. */
  get done(): boolean {
    if (this.#asked > 0) return false
    const exhausted = this.#queries >= this.#maxQueries
    if (
      !exhausted &&
      (this.#routers.some(({ state }) => state === 'fresh') || this.#nextKnown() !== undefined)
    )
      return false
    return this.#late === 0 || this.#known.filter(({ state }) => state === 'answered').length >= BUCKET_SIZE
  }

  /** The nearest nodes that answered with a token, at most eight. */
  announceable(): Announceable[] {
    const found: Announceable[] = []
    for (const { where, id, state, token } of this.#known) {
      if (state !== 'answered' || id === undefined || token === undefined) continue
      found.push({ contact: { id, host: where.host, port: where.port }, token })
      if (found.length === BUCKET_SIZE) break
    }
    return found
  }

  /** The nearest that nobody has asked, unless eight nearer ones have answered or are about to. */
  #nextKnown(): Known | undefined {
    let nearer = 0
    for (const known of this.#known) {
      if (known.state === 'fresh') return known
      // Who is late may be dead: the walk does not count on it.
      if (known.state === 'answered' || known.state === 'asked') nearer++
      if (nearer === BUCKET_SIZE) return undefined
    }
    return undefined
  }

  #isNew(where: HostPort): boolean {
    const key = whereIs(where)
    if (this.#seen.has(key) || this.#seen.size > MAX_QUERIES * 16) return false
    this.#seen.add(key)
    return true
  }

  #place(known: Known): void {
    const id = known.id!
    let low = 0
    let high = this.#known.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (compareDistance(this.target, this.#known[middle]!.id!, id) <= 0) low = middle + 1
      else high = middle
    }
    // One id, one node: a second one that claims it is a liar or the same node under another address.
    const before = this.#known[low - 1]
    if (before !== undefined && compareDistance(this.target, before.id!, id) === 0 && known.state === 'fresh')
      return
    this.#known.splice(low, 0, known)
    if (this.#known.length <= MAX_CANDIDATES) return
    const last = this.#known[this.#known.length - 1]!
    if (last.state !== 'asked' && last.state !== 'late') this.#known.pop()
  }

  #settle(known: Known, state: 'answered' | 'failed'): void {
    if (known.state === 'asked') this.#asked--
    else if (known.state === 'late') this.#late--
    known.state = state
  }
}
