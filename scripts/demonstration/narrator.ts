/** What the demo says and how: numbered steps, facts, a progress bar. Knows nothing of torrents. */

const colour = process.stdout.isTTY && process.env['NO_COLOR'] === undefined
const paint = (code: string, text: string): string => (colour ? `\x1b[${code}m${text}\x1b[0m` : text)

let number = 0

/** Opens the next step. */
export function step(title: string): void {
  number++
  process.stdout.write(`\n${paint('1;36', `${String(number)}. ${title}`)}\n`)
}

/** A line under the step; text of programs is indented the same. */
export function tell(text: string): void {
  process.stdout.write(`${text.replace(/^/gm, '   ')}\n`)
}

/** A command the person watching could type. */
export function command(text: string): void {
  tell(paint('2', `$ ${text}`))
}

/** A check that came out right; a wrong one ends the demo. */
export function check(right: boolean, text: string): void {
  if (!right) throw new Error(`WRONG: ${text}`)
  tell(`${paint('32', 'ok')} ${text}`)
}

/** Bytes in a unit people read. */
export function bytes(count: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB']
  let value = count
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${Number.isInteger(value) ? String(value) : value.toFixed(1)} ${units[unit] ?? ''}`
}

/** A bar that fills; on anything but a terminal one line a quarter. */
export class ProgressBar {
  readonly #title: string
  readonly #total: number
  readonly #began = performance.now()
  #quarter = 0
  #drawn = 0

  constructor(title: string, total: number) {
    this.#title = title
    this.#total = total
  }

  /** @param done bytes so far */
  update(done: number): void {
    const share = this.#total === 0 ? 1 : done / this.#total
    const now = performance.now()
    if (process.stdout.isTTY) {
      if (share < 1 && now - this.#drawn < 50) return
      this.#drawn = now
      process.stdout.write(`\r${this.#line(done, share, now)}${share >= 1 ? '\n' : ''}`)
    } else if (Math.floor(share * 4) > this.#quarter) {
      this.#quarter = Math.floor(share * 4)
      process.stdout.write(`${this.#line(done, share, now)}\n`)
    }
  }

  #line(done: number, share: number, now: number): string {
    const width = 30
    const filled = Math.round(share * width)
    const bar = `${'#'.repeat(filled)}${'.'.repeat(width - filled)}`
    const rate = (done / Math.max(1, now - this.#began)) * 1000
    const percent = `${String(Math.floor(share * 100)).padStart(3)} %`
    return `   ${this.#title} [${bar}] ${percent}  ${bytes(done)}, ${bytes(rate)}/s    `
  }
}
