/**
 * The first bytes of a stranger's stream, until they make sense.
 *
 * Owns them. Grows with what has come, never with what is announced. How much may come is for its user to check.
 */

const FIRST_CAPACITY = 1024

/** Bytes from the front of a stream; those that are dealt with are taken off. */
export class GatheredBytes {
  #bytes = new Uint8Array(0)
  #begin = 0
  #end = 0

  /** How many are held. */
  get length(): number {
    return this.#end - this.#begin
  }

  /** What is held: a view, valid until the next {@link add}. */
  get view(): Uint8Array {
    return this.#bytes.subarray(this.#begin, this.#end)
  }

  /** Adds a copy of [0, length) of `source`. */
  add(source: Uint8Array, length: number): void {
    const held = this.length
    if (this.#end + length > this.#bytes.length) {
      let capacity = FIRST_CAPACITY
      while (capacity < held + length) capacity *= 2
      const grown = new Uint8Array(capacity)
      grown.set(this.view)
      this.#bytes = grown
      this.#begin = 0
      this.#end = held
    }
    this.#bytes.set(source.subarray(0, length), this.#end)
    this.#end += length
  }

  /** Takes `count` bytes off the front. The view is valid until the next {@link add}. */
  take(count: number): Uint8Array {
    const begin = this.#begin
    if (count > this.length) throw new RangeError(`${count} of ${this.length} bytes`)
    this.#begin += count
    return this.#bytes.subarray(begin, begin + count)
  }

  /** Where `pattern` begins in what is held, counted from its front; -1 when it is not there. */
  find(pattern: Uint8Array): number {
    return Buffer.from(this.#bytes.buffer, this.#begin, this.length).indexOf(pattern)
  }
}
