/**
 * The HTTP side of the tracker: one listening socket.
 *
 * Owns what a connection may cost: its time, its headers, how many there are. Must not know a swarm.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { causedBy } from '../errors.js'
import { formatHostPort, type HostPort } from '../metainfo/addresses.js'
import {
  encodeHttpAnnounce,
  encodeHttpFailure,
  encodeHttpScrape,
  parseHttpAnnounce,
  parseHttpScrape,
} from './http-requests.js'
import type { Desk } from './tracker-server.js'

/** A request is short: who needs longer keeps a connection for its own sake, ms. */
const REQUEST_MS = 10_000
/** Between two requests of one connection, ms. */
const IDLE_MS = 5_000
const MAX_CONNECTIONS = 4096
const MAX_REQUESTS = 256
/** Bytes of a request's head: room for a scrape of 64 torrents. */
const MAX_HEAD = 8192
const ALL = 200

/** An open HTTP socket. */
export class HttpDoor {
  readonly #server: Server
  readonly #host: string

  private constructor(server: Server, host: string) {
    this.#server = server
    this.#host = host
  }

  /** @throws ERR_TORRENTFS_LISTEN naming the address */
  static async open({ host, port }: HostPort, desk: Desk): Promise<HttpDoor> {
    const server = createServer(
      {
        maxHeaderSize: MAX_HEAD,
        requestTimeout: REQUEST_MS,
        headersTimeout: REQUEST_MS,
        keepAliveTimeout: IDLE_MS,
        connectionsCheckingInterval: IDLE_MS,
      },
      (request, response) => answer(desk, request, response),
    )
    server.maxConnections = MAX_CONNECTIONS
    server.maxRequestsPerSocket = MAX_REQUESTS
    await new Promise<void>((resolve, reject) => {
      server.once('error', error => {
        reject(
          causedBy(error, 'ERR_TORRENTFS_LISTEN', `cannot take HTTP at ${formatHostPort({ host, port })}`),
        )
      })
      // A socket for each family: an IPv4 peer must not be seen as an IPv6 one.
      server.listen({ host, port, ipv6Only: true }, resolve)
    })
    return new HttpDoor(server, host)
  }

  get address(): HostPort {
    return { host: this.#host, port: (this.#server.address() as AddressInfo).port }
  }

  close(): Promise<void> {
    return new Promise(resolve => {
      this.#server.close(() => resolve())
      this.#server.closeAllConnections()
    })
  }
}

function answer(desk: Desk, request: IncomingMessage, response: ServerResponse): void {
  const url = request.url ?? ''
  const mark = url.indexOf('?')
  const path = mark < 0 ? url : url.slice(0, mark)
  const query = mark < 0 ? '' : url.slice(mark + 1)
  const from = request.socket.remoteAddress
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    desk.refused()
    send(response, 405, Buffer.from('only GET\n'))
  } else if (path === '/announce' && from !== undefined) {
    send(response, 200, announce(desk, query, from))
  } else if (path === '/scrape') {
    const infohashes = parseHttpScrape(query)
    // All torrents at once are nobody's business, and too much to send.
    if (infohashes.length === 0) {
      desk.refused()
      send(response, 200, encodeHttpFailure('a scrape names torrents by info_hash'))
    } else {
      const entries = desk.scrape(infohashes).filter(entry => entry !== undefined)
      send(response, 200, encodeHttpScrape(entries))
    }
  } else {
    desk.refused()
    send(response, 404, Buffer.from('a BitTorrent tracker: /announce and /scrape\n'))
  }
}

function announce(desk: Desk, query: string, from: string): Uint8Array {
  const asked = parseHttpAnnounce(query)
  if (typeof asked === 'string') {
    desk.refused()
    return encodeHttpFailure(asked)
  }
  const given = desk.announce('http', from, asked, ALL)
  if (given === undefined) return encodeHttpFailure('not a torrent of this tracker', true)
  const { intervalMs, minIntervalMs } = desk
  return encodeHttpAnnounce(given, { compact: asked.compact, intervalMs, minIntervalMs })
}

function send(response: ServerResponse, status: number, body: Uint8Array): void {
  response.on('error', () => {})
  response.writeHead(status, {
    'Content-Type': 'text/plain',
    'Content-Length': body.length,
    'Cache-Control': 'no-store',
  })
  response.end(body)
}
