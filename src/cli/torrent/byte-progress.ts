/**
 * How far a command is with bytes it counts: a bar on a terminal, now and then a line elsewhere, nothing beside JSON.
 *
 * Must not know what the bytes are.
 */

import type { Context } from './context.js'
import type { ProgressBar, ProgressBars } from './progress.js'
import { formatBytes, formatRate, formatTime } from './quantities.js'

/** Lines without a terminal come this often, in ms. */
const LINE_MS = 5000

/** One count of bytes. */
export class ByteProgress {
  readonly #context: Context
  readonly #label: string
  readonly #startedAt = performance.now()
  readonly #bars: ProgressBars | undefined
  #bar: ProgressBar | undefined
  #lineAt = this.#startedAt + LINE_MS

  private constructor(context: Context, label: string, bars: ProgressBars | undefined) {
    this.#context = context
    this.#label = label
    this.#bars = bars
  }

  /** @param label what stands before the bar, and begins a line: `hashing` */
  static async begin(context: Context, label: string): Promise<ByteProgress> {
    return new ByteProgress(
      context,
      label,
      context.json ? undefined : await context.bars({ labelWidth: label.length }),
    )
  }

  /** Bytes so far, and in all. */
  update(done: number, total: number): void {
    const now = performance.now()
    const rate = (done * 1000) / Math.max(1, now - this.#startedAt)
    const left = rate === 0 ? Infinity : ((total - done) * 1000) / rate
    if (this.#bars !== undefined) {
      this.#bar ??= this.#bars.add(this.#label, total)
      this.#bar.update(done, `${formatBytes(total)} ${formatRate(rate)} ${formatTime(left)} left`)
    } else if (!this.#context.json && now >= this.#lineAt) {
      this.#lineAt = now + LINE_MS
      this.#context.stderr.write(
        `${this.#label} ${formatBytes(done)}/${formatBytes(total)}, ${formatRate(rate)}, ${formatTime(left)} left\n`,
      )
    }
  }

  /** Gives the terminal back. */
  end(): void {
    this.#bars?.close()
  }
}
