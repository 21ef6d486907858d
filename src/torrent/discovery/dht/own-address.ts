/**
 * Our address as others see it, by vote of the nodes that answer us (BEP 42), and whether strangers reach us (BEP 43).
 *
 * Pure; times are of any one clock, ms. One voice may lie: several different hosts must agree, and more of them than on
 * anything else.
 */
import type { HostPort } from '../../metainfo/addresses.js'
import { whereIs } from './contact.js'

const QUORUM = 5
const MAX_VOTES = 50
/** Nodes we must have spoken to before silence of strangers means anything. */
const ENOUGH_CONTACTS = 100
const ENOUGH_MS = 5 * 60_000
/** How often a node that nobody reaches shows itself again, in ms: the router may have got a mapping. */
const RETRY_MS = 60 * 60_000
const MAX_SPOKEN = 2000

export class OwnAddress {
  /** By voting host, the eldest vote first. */
  readonly #votes = new Map<string, string>()
  readonly #spoken = new Set<string>()
  #seenAs: string | undefined
  #distinct = 0
  #since: number
  #reached = false

  constructor(now: number) {
    this.#since = now
  }

  /** An IP literal; undefined while there is no agreement. */
  get seenAs(): string | undefined {
    return this.#seenAs
  }

  /** A node at `voter` sees us at `host`. @returns whether the agreement changed */
  vote(voter: string, host: string): boolean {
    this.#votes.delete(voter)
    this.#votes.set(voter, host)
    if (this.#votes.size > MAX_VOTES) {
      for (const eldest of this.#votes.keys()) {
        this.#votes.delete(eldest)
        break
      }
    }
    const counts = new Map<string, number>()
    for (const seen of this.#votes.values()) counts.set(seen, (counts.get(seen) ?? 0) + 1)
    const count = counts.get(host)!
    if (host === this.#seenAs || count < QUORUM || count * 2 <= this.#votes.size) return false
    this.#seenAs = host
    return true
  }

  /** We sent something there: what comes from there may come through a hole that we made. */
  spokeTo(to: HostPort): void {
    const where = whereIs(to)
    if (this.#spoken.has(where)) return
    this.#distinct++
    this.#spoken.add(where)
    if (this.#spoken.size <= MAX_SPOKEN) return
    for (const eldest of this.#spoken) {
      this.#spoken.delete(eldest)
      break
    }
  }

  /** Somebody asks us something. */
  askedBy(from: HostPort): void {
    if (!this.#reached && !this.#spoken.has(whereIs(from))) this.#reached = true
  }

  /**
   * Whether it seems that nobody can ask us: we have spoken to many for a while, and no stranger has ever come. Such a node says
   * so, and others do not waste queries on it (BEP 43).
   */
  isUnreachable(now: number): boolean {
    if (this.#reached || this.#distinct < ENOUGH_CONTACTS) return false
    const age = now - this.#since
    if (age > RETRY_MS) this.#since = now
    return age > ENOUGH_MS && age <= RETRY_MS
  }
}
