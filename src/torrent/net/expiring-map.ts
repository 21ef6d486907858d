/**
 * A map whose entries expire and whose size is capped, for keys that come from torrents, so from anyone.
 *
 * Owns forgetting: an entry past its time, else the oldest when full. Must not read a clock. Pure.
 */

/** Entries with an end. Times are of any one clock, ms. */
export class ExpiringMap<K, V> {
  readonly #max: number
  readonly #entries = new Map<K, { readonly value: V; readonly expiresAt: number }>()

  /** @param max most entries held */
  constructor(max: number) {
    this.#max = max
  }

  /** Entries held, expired ones among them until they are asked for. */
  get size(): number {
    return this.#entries.size
  }

  get(key: K, now: number): V | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    if (now < entry.expiresAt) return entry.value
    this.#entries.delete(key)
    return undefined
  }

  set(key: K, value: V, expiresAt: number): void {
    this.#entries.delete(key)
    if (this.#entries.size >= this.#max) {
      for (const oldest of this.#entries.keys()) {
        this.#entries.delete(oldest)
        break
      }
    }
    this.#entries.set(key, { value, expiresAt })
  }

  delete(key: K): void {
    this.#entries.delete(key)
  }
}
