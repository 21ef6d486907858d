/**
 * Waiting for whoever runs a command to end it.
 */

import { setTimeout as sleep } from 'node:timers/promises'

/** The longest a timer can be, nearly. */
const LONG_MS = 2 ** 30

/** Resolves when the signal is aborted, and keeps the process alive until then. */
export async function untilAborted(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) await sleep(LONG_MS, undefined, { signal }).catch(() => undefined)
}
