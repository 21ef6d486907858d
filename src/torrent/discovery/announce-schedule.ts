/**
 * When to announce next: what trackers ask for within sane limits, and backoff when they fail.
 *
 * Owns the limits. Must not read a clock. Pure.
 */

/** Limits of the schedule, all in ms. */
export interface AnnounceSchedule {
  /** Between regular announces when the tracker does not say. */
  readonly defaultIntervalMs: number
  /** Shortest interval a tracker gets; one that says 0 would be announced to without end. */
  readonly shortestIntervalMs: number
  /** Longest interval a tracker gets; one that says a year would not be heard of again. */
  readonly longestIntervalMs: number
  /** After the first pass over all trackers that failed; doubled with each further one. */
  readonly firstRetryMs: number
  readonly longestRetryMs: number
}

/** What is used unless told otherwise. */
export const defaultSchedule: AnnounceSchedule = {
  defaultIntervalMs: 30 * 60_000,
  shortestIntervalMs: 60_000,
  longestIntervalMs: 3 * 3_600_000,
  firstRetryMs: 15_000,
  longestRetryMs: 30 * 60_000,
}

/**
 * ms from a tracker's answer to the next regular announce and to the first that is allowed. Both are in
 * [shortest, longest] and the second is never the greater one.
 */
export function intervalsOf(
  answer: { readonly interval?: number; readonly minInterval?: number },
  schedule: AnnounceSchedule,
): { regular: number; earliest: number } {
  const clamp = (ms: number): number =>
    Math.min(Math.max(ms, schedule.shortestIntervalMs), schedule.longestIntervalMs)
  const earliest = clamp(answer.minInterval ?? 0)
  return { regular: Math.max(clamp(answer.interval ?? schedule.defaultIntervalMs), earliest), earliest }
}

/**
 * ms to wait after the given number (1, 2, ...) of failed passes in a row.
 *
 * @param random in [0, 1); spreads by a tenth either way the torrents that lost the same tracker at once
 */
export function retryDelay(failures: number, random: number, schedule: AnnounceSchedule): number {
  const delay = Math.min(schedule.firstRetryMs * 2 ** Math.min(failures - 1, 30), schedule.longestRetryMs)
  return Math.round(delay * (0.9 + random * 0.2))
}
