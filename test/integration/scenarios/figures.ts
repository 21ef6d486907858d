/**
 * What a scenario measured and whether it is what the product promises. A scenario runs short in the tests and in full
 * length in `scripts/acceptance`: both read the same figures.
 */

import assert from 'node:assert/strict'

/** One figure; `ok` is undefined when nothing is demanded of it. */
export interface Figure {
  readonly name: string
  readonly text: string
  readonly ok: boolean | undefined
}

/** Collects the figures of one scenario. */
export class Figures {
  readonly title: string
  readonly all: Figure[] = []
  readonly #print: boolean

  constructor(title: string, options: { readonly print?: boolean } = {}) {
    this.title = title
    this.#print = options.print ?? false
    if (this.#print) process.stdout.write(`\n${title}\n`)
  }

  /** A figure worth knowing. */
  note(name: string, value: string | number): void {
    this.#add({ name, text: format(value), ok: undefined })
  }

  /** A promise, and what was seen of it. */
  check(name: string, ok: boolean, seen: string | number): void {
    this.#add({ name, text: format(seen), ok })
  }

  /** A promise that a number does not pass a limit. */
  atMost(name: string, value: number, limit: number, unit = ''): void {
    this.check(`${name} (at most ${format(limit)}${unit})`, value <= limit, `${format(value)}${unit}`)
  }

  atLeast(name: string, value: number, limit: number, unit = ''): void {
    this.check(`${name} (at least ${format(limit)}${unit})`, value >= limit, `${format(value)}${unit}`)
  }

  get failed(): readonly Figure[] {
    return this.all.filter(figure => figure.ok === false)
  }

  /** Fails the test that calls it, naming every promise not kept and all that was measured. */
  assert(): void {
    if (this.failed.length > 0) assert.fail(`${this.title}\n${this.all.map(line).join('\n')}`)
  }

  #add(figure: Figure): void {
    this.all.push(figure)
    if (this.#print) process.stdout.write(`${line(figure)}\n`)
  }
}

function line({ name, text, ok }: Figure): string {
  const mark = ok === undefined ? '    ' : ok ? 'ok  ' : 'FAIL'
  return `  ${mark} ${name}: ${text}`
}

function format(value: string | number): string {
  if (typeof value === 'string') return value
  return Number.isInteger(value) ? value.toLocaleString('en') : value.toFixed(3)
}
