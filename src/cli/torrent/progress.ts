/**
 * Bars on a terminal that show how far something is.
 *
 * Owns the terminal's last lines while it is open. Must not know what is measured, nor be used where there is no terminal
 * (`Context.bars` sees to that).
 */

import { MultiBar, Presets, type SingleBar } from 'cli-progress'

/** One line of {@link ProgressBars}. */
export interface ProgressBar {
  /** @param note what stands behind the bar: rate, peers, time left */
  update(value: number, note: string): void
  setTotal(total: number): void
  /** Takes the line away. */
  remove(): void
}

/** Some bars below each other. */
export class ProgressBars {
  readonly #bars: MultiBar
  readonly #labelWidth: number

  /**
   * @param stream the terminal
   * @param labelWidth letters of the labels that are shown; shorter ones are filled up
   */
  constructor(stream: NodeJS.WritableStream, labelWidth: number) {
    this.#labelWidth = labelWidth
    this.#bars = new MultiBar(
      {
        stream,
        format: '{label} [{bar}] {percentage}% {note}',
        barsize: 24,
        fps: 5,
        gracefulExit: false,
        emptyOnZero: true,
        autopadding: true,
      },
      Presets.shades_classic,
    )
  }

  /** @param total what `update` counts up to */
  add(label: string, total: number): ProgressBar {
    const bar: SingleBar = this.#bars.create(total, 0, { label: this.#fitted(label), note: '' })
    return {
      update: (value, note) => bar.update(value, { note }),
      setTotal: total => bar.setTotal(total),
      remove: () => void this.#bars.remove(bar),
    }
  }

  /** Prints a line above the bars. */
  print(line: string): void {
    this.#bars.log(`${line}\n`)
    this.#bars.update()
  }

  /** Leaves the bars as they are and gives the terminal back. */
  close(): void {
    this.#bars.update()
    this.#bars.stop()
  }

  /** Names come from strangers: no control characters reach the terminal, nor what the bars' format would replace. */
  #fitted(label: string): string {
    const letters = [...label.replace(/[\p{Cc}\p{Cf}{}]/gu, '?')]
    const width = this.#labelWidth
    if (letters.length > width) return `${letters.slice(0, width - 1).join('')}…`
    return letters.join('') + ' '.repeat(width - letters.length)
  }
}
