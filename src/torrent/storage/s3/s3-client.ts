/**
 * Signed requests to one bucket of an S3-compatible server: tried again while that may help, with answers of a known size.
 *
 * Owns the signatures and the tries. Must not know pieces. The only importer of aws4fetch.
 */
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { AwsV4Signer } from 'aws4fetch'
import { messageOf, TorrentError } from '../../errors.js'
import { isPassing, s3Failure } from './s3-failure.js'
import type { S3Place } from './s3-options.js'

/** A request is made this often at most. */
const TRIES = 5
/** Before the second try, in ms; each pause is twice the one before. */
const FIRST_PAUSE_MS = 200
/** However long the server asks for. */
const LONGEST_PAUSE_MS = 5000
/** Of an error's text. */
const MOST_ERROR_BYTES = 16 * 1024
/** Requests under way at a time. */
const AT_ONCE = 32

export interface S3Request {
  readonly method: 'GET' | 'PUT' | 'DELETE'
  /** Of the object, without the place's prefix; empty for the bucket itself. */
  readonly key: string
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  /** What fails, for messages: "read", "write". */
  readonly doing: string
  /** Statuses that are answers, besides 200. */
  readonly accept: readonly number[]
  /** Bytes that the body of a 200 or 206 may have. */
  readonly mostBytes: number
}

export interface S3Answer {
  readonly status: number
  readonly headers: Headers
  /** Of a 200 or 206; empty otherwise. */
  readonly body: Uint8Array
}

/** A try that may be followed by another one. */
class Passing extends Error {
  readonly failure: TorrentError
  readonly pauseMs: number

  constructor(failure: TorrentError, pauseMs = 0) {
    super(failure.message)
    this.failure = failure
    this.pauseMs = pauseMs
  }
}

/** One bucket. */
export class S3Client {
  readonly #place: S3Place
  /** Keys derived for the day, by aws4fetch. */
  readonly #keys = new Map<string, ArrayBuffer>()
  /** What gives up each request, or the pause before it. */
  readonly #ends = new Set<AbortController>()
  #ended = false
  readonly #queue: (() => void)[] = []
  readonly #firstPauseMs: number
  #underWay = 0

  /** @param o.firstPauseMs before a second try; each pause is twice the one before */
  constructor(place: S3Place, o: { readonly firstPauseMs?: number } = {}) {
    this.#place = place
    this.#firstPauseMs = o.firstPauseMs ?? FIRST_PAUSE_MS
  }

  /** How an object is called in messages. */
  nameOf(key: string): string {
    const { bucket, prefix, url } = this.#place
    return `s3://${bucket}/${prefix}${key} at ${new URL(url).origin}`
  }

  /**
   * Makes a request, several times where that may help.
   *
   * @throws ERR_TORRENTFS_STORAGE, ERR_TORRENTFS_DISK_FULL naming bucket, key and status; ERR_TORRENTFS_CLOSED after `close`
   */
  async ask(request: S3Request): Promise<S3Answer> {
    if (this.#underWay >= AT_ONCE) await new Promise<void>(resolve => this.#queue.push(resolve))
    else this.#underWay++
    try {
      return await this.#askOften(request)
    } finally {
      const next = this.#queue.shift()
      if (next === undefined) this.#underWay--
      else next()
    }
  }

  /** Gives up what is under way. */
  close(): void {
    this.#ended = true
    for (const end of this.#ends) end.abort()
  }

  async #askOften(request: S3Request): Promise<S3Answer> {
    for (let tries = 1; ; tries++) {
      if (this.#ended) throw this.#closed(request)
      const end = new AbortController()
      this.#ends.add(end)
      const timer = setTimeout(() => end.abort(new LateError()), this.#place.timeoutMs)
      try {
        return await this.#askOnce(request, end.signal)
      } catch (thrown) {
        clearTimeout(timer)
        if (this.#ended) throw this.#closed(request)
        if (!(thrown instanceof Passing)) throw thrown
        if (tries === TRIES) throw thrown.failure
        // Half of it by chance: those that failed together should not come again together.
        const pause = this.#firstPauseMs * 2 ** (tries - 1) * (0.5 + Math.random() / 2)
        await this.#pause(Math.min(LONGEST_PAUSE_MS, Math.max(pause, thrown.pauseMs)))
      } finally {
        clearTimeout(timer)
        this.#ends.delete(end)
      }
    }
  }

  async #pause(ms: number): Promise<void> {
    const end = new AbortController()
    this.#ends.add(end)
    await sleep(ms, undefined, { signal: end.signal }).catch(() => {})
    this.#ends.delete(end)
  }

  async #askOnce(request: S3Request, signal: AbortSignal): Promise<S3Answer> {
    const { doing, accept, mostBytes } = request
    const name = this.nameOf(request.key)
    const { url, headers } = await this.#sign(request)
    let response: Response
    let body: Uint8Array
    try {
      response = await fetch(url, {
        method: request.method,
        headers,
        // Elsewhere the signature would not hold, and what is told with it is nobody's business there.
        redirect: 'manual',
        signal,
        ...(request.body === undefined ? {} : { body: request.body }),
      })
      const wanted = response.status === 200 || response.status === 206
      body = await readBody(response, wanted ? mostBytes : MOST_ERROR_BYTES, wanted)
    } catch (thrown) {
      if (thrown instanceof TooLong) {
        throw new TorrentError(
          'ERR_TORRENTFS_STORAGE',
          `cannot ${doing} ${name}: the answer is longer than ${mostBytes} bytes`,
        )
      }
      throw new Passing(
        new TorrentError('ERR_TORRENTFS_STORAGE', `cannot ${doing} ${name}: ${reasonOf(thrown)}`, {
          cause: thrown,
        }),
      )
    }
    const { status } = response
    if (status === 200 || status === 206) return { status, headers: response.headers, body }
    if (accept.includes(status)) return { status, headers: response.headers, body: new Uint8Array(0) }
    const failure = s3Failure(doing, name, status, Buffer.from(body).toString('latin1'))
    if (!isPassing(status)) throw failure
    throw new Passing(failure, 1000 * (Number(response.headers.get('retry-after')) || 0))
  }

  async #sign({ method, key, query, headers, body }: S3Request): Promise<{ url: URL; headers: Headers }> {
    const place = this.#place
    const url = new URL(key === '' ? place.url : `${place.url}/${place.prefix}${key}`)
    for (const [name, value] of Object.entries(query ?? {})) url.searchParams.set(name, value)
    return await new AwsV4Signer({
      method,
      url: url.href,
      headers: {
        ...headers,
        'x-amz-content-sha256': createHash('sha256')
          .update(body ?? '')
          .digest('hex'),
      },
      accessKeyId: place.accessKeyId,
      secretAccessKey: place.secretAccessKey,
      ...(place.sessionToken === undefined ? {} : { sessionToken: place.sessionToken }),
      service: 's3',
      region: place.region,
      cache: this.#keys,
    }).sign()
  }

  #closed({ doing, key }: S3Request): TorrentError {
    return new TorrentError(
      'ERR_TORRENTFS_CLOSED',
      `cannot ${doing} ${this.nameOf(key)}: the storage is closed`,
    )
  }
}

class TooLong extends Error {}

class LateError extends Error {
  constructor() {
    super('no answer in time')
  }
}

/** The body, or what fits in of one that is only looked at. */
async function readBody(response: Response, most: number, whole: boolean): Promise<Uint8Array> {
  if (response.body === null) return new Uint8Array(0)
  if (whole && Number(response.headers.get('content-length') ?? 0) > most) {
    await response.body.cancel()
    throw new TooLong()
  }
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    if (length + chunk.length > most) {
      // Leaving the loop closes the connection.
      if (whole) throw new TooLong()
      break
    }
    chunks.push(chunk)
    length += chunk.length
  }
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
}

/** `fetch failed` says nothing: what lies behind it does. */
function reasonOf(thrown: unknown): string {
  const cause = thrown instanceof Error ? thrown.cause : undefined
  return cause === undefined ? messageOf(thrown) : messageOf(cause) || messageOf(thrown)
}
