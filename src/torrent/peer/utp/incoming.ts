/**
 * What has come from the other side: in order, for being read, and out of order, for later. BEP 29.
 *
 * Owns those bytes, and never keeps more than the window it grants. Pure. Whoever sends is a stranger: what does not fit
 * is dropped, as if it were lost on the way, and comes again.
 */
import { advance, distance } from './sequence.js'

/** Memory that many connections share for what they keep: a counter of bytes, with a limit. */
export interface SharedRoom {
  readonly limit: number
  used: number
}

/** How far ahead packets are kept, in packets. */
const MOST_AHEAD = 1024
/** The longest mask that is sent, in bytes: what is further ahead is told later. */
const MASK_BYTES = 64
/** What a packet costs beside its payload: empty ones are not free. */
const PACKET_OVERHEAD = 128

export class Incoming {
  readonly #capacity: number
  readonly #shared: SharedRoom
  /** The last packet that came with all before it. */
  #ack: number
  #ready: Uint8Array[] = []
  #readyBytes = 0
  /** Read already, of the first of `#ready`. */
  #offset = 0
  readonly #early = new Map<number, Uint8Array>()
  #earlyBytes = 0
  #fin: number | undefined

  /**
   * @param ack - The number before the first packet.
   * @param capacity - How many bytes to keep at most.
   */
  constructor(ack: number, capacity: number, shared: SharedRoom) {
    this.#ack = ack
    this.#capacity = capacity
    this.#shared = shared
  }

  get ack(): number {
    return this.#ack
  }

  /** Bytes that can be read. */
  get readable(): number {
    return this.#readyBytes
  }

  /** The end has come, and everything before it. */
  get ended(): boolean {
    return this.#fin !== undefined && this.#ack === this.#fin
  }

  /** How many bytes may come. */
  get window(): number {
    const own = this.#capacity - this.#readyBytes - this.#earlyBytes
    return Math.max(0, Math.min(own, this.#shared.limit - this.#shared.used))
  }

  /**
   * Takes a packet with payload, or the end.
   *
   * @returns whether it is to be acknowledged: what came before is, too, since its acknowledgement may be lost
   */
  take(sequence: number, payload: Uint8Array, isEnd: boolean): boolean {
    const ahead = distance(this.#ack, sequence) - 1
    if (ahead < 0) return true
    if (ahead >= MOST_AHEAD || this.ended) return false
    if (this.#fin !== undefined && distance(this.#fin, sequence) > 0) return false
    if (isEnd) this.#fin ??= sequence
    if (ahead > 0) return this.#keep(sequence, payload)
    // Never refused for want of shared room: that would stop for ever what others must end.
    if (payload.length > this.#capacity - this.#readyBytes) return false
    this.#append(payload)
    this.#follow()
    return true
  }

  /** Which packets came out of order, for the other side; undefined: none. */
  selectiveAck(): Uint8Array | undefined {
    if (this.#early.size === 0) return undefined
    let last = -1
    for (const sequence of this.#early.keys()) last = Math.max(last, distance(this.#ack, sequence) - 2)
    const mask = new Uint8Array(Math.min(MASK_BYTES, Math.ceil((last + 1) / 32) * 4))
    for (const sequence of this.#early.keys()) {
      const bit = distance(this.#ack, sequence) - 2
      if (bit < mask.length * 8) mask[bit >> 3]! |= 1 << (bit & 7)
    }
    return mask
  }

  /** Moves what can be read into `target`. @returns how many bytes */
  read(target: Uint8Array): number {
    let length = 0
    let taken = 0
    while (taken < this.#ready.length) {
      const first = this.#ready[taken]!
      const count = Math.min(first.length - this.#offset, target.length - length)
      target.set(
        this.#offset === 0 && count === first.length
          ? first
          : first.subarray(this.#offset, this.#offset + count),
        length,
      )
      length += count
      if (this.#offset + count < first.length) {
        this.#offset += count
        break
      }
      this.#offset = 0
      taken++
    }
    if (taken > 0) this.#ready = taken === this.#ready.length ? [] : this.#ready.slice(taken)
    this.#readyBytes -= length
    this.#shared.used -= length
    return length
  }

  /** Forgets everything. */
  clear(): void {
    this.#shared.used -= this.#readyBytes + this.#earlyBytes
    this.#ready = []
    this.#early.clear()
    this.#readyBytes = 0
    this.#earlyBytes = 0
  }

  #keep(sequence: number, payload: Uint8Array): boolean {
    if (this.#early.has(sequence)) return true
    const cost = payload.length + PACKET_OVERHEAD
    if (cost > this.window) return false
    this.#early.set(sequence, payload)
    this.#earlyBytes += cost
    this.#shared.used += cost
    return true
  }

  #append(payload: Uint8Array): void {
    this.#ack = advance(this.#ack, 1)
    if (payload.length === 0) return
    this.#ready.push(payload)
    this.#readyBytes += payload.length
    this.#shared.used += payload.length
  }

  /** What came too early may follow now. */
  #follow(): void {
    while (this.#early.size > 0 && !this.ended) {
      const sequence = advance(this.#ack, 1)
      const payload = this.#early.get(sequence)
      if (payload === undefined) return
      this.#early.delete(sequence)
      this.#earlyBytes -= payload.length + PACKET_OVERHEAD
      this.#shared.used -= payload.length + PACKET_OVERHEAD
      this.#append(payload)
    }
  }
}
