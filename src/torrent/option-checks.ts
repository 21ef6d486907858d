/**
 * Checks of options: of their names, so that one that is misspelt does not go unnoticed, and of their values.
 *
 * Pure. Knows no particular option. What it throws names the option and says what is needed.
 */
import { TorrentError } from './errors.js'
import { nearestName } from './nearest-name.js'

/** Judges the value of an option; an option that is undefined is not given, and not judged. @throws ERR_TORRENTFS_ARGUMENT */
export type Check = (name: string, value: unknown) => void

/** A check for every option there is. */
export type Checks<T> = { readonly [K in keyof Required<T>]: Check }

/**
 * Checks options one by one.
 *
 * @param what they are called in messages
 * @throws ERR_TORRENTFS_ARGUMENT naming the option
 */
export function checkOptions<T extends object>(options: T, checks: Checks<T>, what: string): void {
  if (typeof options !== 'object' || options === null) throw wrong(what, 'an object is needed', options)
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue
    if (!Object.hasOwn(checks, name)) throw unknownOption(name, Object.keys(checks), what)
    checks[name as keyof T](name, value)
  }
}

/** Any value; it is judged elsewhere. */
export const anything: Check = () => undefined

export const onOrOff: Check = (name, value) => {
  if (typeof value !== 'boolean') throw wrong(name, 'true or false is needed', value)
}

/** A whole number of at least `least`. */
export function wholeNumber(least: number): Check {
  return (name, value) => {
    if (Number.isSafeInteger(value) && (value as number) >= least) return
    throw wrong(name, `a whole number of at least ${least} is needed`, value)
  }
}

/** Text that is not empty. @param needed in words, for messages @param judge of what the text says */
export function text(needed: string, judge?: (value: string) => void): Check {
  return (name, value) => {
    if (typeof value !== 'string' || value === '') throw wrong(name, `${needed} is needed`, value)
    judge?.(value)
  }
}

export function oneOf(words: readonly string[]): Check {
  return (name, value) => {
    if (typeof value !== 'string' || !words.includes(value))
      throw wrong(name, `one of ${words.join(', ')} is needed`, value)
  }
}

/** A list, each item of which passes `check`. */
export function listOf(check: Check): Check {
  return (name, value) => {
    if (!Array.isArray(value)) throw wrong(name, 'a list is needed', value)
    for (const [index, item] of value.entries()) check(`${name}[${index}]`, item)
  }
}

/** `{ host, port }` with a port of at least `leastPort`; the host may be left out where `hostless`. */
export function hostAndPort(leastPort: number, hostless = false): Check {
  return (name, value) => {
    if (typeof value !== 'object' || value === null) throw wrong(name, 'a host and a port are needed', value)
    const { host, port } = value as { readonly host?: unknown; readonly port?: unknown }
    const noHost = hostless && (host === undefined || host === '')
    if (!noHost && (typeof host !== 'string' || host === ''))
      throw wrong(`${name}.host`, 'a name or an address is needed', host)
    if (!Number.isInteger(port) || (port as number) < leastPort || (port as number) > 65535)
      throw wrong(`${name}.port`, `a port from ${leastPort} to 65535 is needed`, port)
  }
}

/** An object with these methods. */
export function withMethods(...methods: readonly string[]): Check {
  return (name, value) => {
    const found = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
    const missing = methods.filter(method => typeof found[method] !== 'function')
    if (missing.length > 0)
      throw wrong(name, `an object with ${methods.map(method => `${method}()`).join(', ')} is needed`, value)
  }
}

function unknownOption(name: string, known: readonly string[], what: string): TorrentError {
  const near = nearestName(name, known)
  const hint = near === undefined ? '' : `; did you mean ${near}?`
  return new TorrentError('ERR_TORRENTFS_ARGUMENT', `${name}: no such option of ${what}${hint}`)
}

function wrong(name: string, needed: string, value: unknown): TorrentError {
  return new TorrentError('ERR_TORRENTFS_ARGUMENT', `${name}: ${needed}, not ${described(value)}`)
}

function described(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 80))
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object'
  return typeof value === 'function' ? 'a function' : String(value)
}
