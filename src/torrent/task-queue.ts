/**
 * Tasks that wait for one another: so many run at a time, the rest in the order they came.
 *
 * Owns the order. Knows nothing of what the tasks do.
 */
export class TaskQueue {
  readonly #most: number
  readonly #waiting: (() => void)[] = []
  #running = 0

  /** @param most - tasks that run at a time */
  constructor(most: number) {
    this.#most = most
  }

  /** Runs a task when its turn has come. @throws what the task throws */
  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#most) await new Promise<void>(resolve => this.#waiting.push(resolve))
    else this.#running++
    try {
      return await task()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#running--
      else next()
    }
  }
}
