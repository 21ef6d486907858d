/**
 * Which addresses this client has nothing to do with, and how often that mattered.
 *
 * Owns the ranges in force and the counters. Where the ranges come from is the blocklist's business.
 */
import { IpRanges } from './ip-ranges.js'

/** On what occasion an address was turned away. `known`: a tracker, a peer or the DHT told of it. */
export type BlockedOccasion = 'known' | 'dial' | 'incoming' | 'datagram' | 'tracker' | 'webseed' | 'other'

/** How often addresses were turned away. */
export type BlockedCounts = Readonly<Record<BlockedOccasion, number>>

export class IpFilter {
  #ranges = IpRanges.none
  readonly #counts: Record<BlockedOccasion, number> = {
    known: 0,
    dial: 0,
    incoming: 0,
    datagram: 0,
    tracker: 0,
    webseed: 0,
    other: 0,
  }

  /** Puts other ranges in force. What is connected stays connected: who cares closes it. */
  replace(ranges: IpRanges): void {
    this.#ranges = ranges
  }

  /** Ranges in force. */
  get size(): number {
    return this.#ranges.size
  }

  /** Bytes they take. */
  get byteLength(): number {
    return this.#ranges.byteLength
  }

  get counts(): BlockedCounts {
    return { ...this.#counts }
  }

  /** Whether an address is blocked; false for names. Does not count. */
  has(host: string): boolean {
    return this.#ranges.size > 0 && this.#ranges.has(host)
  }

  /** Whether an address is blocked; false for names. Counts if it is. */
  blocks(host: string, occasion: BlockedOccasion): boolean {
    if (!this.has(host)) return false
    this.#counts[occasion]++
    return true
  }
}
