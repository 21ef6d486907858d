/**
 * One question to each of some trackers at once, and a line about each that does not answer it.
 */

import { messageOf, TrackerClient, trackerLabel, type TrackerRefusal } from '../../torrent/entries/tracker.js'
import type { Context } from './context.js'

/** What came of one tracker: an answer, or why there is none. */
export interface TrackerOutcome<A> {
  /** Scheme and host: the rest of a tracker's URL may be a passkey. */
  readonly tracker: string
  readonly answer?: A
  readonly error?: string
}

/**
 * Asks them all at once; warns of those that fail, unless JSON is wanted, where the error stands beside the answers.
 *
 * @param timeoutMs for each of them; undefined for as long as the transport takes
 * @throws when the command was stopped
 */
export async function askTrackers<A extends { readonly kind: 'answer' }>(
  context: Context,
  trackers: readonly URL[],
  timeoutMs: number | undefined,
  ask: (client: TrackerClient, tracker: URL, signal: AbortSignal) => Promise<A | TrackerRefusal>,
): Promise<TrackerOutcome<A>[]> {
  const client = new TrackerClient()
  try {
    return await Promise.all(
      trackers.map(async url => {
        const tracker = trackerLabel(url)
        const late = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs)
        const signal = late === undefined ? context.signal : AbortSignal.any([context.signal, late])
        let error: string
        try {
          const outcome = await ask(client, url, signal)
          if (outcome.kind === 'answer') return { tracker, answer: outcome }
          error = `${tracker}: refused: ${outcome.reason}`
        } catch (thrown) {
          if (context.signal.aborted) throw thrown
          error =
            late?.aborted === true ? `${tracker}: no answer within ${timeoutMs! / 1000} s` : messageOf(thrown)
        }
        if (!context.json) context.warn(error)
        return { tracker, error }
      }),
    )
  } finally {
    client.close()
  }
}
