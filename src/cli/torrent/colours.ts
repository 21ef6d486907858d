/**
 * Colours of what the command prints for people.
 *
 * Owns whether there are any (NO_COLOR, FORCE_COLOR, a terminal or not). Must not print.
 */

/** Text in a colour, or as it is where there are none. */
export interface Colours {
  readonly bold: (text: string) => string
  readonly dim: (text: string) => string
  readonly red: (text: string) => string
  readonly green: (text: string) => string
  readonly yellow: (text: string) => string
  readonly cyan: (text: string) => string
}

/** Colours for an output: FORCE_COLOR (but 0) wants them, NO_COLOR (not empty) forbids them, else a terminal has them. */
export function coloursFor(isTerminal: boolean, env: NodeJS.ProcessEnv = process.env): Colours {
  const forced = env['FORCE_COLOR']
  const wanted =
    forced !== undefined && forced !== ''
      ? forced !== '0' && forced !== 'false'
      : (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb' && isTerminal
  const style =
    (on: number, off: number) =>
    (text: string): string =>
      wanted && text !== '' ? `\x1b[${on}m${text}\x1b[${off}m` : text
  return {
    bold: style(1, 22),
    dim: style(2, 22),
    red: style(31, 39),
    green: style(32, 39),
    yellow: style(33, 39),
    cyan: style(36, 39),
  }
}
