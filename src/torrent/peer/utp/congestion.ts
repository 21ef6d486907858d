/**
 * How many bytes may be under way at a time: LEDBAT. BEP 29, RFC 6817.
 *
 * Owns the window and the delays it is made of. Pure: times come in as arguments. The other side makes up the delays it
 * reports: they may slow us down, or speed us up to what losses allow, and nothing else.
 */
import { elapsed } from './sequence.js'

/** The delay that our packets may add to the way, in microseconds: above it others suffer, and we give way. */
const TARGET = 100_000
/** How many bytes the window grows in one round trip with nobody in the way. */
const GAIN = 3000
/** Packets under way at the start, as TCP has them today (RFC 6928). */
const FIRST_PACKETS = 10
const LEAST_PACKETS = 2
/** 100 Mbit/s over 160 ms. It bounds what one connection keeps in memory. */
const MOST_BYTES = 2 * 1024 * 1024
/** How many minutes the shortest delay is remembered for: clocks drift, and ways change. */
const MINUTES = 10
const MINUTE_MS = 60_000
/** The delay counts as the least of so many: one packet that waited says nothing. */
const SAMPLES = 3

export class Congestion {
  readonly #packet: number
  #window: number
  #slowStart = true
  /** Where slow start ends next time. */
  #threshold = MOST_BYTES
  /** The shortest delay of each minute, the latest last. */
  readonly #minutes: number[] = []
  #minuteBegan = 0
  readonly #recent: number[] = []
  #sample = 0

  /** @param packetBytes - The payload of a full packet. */
  constructor(packetBytes: number) {
    this.#packet = packetBytes
    this.#window = FIRST_PACKETS * packetBytes
  }

  /** Bytes that may be under way. */
  get window(): number {
    return this.#window
  }

  /** How long packets wait on the way, in microseconds. */
  get delay(): number {
    return this.#recent.length === 0 ? 0 : Math.min(...this.#recent)
  }

  /**
   * The other side reports how long a packet of ours took, by both clocks.
   *
   * @param difference - Microseconds modulo 2^32: what the clocks differ by is in it.
   * @param now - ms
   * @param roundTripMs - No packet waited longer than that; it corrects clocks that drift. Undefined: not known.
   */
  measured(difference: number, now: number, roundTripMs: number | undefined): void {
    const minutes = this.#minutes
    const last = minutes.length - 1
    if (last < 0 || now - this.#minuteBegan >= MINUTE_MS) {
      this.#minuteBegan = now
      if (minutes.push(difference) > MINUTES) minutes.shift()
    } else if (elapsed(minutes[last]!, difference) < 0) {
      minutes[last] = difference
    }
    let shortest = difference
    for (const minute of minutes) if (elapsed(shortest, minute) < 0) shortest = minute
    const waited = Math.max(0, elapsed(shortest, difference))
    this.#recent[this.#sample] = roundTripMs === undefined ? waited : Math.min(waited, roundTripMs * 1000)
    this.#sample = (this.#sample + 1) % SAMPLES
  }

  /**
   * Bytes arrived.
   *
   * @param limited - Whether the window was what kept us from sending more: one that nobody fills does not grow.
   */
  acked(bytes: number, limited: boolean): void {
    const delay = this.delay
    if (this.#slowStart && delay <= 0.9 * TARGET) {
      if (limited) this.#set(this.#window + bytes)
      if (this.#window >= this.#threshold) this.#slowStart = false
      return
    }
    this.#slowStart = false
    const offTarget = Math.max(-1, (TARGET - delay) / TARGET)
    if (offTarget > 0 && !limited) return
    this.#set(this.#window + (GAIN * offTarget * Math.min(bytes, this.#window)) / this.#window)
  }

  /** Packets were lost: told once for all that were under way together. */
  lost(): void {
    this.#slowStart = false
    this.#set(this.#window / 2)
    this.#threshold = this.#window
  }

  /** Nothing arrived for too long. */
  timedOut(): void {
    this.#threshold = Math.max(this.#window / 2, LEAST_PACKETS * this.#packet)
    this.#window = this.#packet
    this.#slowStart = true
  }

  #set(window: number): void {
    this.#window = Math.min(MOST_BYTES, Math.max(LEAST_PACKETS * this.#packet, window))
  }
}
