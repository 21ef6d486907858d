/**
 * Time as a simulation has it: what is to happen, in order, and nothing in between.
 *
 * Owns the agenda. What is due at the same time happens in the order it was put down.
 */

interface Entry {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

/** Deterministic numbers in [0, 1). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

export class VirtualClock {
  /** Ms since the beginning. */
  now = 0
  /** A binary heap: the earliest entry first. */
  readonly #agenda: Entry[] = []
  #order = 0

  /** Runs `task` after `delay` ms; a negative delay counts as none. */
  after(delay: number, task: () => void): void {
    this.at(this.now + delay, task)
  }

  /** Runs `task` at `time`, or at once if that is past. */
  at(time: number, task: () => void): void {
    const agenda = this.#agenda
    const entry = { at: Math.max(time, this.now), order: this.#order++, run: task }
    let place = agenda.push(entry) - 1
    while (place > 0) {
      const parent = (place - 1) >> 1
      if (!isBefore(entry, agenda[parent]!)) break
      agenda[place] = agenda[parent]!
      place = parent
    }
    agenda[place] = entry
  }

  /** Lets time go by until `done` is true; false when it took longer than `ms`. */
  run(ms: number, done: () => boolean = () => false): boolean {
    const end = this.now + ms
    while (!done()) {
      const next = this.#agenda[0]
      if (next === undefined || next.at > end) {
        this.now = end
        return done()
      }
      this.#takeFirst()
      this.now = next.at
      next.run()
    }
    return true
  }

  #takeFirst(): void {
    const agenda = this.#agenda
    const last = agenda.pop()!
    if (agenda.length === 0) return
    let place = 0
    for (;;) {
      let child = 2 * place + 1
      if (child >= agenda.length) break
      if (child + 1 < agenda.length && isBefore(agenda[child + 1]!, agenda[child]!)) child++
      if (!isBefore(agenda[child]!, last)) break
      agenda[place] = agenda[child]!
      place = child
    }
    agenda[place] = last
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}
