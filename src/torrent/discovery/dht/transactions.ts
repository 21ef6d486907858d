/**
 * Our queries that are under way: which reply belongs to which, and which are late or lost. BEP 5.
 *
 * Pure; times are of any one clock, ms. A reply counts only from the address that was asked and with the number it was asked
 * under: four random bytes, so that a stranger who forges addresses has to guess them.
 */
import type { HostPort } from '../../metainfo/addresses.js'
import { whereIs } from './contact.js'

/** What becomes of a query: one of the last two, once; `late` before it at most once. */
export interface Outcome<T> {
  answered(reply: T, now: number): void
  /** It takes longer than most do. */
  late?(now: number): void
  failed(now: number): void
}

interface Pending<T> {
  readonly where: string
  readonly sentAt: number
  lateAt: number
  readonly lostAt: number
  readonly outcome: Outcome<T>
}

/** A query is lost after this, in ms: far nodes behind a full line have answered by then. */
export const LOST_MS = 4000
/** Most queries under way at a time. */
export const MAX_PENDING = 1024
const FIRST_LATE_MS = 500
const LEAST_LATE_MS = 100
const MOST_LATE_MS = 1000

export class Transactions<T> {
  readonly #random: (bytes: number) => Uint8Array
  readonly #pending = new Map<string, Pending<T>>()
  /** How many queries are under way to an address. */
  readonly #asked = new Map<string, number>()
  #roundTrip: number | undefined
  #variance = 0

  /** @param random gives so many random bytes */
  constructor(random: (bytes: number) => Uint8Array) {
    this.#random = random
  }

  get size(): number {
    return this.#pending.size
  }

  /** After how many ms a query is late: most answers have come by then. */
  get lateMs(): number {
    if (this.#roundTrip === undefined) return FIRST_LATE_MS
    return Math.min(MOST_LATE_MS, Math.max(LEAST_LATE_MS, this.#roundTrip + 4 * this.#variance))
  }

  /** Whether an answer of this address is expected. */
  expects(from: HostPort): boolean {
    return this.#asked.has(whereIs(from))
  }

  /** Begins a query; returns its number, or undefined when too many are under way. */
  begin(to: HostPort, outcome: Outcome<T>, now: number): Uint8Array | undefined {
    if (this.#pending.size >= MAX_PENDING) return undefined
    const transaction = this.#random(4)
    const key = keyOf(transaction)
    if (this.#pending.has(key)) return undefined
    const where = whereIs(to)
    this.#asked.set(where, (this.#asked.get(where) ?? 0) + 1)
    this.#pending.set(key, { where, sentAt: now, lateAt: now + this.lateMs, lostAt: now + LOST_MS, outcome })
    return transaction
  }

  /** Takes the query that an answer with this number from this address belongs to; undefined when there is none. */
  take(transaction: Uint8Array, from: HostPort, now: number): Outcome<T> | undefined {
    const key = keyOf(transaction)
    const pending = this.#pending.get(key)
    if (pending === undefined || pending.where !== whereIs(from)) return undefined
    this.#forget(key, pending)
    this.#measure(now - pending.sentAt)
    return pending.outcome
  }

  /** Reports what is late or lost by now. */
  expire(now: number): void {
    // What an outcome begins is looked at with the rest: it is not late yet.
    for (const [key, pending] of this.#pending) {
      if (now >= pending.lostAt) {
        this.#forget(key, pending)
        pending.outcome.failed(now)
      } else if (now >= pending.lateAt) {
        pending.lateAt = Infinity
        pending.outcome.late?.(now)
      }
    }
  }

  #forget(key: string, { where }: Pending<T>): void {
    this.#pending.delete(key)
    const left = this.#asked.get(where)! - 1
    if (left === 0) this.#asked.delete(where)
    else this.#asked.set(where, left)
  }

  /** RFC 6298's estimate, over all nodes: what counts is what is usual. */
  #measure(ms: number): void {
    if (this.#roundTrip === undefined) {
      this.#roundTrip = ms
      this.#variance = ms / 2
      return
    }
    this.#variance += (Math.abs(ms - this.#roundTrip) - this.#variance) / 8
    this.#roundTrip += (ms - this.#roundTrip) / 8
  }
}

function keyOf(transaction: Uint8Array): string {
  return Buffer.from(transaction.buffer, transaction.byteOffset, transaction.byteLength).toString('hex')
}
