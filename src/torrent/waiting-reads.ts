/**
 * The reads of one torrent that wait for bytes, and how each of them ends.
 *
 * Owns whom to tell. When a wait is over is the core's to say.
 */
import type { CoreEvent, Effect, WaitNumber } from './core/events.js'
import type { TorrentError } from './errors.js'

/** Who waits. Exactly one of these is called, once, unless {@link WaitingReads.end} comes first. */
export interface Waiting {
  readonly done: () => void
  readonly failed: (error: Error) => void
}

/** What is waited for: bytes [begin, end) of the torrent, stored; with `early`, their blocks. */
export interface Awaited {
  readonly reader: number
  readonly begin: number
  readonly end: number
  readonly early: boolean
}

export interface WaitingReadsOptions {
  readonly post: (event: CoreEvent) => void
  /** Those bytes are here, and will be read when this turn of the event loop ends. */
  readonly arrived: (awaited: Awaited) => void
}

export class WaitingReads {
  readonly #o: WaitingReadsOptions
  readonly #waiting = new Map<WaitNumber, Awaited & Waiting>()
  #nextWait = 1
  #closed: TorrentError | undefined

  constructor(options: WaitingReadsOptions) {
    this.#o = options
  }

  begin(awaited: Awaited, waiting: Waiting): WaitNumber {
    const wait = this.#nextWait++
    if (this.#closed !== undefined) {
      waiting.failed(this.#closed)
      return wait
    }
    this.#waiting.set(wait, { ...awaited, ...waiting })
    this.#o.post({ type: 'wait', wait, ...awaited })
    return wait
  }

  /** Nobody waits any more: who did hears nothing of it. */
  end(wait: WaitNumber): void {
    if (this.#waiting.delete(wait)) this.#o.post({ type: 'waitEnded', wait })
  }

  /** The core says that a wait is over. */
  settle(effect: Extract<Effect, { type: 'waitDone' | 'waitFailed' }>): void {
    const waiting = this.#waiting.get(effect.wait)
    if (waiting === undefined) return
    this.#waiting.delete(effect.wait)
    if (effect.type === 'waitFailed') return waiting.failed(effect.error)
    this.#o.arrived(waiting)
    waiting.done()
  }

  /** Fails all of them, and those to come. */
  close(error: TorrentError): void {
    this.#closed = error
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const { failed } of waiting) failed(error)
  }
}
