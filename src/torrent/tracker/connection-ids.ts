/**
 * The connection ids of UDP trackers: who has one has shown that it receives at its address (BEP 15).
 *
 * Owns that they cannot be guessed, are good for one address and one to two minutes, and cost no memory: an id is a keyed
 * hash of both. Without them a tracker could be made to send its answers to anyone.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { CONNECTION_ID_LENGTH, CONNECTION_ID_LIFETIME } from '../discovery/udp-messages.js'

/** Gives ids, and tells whose they are. */
export class ConnectionIds {
  readonly #secret = randomBytes(32)

  /** The id for an address (its bytes) at `now` (ms). */
  issue(address: Uint8Array, now: number): Uint8Array {
    return this.#idOf(address, windowOf(now))
  }

  /** Whether an id was given to this address lately. */
  accepts(id: Uint8Array, address: Uint8Array, now: number): boolean {
    if (id.length !== CONNECTION_ID_LENGTH) return false
    const window = windowOf(now)
    return [window, window - 1].some(when => timingSafeEqual(id, this.#idOf(address, when)))
  }

  #idOf(address: Uint8Array, window: number): Uint8Array {
    const digest = createHmac('sha256', this.#secret)
      .update(`${window} ${address.length} `)
      .update(address)
      .digest()
    return new Uint8Array(digest.subarray(0, CONNECTION_ID_LENGTH))
  }
}

function windowOf(now: number): number {
  return Math.floor(now / CONNECTION_ID_LIFETIME)
}
