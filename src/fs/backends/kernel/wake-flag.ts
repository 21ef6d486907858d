/**
 * Wakes the session's thread out of its wait for the kernel, and only when it sleeps: a write to an eventfd costs more
 * than all else there is to tell it.
 *
 * Owns two shared words: how much news there was, and whether the thread sleeps. The sleeper announces its sleep and then
 * looks at the news once more, the waker counts its news and then looks for the sleep: one of them sees the other.
 */
const NEWS = 0
const ASLEEP = 1

export class WakeFlag {
  readonly #words: Int32Array
  #seen = 0

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory)
  }

  static memory(): SharedArrayBuffer {
    return new SharedArrayBuffer(8)
  }

  /** There is news. @returns whether the sleeper must be woken */
  announce(): boolean {
    Atomics.add(this.#words, NEWS, 1)
    return Atomics.compareExchange(this.#words, ASLEEP, 1, 0) === 1
  }

  /** Whether there was news since the last call. */
  takeNews(): boolean {
    const news = Atomics.load(this.#words, NEWS)
    if (news === this.#seen) return false
    this.#seen = news
    return true
  }

  /** About to sleep. @returns false when there is news already */
  fallAsleep(): boolean {
    Atomics.store(this.#words, ASLEEP, 1)
    if (Atomics.load(this.#words, NEWS) === this.#seen) return true
    this.wakeUp()
    return false
  }

  wakeUp(): void {
    Atomics.store(this.#words, ASLEEP, 0)
  }
}
