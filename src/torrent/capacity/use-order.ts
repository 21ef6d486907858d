/**
 * Pieces of all torrents in the order of their last use, the longest ago first.
 *
 * Owns the order alone: what counts as use, and which piece may go, others say. Pure. Every step is O(1), a search for a
 * piece that may go costs what it passes over.
 */
export class UseOrder {
  /** A map keeps the order of insertion. */
  readonly #keys = new Map<number, true>()

  get size(): number {
    return this.#keys.size
  }

  has(key: number): boolean {
    return this.#keys.has(key)
  }

  /** A piece is there now: that counts as use. One that was there keeps its place. */
  add(key: number): void {
    this.#keys.set(key, true)
  }

  /** A piece is used; nothing happens when it is not there. */
  touch(key: number): void {
    if (this.#keys.delete(key)) this.#keys.set(key, true)
  }

  delete(key: number): boolean {
    return this.#keys.delete(key)
  }

  /** Takes out all keys of [begin, end). */
  deleteRange(begin: number, end: number): void {
    for (const key of this.#keys.keys()) if (key >= begin && key < end) this.#keys.delete(key)
  }

  /**
   * Takes out the piece used longest ago of those that `may` go. Those it passes over are in use, which is why they may not:
   * they are moved behind all others.
   *
   * @returns undefined when none may
   */
  takeOldest(may: (key: number) => boolean): number | undefined {
    for (let left = this.#keys.size; left > 0; left--) {
      const [key] = this.#keys.keys()
      this.#keys.delete(key!)
      if (may(key!)) return key
      this.#keys.set(key!, true)
    }
    return undefined
  }
}
