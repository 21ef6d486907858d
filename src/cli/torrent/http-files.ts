/**
 * Files of torrents over HTTP, with ranges, for players (RFC 9110).
 *
 * Owns the server and a reader for each answer under way: who goes away or seeks takes his reader with him at once. Must
 * not choose files. Who asks under a name that is not ours is turned away: a page of the web could else make a browser read
 * from here, by having its own name lead to this machine.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { isIP, type AddressInfo } from 'node:net'
import type { File } from '../../torrent/index.js'
import { parseByteRange } from './byte-range.js'
import { mediaTypeOf } from './media-types.js'

/** Bytes read and sent at a time. */
const STEP = 256 * 1024
/** ms without progress after which a client that takes nothing is given up. */
const IDLE_MS = 10 * 60_000

/** How {@link HttpFiles} are served. */
export interface HttpFilesOptions {
  readonly files: readonly File[]
  /** Aborted: the server ends, answers under way too. */
  readonly signal: AbortSignal
  /** Told of answers that failed on our side. */
  readonly onError?: (error: Error) => void
}

/** A server of some files. */
export class HttpFiles {
  readonly #files: readonly File[]
  readonly #signal: AbortSignal
  readonly #onError: (error: Error) => void
  readonly #server: Server
  #host = ''
  #port = 0

  constructor({ files, signal, onError }: HttpFilesOptions) {
    this.#files = files
    this.#signal = signal
    this.#onError = onError ?? ((): void => undefined)
    this.#server = createServer((request, response) => void this.#answer(request, response))
    this.#server.keepAliveTimeout = 30_000
    signal.addEventListener('abort', () => this.#close(), { once: true })
  }

  /** Begins to serve. @param port 0: one that is free. @throws the system's error, such as EADDRINUSE */
  async listen(host: string, port: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(port, host, () => {
        this.#server.off('error', reject)
        resolve()
      })
    })
    this.#host = host
    this.#port = (this.#server.address() as AddressInfo).port
    if (this.#signal.aborted) this.#close()
  }

  /** Where a file can be had; its name stands at the end, which players show and guess types by. */
  urlOf(file: File): string {
    const number = this.#files.indexOf(file)
    const host = ['', '0.0.0.0', '::'].includes(this.#host) ? '127.0.0.1' : this.#host
    const shown = host.includes(':') ? `[${host}]` : host
    return `http://${shown}:${this.#port}/${number}/${encodeURIComponent(file.path.at(-1)!)}`
  }

  #close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      if (!this.#isForUs(request.headers.host)) return refuse(response, 403, 'this is another host')
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        response.setHeader('allow', 'GET, HEAD')
        return refuse(response, 405, 'only GET and HEAD')
      }
      const path = (request.url ?? '/').split('?')[0]!
      if (path === '/') return this.#list(request, response)
      const file = this.#files[Number(/^\/(\d{1,9})(?:\/|$)/.exec(path)?.[1] ?? NaN)]
      if (file === undefined) return refuse(response, 404, 'no such file')
      await this.#send(file, request, response)
    } catch (error) {
      if (!response.headersSent) return refuse(response, 500, 'it cannot be read')
      response.destroy()
      if (!this.#signal.aborted) this.#onError(error as Error)
    }
  }

  /** An address cannot be made to lead elsewhere by a name server; of names, only our own one counts. */
  #isForUs(header: string | undefined): boolean {
    // HTTP/1.0 has none, and no browser speaks that.
    if (header === undefined) return true
    const name = header.replace(/:\d+$/, '').toLowerCase()
    const address = name.replace(/^\[|\]$/g, '')
    return isIP(address) !== 0 || name === 'localhost' || name === this.#host.toLowerCase()
  }

  #list(request: IncomingMessage, response: ServerResponse): void {
    const text = this.#files.map(file => `${this.urlOf(file)}\n`).join('')
    response.setHeader('content-type', 'text/plain; charset=utf-8')
    response.setHeader('content-length', Buffer.byteLength(text))
    response.end(request.method === 'HEAD' ? undefined : text)
  }

  async #send(file: File, request: IncomingMessage, response: ServerResponse): Promise<void> {
    // The bytes of a torrent never change: this names them for ever.
    const tag = `"${file.torrent.infohash}-${file.index}"`
    response.setHeader('etag', tag)
    response.setHeader('accept-ranges', 'bytes')
    response.setHeader('content-type', mediaTypeOf(file.path.at(-1)!))
    response.setHeader('x-content-type-options', 'nosniff')
    if (namesTag(request.headers['if-none-match'], tag)) {
      response.statusCode = 304
      response.end()
      return
    }
    const condition = request.headers['if-range']
    const isSame = typeof condition !== 'string' || condition.trim() === tag
    const range = parseByteRange(isSame ? request.headers.range : undefined, file.length)
    if (range === 'unsatisfiable') {
      response.setHeader('content-range', `bytes */${file.length}`)
      return refuse(response, 416, `there are ${file.length} bytes`)
    }
    const { begin, end } = range === 'all' ? { begin: 0, end: file.length } : range
    if (range !== 'all') {
      response.statusCode = 206
      response.setHeader('content-range', `bytes ${begin}-${end - 1}/${file.length}`)
    }
    response.setHeader('content-length', end - begin)
    if (request.method === 'HEAD' || begin === end) {
      response.end()
      return
    }
    await this.#stream(file, begin, end, response)
  }

  async #stream(file: File, begin: number, end: number, response: ServerResponse): Promise<void> {
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    response.setTimeout(IDLE_MS, () => {
      // Who waits for the swarm has done nothing wrong; who takes nothing of what there is has.
      if (response.writableNeedDrain) response.destroy()
    })
    const reader = file.createReader({ signal: AbortSignal.any([gone.signal, this.#signal]) })
    response.flushHeaders()
    try {
      for (let at = begin; at < end;) {
        const bytes = Buffer.allocUnsafe(Math.min(STEP, end - at))
        const count = await reader.readAt(bytes, at)
        if (count === 0) throw new Error(`${file.path.join('/')} ends at ${at}`)
        at += count
        if (!response.write(bytes.subarray(0, count))) await drained(response, gone.signal)
      }
      response.end()
    } catch (error) {
      // Someone who went away has had what he wanted.
      if (!gone.signal.aborted) throw error
    } finally {
      reader.close()
    }
  }
}

function drained(response: ServerResponse, gone: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const left = (): void => reject(new Error('the client is gone'))
    if (gone.aborted) return left()
    gone.addEventListener('abort', left, { once: true })
    response.once('drain', () => {
      gone.removeEventListener('abort', left)
      resolve()
    })
  })
}

function namesTag(header: string | undefined, tag: string): boolean {
  return (header ?? '').split(',').some(one => ['*', tag].includes(one.trim().replace(/^W\//, '')))
}

function refuse(response: ServerResponse, status: number, why: string): void {
  response.statusCode = status
  response.setHeader('content-type', 'text/plain; charset=utf-8')
  response.setHeader('content-length', Buffer.byteLength(why) + 1)
  response.end(response.req.method === 'HEAD' ? undefined : `${why}\n`)
}
