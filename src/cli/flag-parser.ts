/**
 * Flags as Go programs have them: `-name=value`, `-name value`, also with two dashes; a switch is `-name` or `-name=false`.
 *
 * Pure: knows no particular flag. By hand, because the command-line libraries take `-mountDir` for a bundle of the
 * one-letter flags m, o, u, n, ...
 */

import { nearestName } from '../torrent/index.js'
import { UsageError } from './usage-error.js'

/** On or off; off unless given. */
export interface SwitchFlag {
  readonly kind: 'switch'
  readonly help: string
}

/** A flag with a value; the last one given counts. */
export interface ValueFlag<T> {
  readonly kind: 'value'
  /** What stands for the value in the help: `DIR`. */
  readonly placeholder: string
  readonly help: string
  /** The default in words, for the help; none is shown without it. */
  readonly fallback?: string
  /** @throws Error whose message completes "-name=text: " */
  readonly parse: (text: string) => T
}

/** A flag with a value that may be given several times. */
export interface ListFlag<T> extends Omit<ValueFlag<T>, 'kind'> {
  readonly kind: 'list'
}

/** Flags by name. */
export type FlagTable = Readonly<Record<string, SwitchFlag | ValueFlag<unknown> | ListFlag<unknown>>>

/** What was given, by name. `undefined`: not given. */
export type FlagValues<T extends FlagTable> = {
  readonly [K in keyof T]: T[K] extends SwitchFlag
    ? boolean
    : T[K] extends ListFlag<infer V>
      ? readonly V[]
      : T[K] extends ValueFlag<infer V>
        ? V | undefined
        : never
}

/** True when help is asked for anywhere, even beside mistakes. */
export function asksFor(name: string, args: readonly string[]): boolean {
  const end = args.indexOf('--')
  const given = end < 0 ? args : args.slice(0, end)
  return given.some(arg => arg === `-${name}` || arg === `--${name}`)
}

/**
 * Reads a command line.
 *
 * @param args without the program's own name
 * @throws UsageError naming the flag and what is wrong
 */
export function parseFlags<T extends FlagTable>(table: T, args: readonly string[]): FlagValues<T> {
  const values = new Map<string, unknown>()
  for (const [name, flag] of Object.entries(table)) {
    if (flag.kind === 'switch') values.set(name, false)
    if (flag.kind === 'list') values.set(name, [])
  }
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!
    const match = /^--?([^-=][^=]*)(?:=(.*))?$/s.exec(arg)
    if (match === null) {
      throw new UsageError(`unexpected argument ${JSON.stringify(arg)}: everything is given by flags`)
    }
    const name = match[1]!
    let text = match[2]
    const flag = Object.hasOwn(table, name) ? table[name] : undefined
    if (flag === undefined)
      throw new UsageError(`unknown flag -${name}${suggestion(name, Object.keys(table))}`)
    if (flag.kind === 'switch') {
      values.set(name, parseSwitch(name, text ?? 'true'))
      continue
    }
    if (text === undefined) {
      text = args[++i]
      // `-mountDir -logLevel=debug` is a forgotten value, not a folder called "-logLevel=debug".
      if (text === undefined || isFlagOf(table, text))
        throw new UsageError(`-${name} needs a value: -${name}=${flag.placeholder}`)
    }
    const value = parseValue(name, text, flag.parse)
    if (flag.kind === 'list') (values.get(name) as unknown[]).push(value)
    else values.set(name, value)
  }
  return Object.fromEntries(Object.keys(table).map(name => [name, values.get(name)])) as FlagValues<T>
}

function parseValue(name: string, text: string, parse: (text: string) => unknown): unknown {
  try {
    return parse(text)
  } catch (error) {
    throw new UsageError(`-${name}=${text}: ${(error as Error).message}`, { cause: error })
  }
}

function parseSwitch(name: string, text: string): boolean {
  switch (text.toLowerCase()) {
    case 'true':
    case '1':
      return true
    case 'false':
    case '0':
      return false
    default:
      throw new UsageError(`-${name}=${text}: a switch is true or false`)
  }
}

function isFlagOf(table: FlagTable, arg: string): boolean {
  const name = /^--?([^-=][^=]*)/.exec(arg)?.[1]
  return name !== undefined && Object.hasOwn(table, name)
}

function suggestion(name: string, known: readonly string[]): string {
  const best = nearestName(name, known)
  return best === undefined ? '' : ` (did you mean -${best}?)`
}

/** The table as text for people, one flag a paragraph, no line wider than `width` where words allow it. */
export function describeFlags(table: FlagTable, width = 96): string {
  const heads = Object.entries(table).map(([name, flag]) =>
    flag.kind === 'switch' ? `-${name}` : `-${name}=${flag.placeholder}`,
  )
  const column = Math.max(...heads.map(head => head.length)) + 4
  return Object.values(table)
    .map((flag, i) => {
      const notes = [
        flag.kind === 'list' ? 'May be given several times.' : '',
        flag.kind !== 'switch' && flag.fallback !== undefined ? `Default: ${flag.fallback}.` : '',
      ]
      const text = [flag.help, ...notes].filter(part => part !== '').join(' ')
      const lines = wrap(text, width - column)
      const indent = ' '.repeat(column)
      return `  ${heads[i]!.padEnd(column - 2)}${lines.join(`\n${indent}`)}`
    })
    .join('\n')
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else {
      line = line === '' ? word : `${line} ${word}`
    }
  }
  return [...lines, line]
}
