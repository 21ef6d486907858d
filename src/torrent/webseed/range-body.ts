/**
 * The body of one range request: redirects followed, the answer judged, exactly the promised bytes passed on.
 *
 * Owns one exchange at a time. Must not know blocks.
 */
import { messageOf, type TorrentError } from '../errors.js'
import type { Realm } from '../net/ip-address.js'
import { judgeAnswer, type AnswerHeaders, type Verdict } from './answer.js'
import type { Exchange, HttpPool } from './http-pool.js'
import type { MovedPlaces } from './moved-places.js'
import type { SeedRequest, WebSeedKind } from './seed-layout.js'

/** Why a range is not to be had. */
export type RangeFailure =
  /** This seed does not have this part, or not as it should be. */
  | { readonly kind: 'part'; readonly reason: string }
  /** The server wants to be left alone; `afterMs`: for how long, if it said so. */
  | { readonly kind: 'later'; readonly reason: string; readonly afterMs: number | undefined }
  /** It cannot be reached, broke off, or was silent for too long. */
  | { readonly kind: 'broken'; readonly reason: string }

/** Called synchronously while the socket is read, never before the constructor has returned. */
export interface RangeEvents {
  /** This many bytes of what was asked for come, from its first on; it may be less or (a whole file) more. */
  begun(length: number): void
  /** The next of them, the listener's to keep and not to change. */
  data(chunk: Uint8Array): void
  /** All of them came. */
  done(): void
  failed(failure: RangeFailure): void
}

/** What all requests to one web seed have in common. */
export interface RangeServer {
  readonly kind: WebSeedKind
  readonly pool: HttpPool
  readonly moved: MovedPlaces
  /** Where credentials may be sent, and the header's value. */
  readonly credentials: { readonly origin: string; readonly authorization: string } | undefined
  /** The realm of the web seed's own host: no redirect leads nearer. */
  realm(): Promise<Realm>
}

const MOST_REDIRECTS = 5
/** An answer of no use, or a rest nobody wants, up to this many bytes is read to its end: cheaper than a new connection. */
const MOST_DISCARDED = 128 * 1024
/** Longest body of a BEP 17 refusal: a number of seconds. */
const MOST_SECONDS_TEXT = 32

export class RangeBody {
  readonly #server: RangeServer
  readonly #request: SeedRequest
  readonly #events: RangeEvents
  #exchange: Exchange | undefined
  #url: URL
  /** The URL is one that an earlier redirect led to. */
  #remembered: boolean
  #redirects = 0
  /** Bytes of no use before those that are asked for. */
  #skip = 0
  /** Bytes that are still to come; undefined before the answer. */
  #left: number | undefined
  /** The text of a refusal that may say when to come again (BEP 17). */
  #refusal: { readonly verdict: Extract<Verdict, { kind: 'later' }>; text: string } | undefined
  #paused = false
  #over = false

  constructor(server: RangeServer, request: SeedRequest, events: RangeEvents) {
    this.#server = server
    this.#request = request
    this.#events = events
    const moved = server.moved.of(request.url, performance.now())
    this.#url = moved ?? request.url
    this.#remembered = moved !== undefined
    void this.#ask()
  }

  /** See {@link Exchange.pause}. */
  pause(): void {
    this.#paused = true
    this.#exchange?.pause()
  }

  /** See {@link Exchange.resume}. */
  resume(): void {
    this.#paused = false
    this.#exchange?.resume()
  }

  /** Nobody wants the rest: it is read to its end if it is small, else the connection is closed. No event follows. */
  leave(): void {
    if (this.#over) return
    this.#over = true
    if (this.#left === undefined || this.#left + this.#skip > MOST_DISCARDED) this.#exchange?.abort()
    else this.#exchange?.discard(this.#left + this.#skip)
  }

  async #ask(): Promise<void> {
    const { pool, credentials } = this.#server
    let realm: Realm
    try {
      realm = await this.#server.realm()
    } catch (error) {
      return this.#fail({ kind: 'broken', reason: messageOf(error) })
    }
    if (this.#over) return
    const url = this.#url
    const { range } = this.#request
    const headers: Record<string, string> = range === undefined ? {} : { range }
    if (credentials?.origin === url.origin) headers['authorization'] = credentials.authorization
    this.#exchange = pool.get(url, headers, realm, {
      head: (status, answer) => this.#head(status, answer),
      data: chunk => this.#data(chunk),
      end: () => this.#end(),
      failed: error => this.#broken(error),
    })
    if (this.#paused) this.#exchange.pause()
  }

  #head(status: number, headers: AnswerHeaders): void {
    if (this.#over) return
    const verdict = judgeAnswer(this.#server.kind, this.#request, status, headers, Date.now())
    switch (verdict.kind) {
      case 'body':
        if (this.#redirects > 0) this.#server.moved.note(this.#request.url, this.#url, performance.now())
        this.#skip = verdict.skip
        this.#left = verdict.length
        return this.#events.begun(verdict.length)
      case 'redirect':
        return this.#redirect(verdict.location)
      case 'unusable':
        this.#exchange?.discard(MOST_DISCARDED)
        if (!this.#again()) this.#fail({ kind: 'part', reason: verdict.reason })
        return
      case 'later':
        if (this.#server.kind === 'pieces' && verdict.afterMs === undefined) {
          this.#refusal = { verdict, text: '' }
          return
        }
        this.#exchange?.discard(MOST_DISCARDED)
        return this.#fail(verdict)
    }
  }

  #redirect(location: string): void {
    this.#exchange?.discard(MOST_DISCARDED)
    const next = URL.canParse(location, this.#url.href) ? new URL(location, this.#url.href) : undefined
    if (next === undefined || (next.protocol !== 'http:' && next.protocol !== 'https:')) {
      return this.#fail({ kind: 'part', reason: 'a redirect to nowhere' })
    }
    if (this.#url.protocol === 'https:' && next.protocol === 'http:') {
      return this.#fail({ kind: 'part', reason: 'a redirect from https to http' })
    }
    if (++this.#redirects > MOST_REDIRECTS) {
      return this.#fail({ kind: 'part', reason: `more than ${MOST_REDIRECTS} redirects` })
    }
    next.username = next.password = next.hash = ''
    this.#url = next
    void this.#ask()
  }

  /** Tries where it began, if this was a place an earlier redirect led to: it may have moved on. */
  #again(): boolean {
    if (!this.#remembered) return false
    this.#remembered = false
    this.#server.moved.forget(this.#request.url)
    this.#url = this.#request.url
    void this.#ask()
    return true
  }

  #data(chunk: Uint8Array): void {
    if (this.#over) return
    if (this.#refusal !== undefined) {
      this.#refusal.text += Buffer.from(chunk).toString('latin1').slice(0, MOST_SECONDS_TEXT)
      if (this.#refusal.text.length >= MOST_SECONDS_TEXT) this.#end()
      return
    }
    let from = 0
    if (this.#skip > 0) {
      from = Math.min(this.#skip, chunk.length)
      this.#skip -= from
    }
    const left = this.#left ?? 0
    const count = Math.min(left, chunk.length - from)
    this.#left = left - count
    if (count > 0) this.#events.data(count === chunk.length ? chunk : chunk.subarray(from, from + count))
    // More than was promised: what came so far is what was asked for.
    if (from + count < chunk.length && !this.#over) {
      this.#exchange?.abort()
      this.#end()
    }
  }

  #end(): void {
    if (this.#over) return
    if (this.#refusal !== undefined) {
      const { verdict, text } = this.#refusal
      this.#exchange?.discard(MOST_DISCARDED)
      const seconds = /^\s*(\d{1,6})\s*$/.exec(text)?.[1]
      return this.#fail({ ...verdict, afterMs: seconds === undefined ? undefined : Number(seconds) * 1000 })
    }
    if (this.#left !== 0) return this.#fail({ kind: 'broken', reason: 'a body shorter than promised' })
    this.#over = true
    this.#events.done()
  }

  #broken(error: TorrentError): void {
    if (this.#over || (this.#left === undefined && this.#again())) return
    this.#fail({ kind: 'broken', reason: error.message })
  }

  #fail(failure: RangeFailure): void {
    if (this.#over) return
    this.#over = true
    this.#events.failed(failure)
  }
}
