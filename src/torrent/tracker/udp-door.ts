/**
 * The UDP side of the tracker: one socket (BEP 15).
 *
 * Owns that nothing is sent to an address that has not shown to be its sender's, but answers no longer than what was asked.
 * Must not know a swarm.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import { causedBy } from '../errors.js'
import { formatHostPort, type HostPort } from '../metainfo/addresses.js'
import { bytesOfHost } from '../wire/compact-address.js'
import { ConnectionIds } from './connection-ids.js'
import type { Desk } from './tracker-server.js'
import {
  encodeUdpAnnounce,
  encodeUdpConnection,
  encodeUdpError,
  encodeUdpScrape,
  parseUdpRequest,
} from './udp-requests.js'

/** Addresses that fit into one packet on any network (1,280 bytes), by the size of one. */
const FITTING = { 4: 200, 6: 67 } as const
/** Requests that may wait while the engine does something else, bytes. */
const RECEIVE_BYTES = 2 * 1024 * 1024

/** An open UDP socket. */
export class UdpDoor {
  readonly #socket: Socket
  readonly #desk: Desk
  readonly #ids = new ConnectionIds()

  private constructor(socket: Socket, desk: Desk) {
    this.#socket = socket
    this.#desk = desk
    socket.on('message', (datagram, from) => this.#receive(datagram, from))
    // Of what was sent, to someone who is gone.
    socket.on('error', () => {})
  }

  /** @throws ERR_TORRENTFS_LISTEN naming the address */
  static async open({ host, port }: HostPort, desk: Desk): Promise<UdpDoor> {
    const options = { recvBufferSize: RECEIVE_BYTES }
    const socket = isIPv6(host)
      ? createSocket({ type: 'udp6', ipv6Only: true, ...options })
      : createSocket({ type: 'udp4', ...options })
    await new Promise<void>((resolve, reject) => {
      socket.once('error', error => {
        reject(
          causedBy(error, 'ERR_TORRENTFS_LISTEN', `cannot take UDP at ${formatHostPort({ host, port })}`),
        )
      })
      socket.bind({ address: host, port, exclusive: true }, resolve)
    })
    return new UdpDoor(socket, desk)
  }

  get address(): HostPort {
    const { address, port } = this.#socket.address()
    return { host: address, port }
  }

  close(): Promise<void> {
    return new Promise(resolve => this.#socket.close(() => resolve()))
  }

  #receive(datagram: Uint8Array, from: RemoteInfo): void {
    const request = parseUdpRequest(datagram)
    const address = bytesOfHost(from.address)
    // What is no request gets no answer: it may have been sent in another's name.
    if (request === undefined || address === undefined || from.port === 0) {
      this.#desk.refused()
      return
    }
    const answer = this.#answer(request, address, from.address)
    this.#socket.send(answer, from.port, from.address, () => {})
  }

  #answer(
    request: NonNullable<ReturnType<typeof parseUdpRequest>>,
    address: Uint8Array,
    host: string,
  ): Uint8Array {
    const { transaction } = request
    const now = performance.now()
    if (request.kind === 'connect') return encodeUdpConnection(transaction, this.#ids.issue(address, now))
    if (!this.#ids.accepts(request.connection, address, now)) {
      this.#desk.refused()
      return encodeUdpError(transaction, 'connection id is not valid')
    }
    if (request.kind === 'scrape') return encodeUdpScrape(transaction, this.#desk.scrape(request.infohashes))
    if (request.port === 0) {
      this.#desk.refused()
      return encodeUdpError(transaction, 'port is 0')
    }
    const given = this.#desk.announce('udp', host, request, FITTING[address.length === 4 ? 4 : 6])
    if (given === undefined) return encodeUdpError(transaction, 'not a torrent of this tracker')
    return encodeUdpAnnounce(transaction, given, this.#desk.intervalMs)
  }
}
