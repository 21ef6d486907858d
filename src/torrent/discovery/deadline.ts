/**
 * Work that ends: by itself, at a deadline, or when its signal is aborted, whichever comes first.
 *
 * Owns the timer and the listener, and takes both away whatever happens; `AbortSignal.any` on a signal that lives as
 * long as a torrent would leak in Node.js 20.
 */
import { TorrentError } from '../errors.js'

/** When to give up. */
export interface DeadlineOptions {
  /** ms from now. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
  /** Names what was waited for, for the error's message. */
  readonly what: string
}

/**
 * Runs `work` with a signal of its own that is aborted at the deadline, with the outer signal and when the work is done; does not wait for work
 * that ignores it, and swallows what such work says later.
 *
 * @throws ERR_TORRENTFS_TIMEOUT at the deadline, ERR_TORRENTFS_ABORTED on abort, else what `work` throws
 */
export function withDeadline<T>(o: DeadlineOptions, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { signal: outer, what } = o
  return new Promise<T>((resolve, reject) => {
    if (outer?.aborted) {
      reject(aborted(what))
      return
    }
    const controller = new AbortController()
    const settle = (reason?: TorrentError): void => {
      clearTimeout(timer)
      outer?.removeEventListener('abort', onAbort)
      // Also when the work is done: parts of it may still run that nobody waits for.
      controller.abort(reason ?? 'settled')
    }
    const end = (error: TorrentError): void => {
      reject(error)
      settle(error)
    }
    const onAbort = (): void => end(aborted(what))
    const timer = setTimeout(() => {
      end(new TorrentError('ERR_TORRENTFS_TIMEOUT', `${what}: no answer in ${o.timeoutMs} ms`))
    }, o.timeoutMs)
    outer?.addEventListener('abort', onAbort)
    // Called in a `then` so that a throw of `work` itself is a rejection as well.
    Promise.resolve(controller.signal)
      .then(work)
      .then(resolve, reject)
      .finally(() => settle())
  })
}

/** The error of work whose signal was aborted. */
export function aborted(what: string): TorrentError {
  return new TorrentError('ERR_TORRENTFS_ABORTED', `${what}: aborted`)
}
