/**
 * Which addresses are to be called with encryption at once, since nothing else was taken there.
 *
 * Pure. Must stay small however many addresses there are: the ones noted longest ago are forgotten.
 */
import { formatAddress, toPeerAddress, type HostPort } from './address.js'
import type { EncryptionPolicy, Greeting } from './encryption.js'

const CAPACITY = 4096

/** What all torrents of a client have learnt of addresses. */
export class GreetingMemory {
  readonly #encrypted = new Set<string>()

  /** In which ways to call an address, the likeliest first. */
  order(address: HostPort, policy: EncryptionPolicy): readonly Greeting[] {
    if (policy === 'disable') return ['plain']
    if (policy === 'require') return ['encrypted']
    return this.#encrypted.has(keyOf(address)) ? ['encrypted', 'plain'] : ['plain', 'encrypted']
  }

  /** An address has answered such a call, or somebody says that it will. */
  note(address: HostPort, greeting: Greeting): void {
    const key = keyOf(address)
    this.#encrypted.delete(key)
    if (greeting === 'plain') return
    this.#encrypted.add(key)
    if (this.#encrypted.size <= CAPACITY) return
    for (const oldest of this.#encrypted) {
      this.#encrypted.delete(oldest)
      return
    }
  }
}

function keyOf(address: HostPort): string {
  return formatAddress(toPeerAddress(address))
}
