/**
 * Trackers that do what a test tells them to: an HTTP(S) server and a UDP socket on loopback, answering by a function.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { certificate, privateKey } from './loopback-certificate.js'

/** An HTTP tracker that answers with a function. */
export class RudeHttpTracker implements AsyncDisposable {
  readonly requests: { readonly url: string; readonly headers: IncomingMessage['headers'] }[] = []
  readonly #server: Server
  readonly #scheme: string
  readonly #host: string

  private constructor(server: Server, scheme: string, host: string) {
    this.#server = server
    this.#scheme = scheme
    this.#host = host
    server.on('request', (request: IncomingMessage) => {
      this.requests.push({ url: request.url ?? '', headers: request.headers })
    })
  }

  static async start(
    answer: (response: ServerResponse, request: IncomingMessage) => void,
    o: { readonly tls?: boolean; readonly host?: string } = {},
  ): Promise<RudeHttpTracker> {
    const { tls = false, host = '127.0.0.1' } = o
    const server = tls ? createTlsServer({ cert: certificate, key: privateKey }) : createServer()
    const tracker = new RudeHttpTracker(server, tls ? 'https' : 'http', host)
    server.on('request', (request: IncomingMessage, response: ServerResponse) => answer(response, request))
    server.listen(0, host)
    await once(server, 'listening')
    return tracker
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  url(path = '/announce', host = this.#host): URL {
    return new URL(`${this.#scheme}://${host.includes(':') ? `[${host}]` : host}:${this.port}${path}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

/** A datagram that came, taken apart as far as every request goes. */
export interface Datagram {
  readonly bytes: Buffer
  readonly action: number
  readonly transaction: number
  readonly connection: string
  readonly from: RemoteInfo
}

/** A UDP tracker that answers with a function; `undefined` is silence. */
export class RudeUdpTracker implements AsyncDisposable {
  readonly datagrams: Datagram[] = []
  readonly socket: Socket
  readonly #host: string

  private constructor(socket: Socket, host: string) {
    this.socket = socket
    this.#host = host
  }

  static async start(
    answer: (datagram: Datagram, tracker: RudeUdpTracker) => Uint8Array | undefined,
    host = '127.0.0.1',
    port = 0,
  ): Promise<RudeUdpTracker> {
    const socket = createSocket(host.includes(':') ? { type: 'udp6', ipv6Only: true } : { type: 'udp4' })
    const tracker = new RudeUdpTracker(socket, host)
    socket.on('message', (bytes, from) => {
      const datagram = {
        bytes,
        connection: bytes.subarray(0, 8).toString('hex'),
        action: bytes.readUInt32BE(8),
        transaction: bytes.readUInt32BE(12),
        from,
      }
      tracker.datagrams.push(datagram)
      const reply = answer(datagram, tracker)
      if (reply !== undefined) socket.send(reply, from.port, from.address)
    })
    socket.bind(port, host)
    await once(socket, 'listening')
    return tracker
  }

  get port(): number {
    return this.socket.address().port
  }

  get url(): URL {
    return new URL(`udp://${this.#host.includes(':') ? `[${this.#host}]` : this.#host}:${this.port}/announce`)
  }

  count(action: number): number {
    return this.datagrams.filter(datagram => datagram.action === action).length
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.close()
    await once(this.socket, 'close')
  }
}

/** A UDP answer: action, transaction, rest in hexadecimal. */
export function udpAnswer(action: number, { transaction }: Pick<Datagram, 'transaction'>, rest = ''): Buffer {
  const head = Buffer.alloc(8)
  head.writeUInt32BE(action, 0)
  head.writeUInt32BE(transaction, 4)
  return Buffer.concat([head, Buffer.from(rest, 'hex')])
}

/** What a well-behaved UDP tracker with one peer, 1.2.3.4:6881, answers to a connect or an announce. */
export function politeUdp(datagram: Datagram): Buffer {
  return datagram.action === 0
    ? udpAnswer(0, datagram, 'c0ffee00c0ffee00')
    : udpAnswer(1, datagram, '000007080000000300000005010203041ae1')
}
