/**
 * Who sent the wrong bytes.
 *
 * Owns the digests of pieces that failed their hash until a good copy shows which blocks were wrong. A peer that
 * delivered a whole bad piece alone is guilty at once.
 */
import type { PeerNumber } from './events.js'

const DIGEST = 20
/** A torrent full of liars must not fill the memory: 1,024 failed pieces of 1 MiB keep 1.3 MB. */
const MAX_ATTEMPTS = 1024

interface Attempt {
  readonly digests: Uint8Array
  readonly senders: readonly (PeerNumber | undefined)[]
}

export class Blame {
  readonly #attempts = new Map<number, Attempt[]>()
  #count = 0

  /** Whether the block digests of a good copy of this piece would tell something. */
  wantsDigests(piece: number): boolean {
    return this.#attempts.has(piece)
  }

  /** The peers that had a part in failed attempts at this piece. */
  suspects(piece: number): ReadonlySet<PeerNumber> {
    const suspects = new Set<PeerNumber>()
    for (const attempt of this.#attempts.get(piece) ?? []) {
      for (const sender of attempt.senders) if (sender !== undefined) suspects.add(sender)
    }
    return suspects
  }

  /** A piece failed. Returns who is guilty beyond doubt already. */
  failed(
    piece: number,
    digests: Uint8Array,
    senders: readonly (PeerNumber | undefined)[],
  ): PeerNumber | undefined {
    const distinct = new Set(senders.filter(sender => sender !== undefined))
    if (distinct.size === 1) return [...distinct][0]
    if (this.#count >= MAX_ATTEMPTS) return undefined
    const attempts = this.#attempts.get(piece) ?? []
    attempts.push({ digests, senders })
    this.#attempts.set(piece, attempts)
    this.#count++
    return undefined
  }

  /** A good copy of the piece came: returns those whose blocks differ from it. */
  passed(piece: number, digests: Uint8Array): PeerNumber[] {
    const guilty = new Set<PeerNumber>()
    const attempts = this.#attempts.get(piece) ?? []
    for (const attempt of attempts) {
      attempt.senders.forEach((sender, block) => {
        if (sender !== undefined && differs(digests, attempt.digests, block)) guilty.add(sender)
      })
    }
    this.#attempts.delete(piece)
    this.#count -= attempts.length
    return [...guilty]
  }
}

function differs(a: Uint8Array, b: Uint8Array, block: number): boolean {
  for (let i = block * DIGEST; i < (block + 1) * DIGEST; i++) if (a[i] !== b[i]) return true
  return false
}
