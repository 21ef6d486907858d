/**
 * What a subcommand may touch of the process: its outputs, its colours, its signals.
 *
 * Owns nothing itself: `main.ts` makes one for each run. Commands use it instead of `process`.
 */

import { coloursFor, type Colours } from './colours.js'
import type { Command } from './command.js'
import type { ProgressBars } from './progress.js'

/** Where a command runs. */
export interface ContextOptions {
  /** The command in full, for messages: `torrent dht ping`. */
  readonly name: string
  /** `--json` was given. */
  readonly json: boolean
  /** Aborted by SIGINT, SIGTERM, SIGHUP, or when nobody reads standard output any more. */
  readonly signal: AbortSignal
  /** All commands there are. */
  readonly commands: readonly Command[]
  readonly stdin?: NodeJS.ReadStream
  readonly stdout?: NodeJS.WriteStream
  readonly stderr?: NodeJS.WriteStream
}

/** One run of a subcommand. */
export class Context {
  readonly name: string
  /** Print data as JSON and nothing else to standard output. */
  readonly json: boolean
  /** Ends the command cleanly; the one who waits for something passes it on. */
  readonly signal: AbortSignal
  readonly commands: readonly Command[]
  readonly stdin: NodeJS.ReadStream
  readonly stdout: NodeJS.WriteStream
  readonly stderr: NodeJS.WriteStream
  /** For lines of standard output. */
  readonly colours: Colours

  constructor(o: ContextOptions) {
    this.name = o.name
    this.json = o.json
    this.signal = o.signal
    this.commands = o.commands
    this.stdin = o.stdin ?? process.stdin
    this.stdout = o.stdout ?? process.stdout
    this.stderr = o.stderr ?? process.stderr
    this.colours = coloursFor(this.stdout.isTTY)
  }

  /** Prints a line to standard output. Text of strangers must be made {@link printable} first. */
  print(line: string): void {
    this.stdout.write(`${line}\n`)
  }

  /** Prints a value to standard output as JSON: indented for a value, on one line for one of many. */
  printJson(value: unknown, { oneLine = false } = {}): void {
    this.stdout.write(`${JSON.stringify(value, undefined, oneLine ? undefined : 2)}\n`)
  }

  /** Tells the one at the keyboard something that is no data: a line to standard error, with the command's name. */
  warn(message: string): void {
    const { red } = coloursFor(this.stderr.isTTY)
    this.stderr.write(`${red(this.name)}: ${message.replaceAll('\n', ' ')}\n`)
  }

  /** Bars on the terminal of standard error; undefined where there is none: print plain lines then. */
  async bars({ labelWidth = 32 } = {}): Promise<ProgressBars | undefined> {
    if (!this.stderr.isTTY || process.env['TERM'] === 'dumb') return undefined
    return new (await import('./progress.js')).ProgressBars(this.stderr, labelWidth)
  }
}

/** Text that came from anyone, with all that could move a terminal's cursor or hide something made visible. */
export function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu,
    character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
