/**
 * What a subcommand of `torrent` is: a description that the parser, the help and the shell completions all read.
 *
 * Owns the words of such descriptions. Must import nothing heavy: all of them are loaded before any command runs, so the
 * engine comes in by `await import(...)` within `run` and nowhere else.
 */

import type { Context } from './context.js'

/** What a shell may offer for a value: names of files, of folders, one of a few words; nothing by default. */
export type Completion = 'file' | 'folder' | readonly string[]

/** Makes a value of the text that was given. @throws Error whose message says what was expected */
export type Parse<T> = (text: string) => T

/** A positional argument; the order of the keys in {@link CommandSpec.arguments} is theirs on the command line. */
export interface Argument<V> {
  /** What stands for it in the help: `FILE`. */
  readonly placeholder: string
  readonly help: string
  readonly isRequired: boolean
  /** Takes all that is left. Only the last argument may. */
  readonly isVariadic: boolean
  readonly complete: Completion | undefined
  /** @param texts what was given, none when it was left out. @throws Error of {@link Parse} */
  readonly read: (texts: readonly string[]) => V
}

/** An option; its key in {@link CommandSpec.options} gives its name: `pieceLength` is `--piece-length`. */
export interface Option<V> {
  readonly help: string
  /** One letter. */
  readonly short: string | undefined
  /** Undefined for a switch. */
  readonly placeholder: string | undefined
  /** Given several times, each counts; else the last one does. */
  readonly isRepeatable: boolean
  /** The default in words, for the help. */
  readonly fallback: string | undefined
  /** The heading in the help it stands under; `Options` when undefined. */
  readonly group: string | undefined
  readonly complete: Completion | undefined
  /** @param texts what was given, in order; one empty text for a switch that is on. @throws Error of {@link Parse} */
  readonly read: (texts: readonly string[]) => V
}

interface OptionDetails {
  readonly short?: string
  readonly group?: string
  readonly complete?: Completion
}

/** Without a parser: the text itself. Said so that spread details with one are not taken for some without. */
interface Plain {
  readonly parse?: undefined
}

interface MaybeParsed<T> {
  readonly parse?: Parse<T> | undefined
}

interface ArgumentDetails {
  readonly complete?: Completion
}

/** With a parser the value is what that makes; without one it is the text. */
interface Parsed<T> {
  readonly parse: Parse<T>
}

/** An option without a value: on when given. */
export function toggle(help: string, details: OptionDetails = {}): Option<boolean> {
  return { ...optionBase(help, details), read: texts => texts.length > 0 }
}

/** An option with a value; undefined when not given. */
export function value<T>(
  placeholder: string,
  help: string,
  details: OptionDetails & Parsed<T>,
): Option<T | undefined>
export function value(
  placeholder: string,
  help: string,
  details?: OptionDetails & Plain,
): Option<string | undefined>
export function value<T>(
  placeholder: string,
  help: string,
  details: OptionDetails & MaybeParsed<T> = {},
): Option<T | undefined> {
  const parse = parserOf(details.parse)
  return { ...optionBase(help, details), placeholder, read: texts => lastOf(texts, parse) }
}

/** An option with a value and a default. @param fallback the default as one would type it */
export function valueOr<T>(
  placeholder: string,
  fallback: string,
  help: string,
  details: OptionDetails & Parsed<T>,
): Option<T>
export function valueOr(
  placeholder: string,
  fallback: string,
  help: string,
  details?: OptionDetails & Plain,
): Option<string>
export function valueOr<T>(
  placeholder: string,
  fallback: string,
  help: string,
  details: OptionDetails & MaybeParsed<T> = {},
): Option<T> {
  const parse = parserOf(details.parse)
  return {
    ...optionBase(help, details),
    placeholder,
    fallback,
    read: texts => parse(texts.at(-1) ?? fallback),
  }
}

/** An option with a value that may be given several times. */
export function list<T>(
  placeholder: string,
  help: string,
  details: OptionDetails & Parsed<T>,
): Option<readonly T[]>
export function list(
  placeholder: string,
  help: string,
  details?: OptionDetails & Plain,
): Option<readonly string[]>
export function list<T>(
  placeholder: string,
  help: string,
  details: OptionDetails & MaybeParsed<T> = {},
): Option<readonly T[]> {
  const parse = parserOf(details.parse)
  return {
    ...optionBase(help, details),
    placeholder,
    isRepeatable: true,
    read: texts => texts.map(text => parse(text)),
  }
}

/** An argument that is needed. */
export function one<T>(placeholder: string, help: string, details: ArgumentDetails & Parsed<T>): Argument<T>
export function one(placeholder: string, help: string, details?: ArgumentDetails & Plain): Argument<string>
export function one<T>(
  placeholder: string,
  help: string,
  details: ArgumentDetails & MaybeParsed<T> = {},
): Argument<T> {
  const parse = parserOf(details.parse)
  return { ...argumentBase(placeholder, help, details), read: texts => parse(texts[0] ?? '') }
}

/** An argument that may be left out; undefined then. */
export function maybe<T>(
  placeholder: string,
  help: string,
  details: ArgumentDetails & Parsed<T>,
): Argument<T | undefined>
export function maybe(
  placeholder: string,
  help: string,
  details?: ArgumentDetails & Plain,
): Argument<string | undefined>
export function maybe<T>(
  placeholder: string,
  help: string,
  details: ArgumentDetails & MaybeParsed<T> = {},
): Argument<T | undefined> {
  const parse = parserOf(details.parse)
  return {
    ...argumentBase(placeholder, help, details),
    isRequired: false,
    read: texts => lastOf(texts, parse),
  }
}

/** One argument or more: all that is left. */
export function some<T>(
  placeholder: string,
  help: string,
  details: ArgumentDetails & Parsed<T>,
): Argument<readonly T[]>
export function some(
  placeholder: string,
  help: string,
  details?: ArgumentDetails & Plain,
): Argument<readonly string[]>
export function some<T>(
  placeholder: string,
  help: string,
  details: ArgumentDetails & MaybeParsed<T> = {},
): Argument<readonly T[]> {
  const parse = parserOf(details.parse)
  return {
    ...argumentBase(placeholder, help, details),
    isVariadic: true,
    read: texts => texts.map(text => parse(text)),
  }
}

/** Any number of arguments, none among them: all that is left. */
export function any(placeholder: string, help: string): Argument<readonly string[]> {
  return { ...some(placeholder, help), isRequired: false }
}

type Arguments = Readonly<Record<string, Argument<unknown>>>
type Options = Readonly<Record<string, Option<unknown>>>
type Nothing = Readonly<Record<never, never>>
type ValuesOf<T extends Arguments | Options> = {
  readonly [K in keyof T]: ReturnType<T[K]['read']>
}

/** A line for the help: what to type, and what it does. */
export type Example = readonly [line: string, what: string]

interface Description {
  /** The word it is called by. */
  readonly name: string
  /** A few words in lower case, for lists. */
  readonly summary: string
  /** More, for its own help; whole sentences. */
  readonly description?: string
  readonly examples?: readonly Example[]
}

/** A subcommand with what it does. Arguments and options are read into one object: their keys must differ. */
export interface CommandSpec<A extends Arguments, O extends Options> extends Description {
  readonly arguments?: A
  readonly options?: O
  /** Adds `--json`, which {@link Context.json} tells of. */
  readonly hasJson?: boolean
  /**
   * @returns the exit status: 0 (as for undefined) done, 1 failed
   * @throws UsageError for a mistake of the command line (status 2); any other error is a failure (status 1)
   */
  run(context: Context, input: ValuesOf<A> & ValuesOf<O>): Promise<number | void>
}

/** A subcommand, as the parser sees it. */
export interface Command extends Description {
  readonly arguments: Arguments
  readonly options: Options
  readonly hasJson: boolean
  /** Commands below this one, which then does nothing itself. */
  readonly commands: readonly Command[]
  readonly run: (context: Context, input: Readonly<Record<string, unknown>>) => Promise<number | void>
}

/** Describes a subcommand. */
export function defineCommand<A extends Arguments = Nothing, O extends Options = Nothing>(
  spec: CommandSpec<A, O>,
): Command {
  return {
    ...spec,
    arguments: spec.arguments ?? {},
    options: spec.options ?? {},
    hasJson: spec.hasJson ?? false,
    commands: [],
    // The parser fills the input from these very descriptions.
    run: (context, input) => spec.run(context, input as ValuesOf<A> & ValuesOf<O>),
  }
}

/** Describes a word with subcommands of its own: `torrent dht ping`. */
export function defineGroup(spec: Description & { readonly commands: readonly Command[] }): Command {
  return {
    ...spec,
    arguments: {},
    options: {},
    hasJson: false,
    run: () => Promise.reject(new Error('a group of commands does nothing itself')),
  }
}

/** One of the values that were given cannot be. */
export class ValueError extends Error {
  /** It, as it was typed. */
  readonly text: string

  constructor(text: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.text = text
  }
}

/** The name on the command line of an option's key: `noDate` is `--no-date`. */
export function optionName(key: string): string {
  return `--${key.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)}`
}

function optionBase(help: string, details: OptionDetails): Omit<Option<never>, 'read'> {
  return {
    help,
    short: details.short,
    placeholder: undefined,
    isRepeatable: false,
    fallback: undefined,
    group: details.group,
    complete: details.complete,
  }
}

function argumentBase(
  placeholder: string,
  help: string,
  details: { readonly complete?: Completion },
): Omit<Argument<never>, 'read'> {
  return { placeholder, help, isRequired: true, isVariadic: false, complete: details.complete }
}

/** Without a parser the type is `string`, as the builders' defaults say. What it throws is a {@link ValueError}. */
function parserOf<T>(parse: Parse<T> | undefined): Parse<T> {
  if (parse === undefined) return text => text as T
  return text => {
    try {
      return parse(text)
    } catch (error) {
      throw new ValueError(text, (error as Error).message, { cause: error })
    }
  }
}

function lastOf<T>(texts: readonly string[], parse: Parse<T>): T | undefined {
  const text = texts.at(-1)
  return text === undefined ? undefined : parse(text)
}
