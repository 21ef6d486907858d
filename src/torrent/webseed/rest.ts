/**
 * How long a web seed is left alone after failures. Pure.
 */

const FIRST_MS = 500
const LONGEST_MS = 30_000
/** What a server may ask for with `Retry-After`, at most. */
const LONGEST_ASKED_MS = 10 * 60_000
const LEAST_ASKED_MS = 250

/**
 * ms to wait after the `failures`-th failure in a row: doubling from half a second to half a minute, since a reader may
 * be waiting; or what the server asked for, up to ten minutes.
 */
export function restMs(failures: number, askedMs: number | undefined): number {
  if (askedMs !== undefined) return Math.min(LONGEST_ASKED_MS, Math.max(LEAST_ASKED_MS, askedMs))
  return Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(20, Math.max(0, failures - 1)))
}
