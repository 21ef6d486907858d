/**
 * From a command line to a run of a subcommand, by way of `commander`, which parses and writes the help.
 *
 * Owns how the descriptions become a parser. Must not know any particular subcommand, nor end the process.
 */

import { Argument, Command as Parser, CommanderError, Option } from 'commander'
import { UsageError } from '../usage-error.js'
import { packageVersion } from '../version.js'
import { coloursFor } from './colours.js'
import { optionName, ValueError, type Command } from './command.js'

/** What a command line asks for. */
export interface Call {
  readonly command: Command
  /** Such as `torrent dht ping`. */
  readonly name: string
  readonly json: boolean
  readonly input: Readonly<Record<string, unknown>>
}

/** A mistake in a command line, with the command that was called. */
export class CallError extends UsageError {
  /** Such as `torrent dht ping`. */
  readonly command: string

  constructor(command: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.command = command
  }
}

/** Outputs for the help. */
export interface HelpOutputs {
  readonly stdout: NodeJS.WriteStream
  readonly stderr: NodeJS.WriteStream
}

/**
 * Reads a command line.
 *
 * @param args without the program's own name
 * @returns the call; or the exit status when help or the version was asked for and printed, or nothing was asked for
 * @throws CallError naming the command and the argument
 */
export function parseCall(
  commands: readonly Command[],
  args: readonly string[],
  outputs: HelpOutputs,
): Call | number {
  let call: Call | undefined
  const root = newParser('torrent', 'torrent', outputs)
  root
    .description('Makes, reads, downloads and serves torrents.')
    .version(packageVersion(), '-V, --version', 'print the version')
    .usage('COMMAND [ARGUMENTS] [OPTIONS]')
    .helpCommand('help [COMMAND]', 'show the help of a command')
    .addHelpText('after', '\nRun "torrent COMMAND --help" for what a command takes, with examples.')
  const add = (parent: Parser, prefix: string, command: Command): void => {
    const name = `${prefix} ${command.name}`
    const parser = parserOf(command, name, outputs)
    for (const inner of command.commands) add(parser, name, inner)
    if (command.commands.length === 0) {
      parser.action(() => {
        call = { command, name, ...readInput(command, name, parser) }
      })
    }
    parent.addCommand(parser)
  }
  for (const command of commands) add(root, 'torrent', command)
  const [first, asked] = args
  // The parser would show the help of everything.
  if (first === 'help' && asked !== undefined && !commands.some(({ name }) => name === asked)) {
    throw new CallError('torrent', `unknown command '${asked}'`)
  }
  try {
    root.parse(args, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    // Help that nobody asked for: a command is missing.
    return error.exitCode === 0 ? 0 : 2
  }
  return call ?? 2
}

function newParser(name: string, fullName: string, outputs: HelpOutputs): Parser {
  const parser = new Parser(name.split(' ').at(-1))
  return parser
    .helpOption('-h, --help', 'show this help')
    .configureHelp({
      styleTitle: text => coloursFor(outputs.stdout.isTTY).bold(text),
      subcommandTerm: inner => inner.name(),
    })
    .configureOutput({
      writeOut: text => outputs.stdout.write(text),
      writeErr: text => outputs.stderr.write(text),
      // Errors are thrown and told of in one line, by the one who called.
      outputError: () => undefined,
    })
    .exitOverride(error => {
      if (error.code === 'commander.help' || error.exitCode === 0) throw error
      throw new CallError(fullName, oneLine(error.message), { cause: error })
    })
}

/** `error: unknown option '--sed'\n(Did you mean --seed?)` in the style of our own messages. */
function oneLine(message: string): string {
  return message
    .replace(/^error: /, '')
    .replace(/\.?\n\(Did you mean/g, ' (did you mean')
    .replaceAll('\n', ' ')
    .replace(/\.$/, '')
}

function parserOf(command: Command, name: string, outputs: HelpOutputs): Parser {
  const parser = newParser(name, name, outputs)
  parser.summary(command.summary).description(command.description ?? sentence(command.summary))
  for (const { placeholder, help, isRequired, isVariadic } of Object.values(command.arguments)) {
    const dots = isVariadic ? '...' : ''
    const shown = isRequired ? `<${placeholder}${dots}>` : `[${placeholder}${dots}]`
    parser.addArgument(new Argument(shown, help))
  }
  for (const [key, option] of Object.entries(command.options)) {
    const flags = `${option.short === undefined ? '' : `-${option.short}, `}${optionName(key)}`
    const notes = [
      option.isRepeatable ? 'repeatable' : '',
      option.fallback === undefined ? '' : `default: ${option.fallback}`,
    ].filter(note => note !== '')
    const help = notes.length === 0 ? option.help : `${option.help} (${notes.join(', ')})`
    const made = new Option(
      option.placeholder === undefined ? flags : `${flags} <${option.placeholder}>`,
      help,
    )
    if (option.placeholder !== undefined) {
      made.argParser((text: string, before: readonly string[] | undefined) => [...(before ?? []), text])
    }
    if (option.group !== undefined) made.helpGroup(`${option.group}:`)
    parser.addOption(made)
  }
  if (command.hasJson) parser.option('--json', 'print JSON')
  if (command.commands.length > 0) parser.helpCommand(false).usage('COMMAND [ARGUMENTS] [OPTIONS]')
  const examples = command.examples ?? []
  if (examples.length > 0) {
    const title = coloursFor(outputs.stdout.isTTY).bold('Examples:')
    const lines = examples.map(([line, what]) => `  ${line}\n      ${what}`)
    parser.addHelpText('after', `\n${title}\n${lines.join('\n')}`)
  }
  return parser
}

function sentence(summary: string): string {
  return `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`
}

/** What was given, read by the descriptions. */
function readInput(command: Command, name: string, parser: Parser): Pick<Call, 'input' | 'json'> {
  const input: Record<string, unknown> = {}
  const read = <T>(label: string, texts: readonly string[], by: (texts: readonly string[]) => T): T => {
    try {
      return by(texts)
    } catch (error) {
      if (!(error instanceof ValueError)) throw error
      throw new CallError(name, `${label}${error.text}: ${error.message}`, { cause: error.cause })
    }
  }
  const given = parser.processedArgs as readonly (string | readonly string[] | undefined)[]
  Object.entries(command.arguments).forEach(([key, argument], index) => {
    const texts = given[index] === undefined ? [] : [given[index]].flat()
    input[key] = read(`${argument.placeholder} `, texts, argument.read)
  })
  const options = parser.opts<Record<string, unknown>>()
  for (const made of parser.options) {
    const key = Object.keys(command.options).find(candidate => optionName(candidate) === made.long)
    if (key === undefined) continue
    const option = command.options[key]!
    const found = options[made.attributeName()]
    // For `--no-x` the parser has an `x` that is false when it was given.
    const isOn = made.negate ? found === false : found === true
    const texts = Array.isArray(found) ? (found as readonly string[]) : isOn ? [''] : []
    input[key] = read(`${made.long}=`, texts, option.read)
  }
  return { input, json: options['json'] === true }
}
