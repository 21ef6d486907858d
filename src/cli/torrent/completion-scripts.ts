/**
 * Scripts by which shells complete command lines of `torrent`, made of the table of commands.
 *
 * Owns the shells' languages. Pure.
 */

import { optionName, type Command, type Completion } from './command.js'

/** A script for a shell to run once at its start. */
export function completionScript(shell: 'bash' | 'zsh' | 'fish', commands: readonly Command[]): string {
  const places = placesOf(commands)
  if (shell === 'fish') return fish(places)
  // zsh runs the functions of bash, by a layer of its own.
  const layer = shell === 'zsh' ? 'autoload -Uz bashcompinit && bashcompinit\n' : ''
  return layer + bash(places)
}

/** A point of a command line, after the words of a command. */
interface Place {
  /** The words after `torrent`; none for the beginning. */
  readonly words: readonly string[]
  readonly commands: readonly { readonly name: string; readonly summary: string }[]
  readonly options: readonly Flag[]
  /** What positional arguments may be. */
  readonly arguments: readonly Completion[]
}

interface Flag {
  /** `--output`, `-o`. */
  readonly names: readonly string[]
  readonly help: string
  readonly takesValue: boolean
  readonly complete: Completion | undefined
}

function placesOf(commands: readonly Command[]): Place[] {
  const root = [
    { name: 'help', summary: 'show the help of a command' },
    ...commands.map(({ name, summary }) => ({ name, summary })),
  ]
  const flag = (name: string, help: string): Flag => ({
    names: [name],
    help,
    takesValue: false,
    complete: undefined,
  })
  const places: Place[] = [
    {
      words: [],
      commands: root,
      options: [flag('--help', 'show help'), flag('--version', 'print the version')],
      arguments: [],
    },
    { words: ['help'], commands: root.slice(1), options: [], arguments: [] },
  ]
  const add = (command: Command, words: readonly string[]): void => {
    const options = Object.entries(command.options).map(
      ([key, { short, help, placeholder, complete }]): Flag => ({
        names: [optionName(key), ...(short === undefined ? [] : [`-${short}`])],
        help,
        takesValue: placeholder !== undefined,
        complete,
      }),
    )
    if (command.hasJson) options.push(flag('--json', 'print JSON'))
    options.push(flag('--help', 'show help'))
    places.push({
      words,
      commands: command.commands,
      options,
      arguments: Object.values(command.arguments)
        .map(({ complete }) => complete)
        .filter(complete => complete !== undefined),
    })
    for (const inner of command.commands) add(inner, [...words, inner.name])
  }
  for (const command of commands) add(command, [command.name])
  return places
}

/** One word of a shell, whatever is in it. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}

function bash(places: readonly Place[]): string {
  const cases = places.map(({ words, commands, options, arguments: values }) => {
    const offered = [
      ...commands.map(({ name }) => name),
      ...values.filter(value => typeof value !== 'string').flat(),
    ]
    const files = values.includes('file') ? 'file' : values.includes('folder') ? 'folder' : ''
    const flags = options.flatMap(({ names }) => names)
    return (
      `    ${quoted(words.join(' '))})\n` +
      `      words=${quoted(offered.join(' '))} flags=${quoted(flags.join(' '))} files=${quoted(files)} ;;\n`
    )
  })
  const values = places.flatMap(({ words, options }) =>
    options
      .filter(({ takesValue }) => takesValue)
      .map(({ names, complete }) => {
        const patterns = names.map(name => quoted([...words, name].join(' '))).join('|')
        const isList = complete !== undefined && typeof complete !== 'string'
        const kind = isList ? `words=${quoted(complete.join(' '))}` : `files=${quoted(complete ?? '')}`
        return `    ${patterns}) value=1 ${kind} ;;\n`
      }),
  )
  const groups = places.filter(({ words }) => words.length > 0).map(({ words }) => quoted(words.join(' ')))
  return `# Completions of the torrent command for bash. Made by: torrent completions bash
_torrent() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous= place= word value= words= flags= files= i
  (( COMP_CWORD > 0 )) && previous=\${COMP_WORDS[COMP_CWORD - 1]}
  for (( i = 1; i < COMP_CWORD; i++ )); do
    word=\${COMP_WORDS[i]}
    case "\${place:+$place }$word" in
    ${groups.join('|')}) place="\${place:+$place }$word" ;;
    esac
  done
  case "\${place:+$place }$previous" in
${values.join('')}  esac
  if [[ -z $value ]]; then
    case "$place" in
${cases.join('')}    esac
  fi
  COMPREPLY=()
  if [[ -z $value && $current == -* ]]; then
    COMPREPLY=( $(compgen -W "$flags" -- "$current") )
    return
  fi
  [[ -n $words ]] && COMPREPLY=( $(compgen -W "$words" -- "$current") )
  local IFS=$'\\n'
  case $files in
    file) COMPREPLY+=( $(compgen -f -- "$current") ); compopt -o filenames 2>/dev/null ;;
    folder) COMPREPLY+=( $(compgen -d -- "$current") ); compopt -o filenames 2>/dev/null ;;
  esac
}
complete -F _torrent torrent
`
}

function fish(places: readonly Place[]): string {
  const lines: string[] = []
  for (const { words, commands, options, arguments: values } of places) {
    // Behind its own words, and not behind a word of a command below it.
    const below = commands.map(({ name }) => name)
    const conditions = words.map(word => `__fish_seen_subcommand_from ${word}`)
    if (words.length === 0) conditions.push('__fish_use_subcommand')
    else if (below.length > 0) conditions.push(`not __fish_seen_subcommand_from ${below.join(' ')}`)
    const begin = `complete -c torrent -n ${quoted(conditions.join('; and '))}`
    for (const { name, summary } of commands)
      lines.push(`${begin} -f -a ${quoted(name)} -d ${quoted(summary)}`)
    for (const value of values) lines.push(`${begin}${offer(value)}`)
    for (const { names, help, takesValue, complete } of options) {
      const flags = names.map(name => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`))
      const kind = takesValue ? ` -r${complete === undefined ? ' -f' : offer(complete)}` : ''
      lines.push(`${begin} ${flags.join(' ')}${kind} -d ${quoted(help)}`)
    }
  }
  return `# Completions of the torrent command for fish. Made by: torrent completions fish
complete -c torrent -f
${lines.join('\n')}
`
}

function offer(complete: Completion): string {
  if (complete === 'file') return ' -F'
  if (complete === 'folder') return ` -f -a '(__fish_complete_directories)'`
  return ` -f -a ${quoted(complete.join(' '))}`
}
