/**
 * Which files of a torrent the patterns of a command line mean, by way of `picomatch`.
 *
 * Pure. Must not know torrents: files are paths and lengths here.
 */

import picomatch from 'picomatch'

/** A file that may be meant. */
export interface NamedFile {
  /** Components below the torrent's root. */
  readonly path: readonly string[]
  /** BEP 47: never meant. */
  readonly pad: boolean
}

/** Longer ones are no patterns that anybody typed. */
const MAX_PATTERN = 4096

/**
 * The files that any of the patterns matches; all of them without patterns.
 *
 * A pattern without a slash is held against names (`*.mkv`), one with a slash against whole paths below the torrent's
 * root (`season 1/**`); a path that is written out matches itself, whatever signs it has.
 */
export function filesMeant<F extends NamedFile>(files: readonly F[], patterns: readonly string[]): F[] {
  const shown = files.filter(file => !file.pad)
  if (patterns.length === 0) return shown
  const matchers = patterns.map(matcherOf)
  return shown.filter(({ path }) => matchers.some(matches => matches(path)))
}

function matcherOf(pattern: string): (path: readonly string[]) => boolean {
  const text = pattern.replace(/^\.\//, '')
  const matches =
    text === '' || text.length > MAX_PATTERN ? () => false : picomatch(text, { dot: true, nonegate: true })
  const isOfNames = !text.includes('/')
  return path => {
    const whole = path.join('/')
    return whole === text || matches(isOfNames ? path.at(-1)! : whole)
  }
}
