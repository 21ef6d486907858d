/**
 * Watches whether one torrent may be looked for in public, and says so when that changes. BEP 27.
 *
 * Owns the clock of the grace that `privacy.ts` gives. Whoever looks for peers in public (DHT, peer exchange, local
 * discovery) asks here, and stops at once when it is shut.
 */
import { publicIn } from './privacy.js'

export interface PublicityOptions {
  /** What the info dictionary says; undefined while the metadata is unknown. */
  readonly isPrivate: () => boolean | undefined
  /** Whether the torrent came with trackers or peers of its own. */
  readonly hasSources: () => boolean
  /** It may be looked for in public from now on. */
  readonly opened: () => void
  /** It may be no longer: its metadata says that it is private. Nothing may be sent after this. */
  readonly shut: () => void
}

export class Publicity {
  readonly #o: PublicityOptions
  #askedAt: number | undefined
  #timer: NodeJS.Timeout | undefined
  #open = false
  #stopped = false

  constructor(options: PublicityOptions) {
    this.#o = options
  }

  /** Whether it may be looked for in public, now. */
  get open(): boolean {
    return this.#open
  }

  /** The torrent's own sources are asked from now on. Before this nothing opens. */
  begin(): void {
    this.#askedAt ??= performance.now()
    this.review()
  }

  /** To be called when the metadata is known, or another source. */
  review(): void {
    if (this.#stopped) return
    clearTimeout(this.#timer)
    const { isPrivate, hasSources, opened, shut } = this.#o
    const askedMs = this.#askedAt === undefined ? 0 : performance.now() - this.#askedAt
    const facts = { isPrivate: isPrivate(), hasSources: hasSources(), askedMs }
    // What once was open stays so until it proves private: that another tracker turned up hides nothing any more.
    const ms = this.#open && facts.isPrivate === undefined ? 0 : publicIn(facts)
    const open = ms === 0 && this.#askedAt !== undefined
    if (open !== this.#open) {
      this.#open = open
      if (open) opened()
      else shut()
    } else if (!open && this.#askedAt !== undefined && ms !== Infinity) {
      this.#timer = setTimeout(() => this.review(), Math.ceil(ms))
      this.#timer.unref()
    }
  }

  /** Says nothing more. Idempotent. */
  stop(): void {
    this.#stopped = true
    this.#open = false
    clearTimeout(this.#timer)
  }
}
