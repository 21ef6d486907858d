/**
 * Waiting for what happens to a torrent once: its metadata is known, it is ready, it is complete.
 */
import type { TorrentError } from './errors.js'
import type { Torrent } from './torrent.js'

/** What is waited for. */
export interface Milestone {
  /** The event that comes with it. */
  readonly event: 'metadata' | 'ready' | 'complete'
  readonly reached: () => boolean
  /** Why it will never be reached; undefined while it may be. */
  readonly ended: () => TorrentError | undefined
}

/** Resolves when the milestone is reached. @throws the error that ended the torrent before, or the reason of `signal` */
export async function untilReached(
  torrent: Torrent,
  { event, reached, ended }: Milestone,
  signal?: AbortSignal,
): Promise<void> {
  while (!reached()) {
    const error = ended()
    if (error !== undefined) throw error
    signal?.throwIfAborted()
    await new Promise<void>(resolve => {
      const done = (): void => {
        torrent.off(event, done)
        torrent.off('removed', done)
        signal?.removeEventListener('abort', done)
        resolve()
      }
      torrent.on(event, done)
      torrent.on('removed', done)
      signal?.addEventListener('abort', done, { once: true })
    })
  }
}
