/**
 * A web server written in the test: gives ranges of files well, unless told to behave otherwise, and counts what it is
 * asked.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'

export interface SeedRequestSeen {
  readonly url: string
  readonly range: string | undefined
  readonly headers: IncomingMessage['headers']
}

/** Answers a request instead of the server; returns false to let the server answer after all. */
export type Answering = (request: IncomingMessage, response: ServerResponse, number: number) => boolean

export class SeedServer implements AsyncDisposable {
  readonly files = new Map<string, Uint8Array>()
  readonly requests: SeedRequestSeen[] = []
  /** Sockets that were opened, and those that are open. */
  opened = 0
  readonly sockets = new Set<Socket>()
  /** Payload bytes given to sockets. */
  sent = 0
  answering: Answering = () => false
  readonly #host: string
  #server: Server
  #port = 0

  private constructor(host: string) {
    this.#host = host
    this.#server = this.#make()
  }

  static async start(
    files: Readonly<Record<string, Uint8Array>> = {},
    host = '127.0.0.1',
  ): Promise<SeedServer> {
    const server = new SeedServer(host)
    for (const [path, bytes] of Object.entries(files)) server.files.set(path, bytes)
    await server.listen()
    return server
  }

  get port(): number {
    return this.#port
  }

  url(path = '/'): string {
    return `http://${this.#host}:${this.#port}${path}`
  }

  /** Listens again, on the port it had. */
  async listen(): Promise<void> {
    this.#server.listen(this.#port, this.#host)
    await once(this.#server, 'listening')
    this.#port = (this.#server.address() as AddressInfo).port
  }

  /** Goes away as a killed server does: every connection is reset. */
  async kill(): Promise<void> {
    for (const socket of this.sockets) socket.resetAndDestroy()
    const closed = once(this.#server, 'close')
    this.#server.close()
    await closed
    this.#server = this.#make()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.kill()
  }

  /** Gives the range that is asked for, as a good server does. */
  give(request: IncomingMessage, response: ServerResponse, bytes: Uint8Array): void {
    const match = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '')
    const [first, last] =
      match === null
        ? [0, bytes.length - 1]
        : [Number(match[1]), Math.min(Number(match[2]), bytes.length - 1)]
    if (first >= bytes.length) {
      response.writeHead(416, { 'Content-Range': `bytes */${bytes.length}` }).end()
      return
    }
    response.writeHead(match === null ? 200 : 206, {
      'Content-Length': last - first + 1,
      ...(match === null ? {} : { 'Content-Range': `bytes ${first}-${last}/${bytes.length}` }),
    })
    this.pour(response, bytes.subarray(first, last + 1))
  }

  /** Sends a body in steps, so that a reader who pauses holds it back. */
  pour(response: ServerResponse, bytes: Uint8Array): void {
    let at = 0
    const step = (): void => {
      while (at < bytes.length && !response.destroyed) {
        const end = Math.min(at + 65536, bytes.length)
        this.sent += end - at
        const room = response.write(bytes.subarray(at, end))
        at = end
        if (room) continue
        response.once('drain', step)
        return
      }
      if (!response.destroyed) response.end()
    }
    step()
  }

  #make(): Server {
    const server = createServer((request, response) => this.#answer(request, response))
    server.keepAliveTimeout = 60_000
    server.on('connection', socket => {
      this.opened++
      this.sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => this.sockets.delete(socket))
    })
    return server
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = request.url ?? ''
    this.requests.push({ url, range: request.headers.range, headers: request.headers })
    response.on('error', () => {})
    if (this.answering(request, response, this.requests.length)) return
    const bytes = this.files.get(url)
    if (bytes === undefined) response.writeHead(404).end('nothing here')
    else this.give(request, response, bytes)
  }
}
