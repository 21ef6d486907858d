/**
 * How many datagrams of strangers are looked at, and how many bytes they are answered with.
 *
 * Pure; times are of any one clock, ms. Answers to our own queries are not limited here: their number is that of the queries.
 * A query of 100 bytes with a forged sender may be answered with 1,200: so answers are capped per host and in all.
 */

/** So much at once, so much a second thereafter. */
export class Bucket {
  readonly #burst: number
  readonly #perSecond: number
  #level: number
  #at: number

  constructor({ burst, perSecond }: { readonly burst: number; readonly perSecond: number }, now: number) {
    this.#burst = burst
    this.#perSecond = perSecond
    this.#level = burst
    this.#at = now
  }

  /** What may be taken now; less than 0 after more was taken than there was. */
  level(now: number): number {
    this.#level = Math.min(this.#burst, this.#level + (Math.max(0, now - this.#at) / 1000) * this.#perSecond)
    this.#at = now
    return this.#level
  }

  /** Takes an amount, whether it is there or not. */
  spend(amount: number, now: number): void {
    this.#level = this.level(now) - amount
  }

  /** Takes an amount if anything is there. */
  take(amount: number, now: number): boolean {
    if (this.level(now) <= 0) return false
    this.#level -= amount
    return true
  }

  /** Nothing was taken of it for long enough that it is as new. */
  isFull(now: number): boolean {
    return this.level(now) >= this.#burst
  }
}

/** Queries of one host. A lookup asks a node once; a host has several nodes at most, or a NAT's customers. */
const OF_HOST = { burst: 50, perSecond: 10 }
/** Datagrams of strangers in all: one costs some 50 us. */
const OF_ALL = { burst: 2000, perSecond: 1000 }
/** Bytes of answers in all. */
const BYTES = { burst: 512 * 1024, perSecond: 128 * 1024 }
const MAX_HOSTS = 4096

export class FlowLimit {
  readonly #hosts = new Map<string, Bucket>()
  readonly #all: Bucket
  readonly #bytes: Bucket

  constructor(now: number) {
    this.#all = new Bucket(OF_ALL, now)
    this.#bytes = new Bucket(BYTES, now)
  }

  /** Whether to look at a datagram of this host. */
  admits(host: string, now: number): boolean {
    let bucket = this.#hosts.get(host)
    if (bucket === undefined) {
      if (this.#hosts.size >= MAX_HOSTS) this.#forget(now)
      bucket = new Bucket(OF_HOST, now)
      this.#hosts.set(host, bucket)
    }
    return bucket.take(1, now) && this.#all.take(1, now)
  }

  /** Whether to answer with so many bytes. */
  maySend(bytes: number, now: number): boolean {
    return this.#bytes.take(bytes, now)
  }

  /** Forgets hosts that were quiet; when all are busy (their addresses are forged), the eldest half. */
  #forget(now: number): void {
    for (const [host, bucket] of this.#hosts) if (bucket.isFull(now)) this.#hosts.delete(host)
    if (this.#hosts.size < MAX_HOSTS / 2) return
    for (const host of this.#hosts.keys()) {
      this.#hosts.delete(host)
      if (this.#hosts.size <= MAX_HOSTS / 2) return
    }
  }
}
