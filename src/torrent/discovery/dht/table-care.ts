/**
 * Keeps a node's table filled and fresh: begins with a walk to our own neighbours, pings who was silent, walks where nobody
 * walked. BEP 5.
 *
 * Pure; times are of any one clock, ms. Costs a handful of datagrams a minute.
 */
import type { DhtNode } from './dht-node.js'
import { ID_LENGTH } from './node-id.js'
import type { Walk } from './walk.js'

/** How often it looks. */
const CARE_MS = 5000
/** A node that was silent for longer is pinged. */
const SILENT_MS = 10 * 60_000
/** A bucket that lacks nodes, and that no walk touched for longer, gets one. */
const UNTOUCHED_MS = 30 * 60_000
/** A node that knows next to nobody begins again after this, twice as long each time. */
const FIRST_RETRY_MS = 5000
const LONGEST_RETRY_MS = 5 * 60_000
/** Our neighbours are looked up again after this: they are who is asked for us, and whom we answer for. */
const NEIGHBOURS_MS = 20 * 60_000
const PARALLEL = 4
/** Queries of one walk: it may take fewer nodes than there are, but not more time than anyone has. */
const MAX_QUERIES = 40

export class TableCare {
  readonly #node: DhtNode
  readonly #random: (bytes: number) => Uint8Array
  #nextAt = Infinity
  #beginAt = Infinity
  #retryMs = FIRST_RETRY_MS
  #walk: Walk | undefined

  constructor(node: DhtNode, random: (bytes: number) => Uint8Array) {
    this.#node = node
    this.#random = random
  }

  get nextAt(): number {
    return this.#nextAt
  }

  /** Finds our neighbours, as soon as there is anybody to ask. */
  begin(now: number): void {
    this.#nextAt = now + CARE_MS
    this.#beginAt = now
    if (!this.#node.usable) return
    this.#walk?.stop()
    this.#beginAt = now + NEIGHBOURS_MS
    this.#find(this.#node.id, now, at => {
      if (!this.#node.lonely) {
        this.#retryMs = FIRST_RETRY_MS
        return
      }
      this.#beginAt = at + this.#retryMs
      this.#retryMs = Math.min(LONGEST_RETRY_MS, this.#retryMs * 2)
    })
  }

  tick(now: number): void {
    if (now < this.#nextAt) return
    this.#nextAt = now + CARE_MS
    this.#node.peers.expire(now)
    if (now >= this.#beginAt) return this.begin(now)
    const silent = this.#node.table.stalest(now, SILENT_MS)
    if (silent !== undefined) {
      const { id, host, port } = silent
      this.#node.ask({ where: { host, port }, id }, { method: 'ping' }, { answered() {}, failed() {} }, now)
    }
    if (this.#walk?.over === false) return
    const target = this.#node.table.refreshTarget(now, UNTOUCHED_MS, this.#random(ID_LENGTH))
    if (target !== undefined) this.#find(target, now)
  }

  #find(target: Uint8Array, now: number, done?: (now: number) => void): void {
    const walk = this.#node.walk(
      {
        method: 'find_node',
        target,
        parallel: PARALLEL,
        maxQueries: MAX_QUERIES,
        onDone: (_, at) => done?.(at),
      },
      now,
    )
    // It may be over already: then there was nobody to ask.
    this.#walk = walk.over ? undefined : walk
  }
}
