/**
 * Tokens: who announces a peer to us proves that he has asked us before, from the same address. BEP 5.
 *
 * Owns the secrets. Remembers nobody: a token is a keyed hash of the address, and the key changes.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'

/** A token is good for one to two of these, in ms. */
const ROTATION_MS = 5 * 60_000
const TOKEN_LENGTH = 8
const SECRET_LENGTH = 16

export class Tokens {
  readonly #random: (bytes: number) => Uint8Array
  #secret: Uint8Array
  #previous: Uint8Array
  #rotatedAt: number

  /** @param random gives so many random bytes */
  constructor(random: (bytes: number) => Uint8Array, now: number) {
    this.#random = random
    this.#secret = random(SECRET_LENGTH)
    this.#previous = random(SECRET_LENGTH)
    this.#rotatedAt = now
  }

  /** What a host must send back to announce. 8 bytes. */
  of(host: string, now: number): Uint8Array {
    this.#rotate(now)
    return tokenOf(this.#secret, host)
  }

  /** Whether the host got this token from us lately. */
  isValid(token: Uint8Array, host: string, now: number): boolean {
    this.#rotate(now)
    if (token.length !== TOKEN_LENGTH) return false
    return [this.#secret, this.#previous].some(secret => timingSafeEqual(token, tokenOf(secret, host)))
  }

  #rotate(now: number): void {
    const age = now - this.#rotatedAt
    if (age < ROTATION_MS) return
    this.#previous = age < 2 * ROTATION_MS ? this.#secret : this.#random(SECRET_LENGTH)
    this.#secret = this.#random(SECRET_LENGTH)
    this.#rotatedAt = now
  }
}

function tokenOf(secret: Uint8Array, host: string): Uint8Array {
  return createHmac('sha1', secret).update(host).digest().subarray(0, TOKEN_LENGTH)
}
