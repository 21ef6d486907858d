/**
 * One UDP port that several speakers share: uTP, the DHT and who else listens to datagrams.
 *
 * Owns the socket from `open` to `close`. Must not interpret a byte; who listens gets every datagram and knows its own.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'

import { messageOf, TorrentError } from '../errors.js'
import type { HostPort } from '../metainfo/addresses.js'
import type { IpFilter } from './ip-filter.js'

/** Hears of a datagram. `bytes` are the listener's to keep, and not to change: others hear of them too. */
export type DatagramListener = (bytes: Uint8Array, from: HostPort) => void

/** A bound UDP port of one address family. */
export interface DatagramPort {
  readonly family: 4 | 6
  /** The port it is bound to. */
  readonly port: number
  /** Sends a datagram, or loses it: UDP promises nothing. `to.host` must be an IP address of this family. */
  send(bytes: Uint8Array, to: HostPort): void
  /**
   * Goes to another address of this machine, under the same number, and keeps its listeners; with undefined it is
   * nowhere until it is told where. What is sent meanwhile is lost.
   *
   * @throws ERR_TORRENTFS_LISTEN; it is nowhere then
   */
  moveTo?(host: string | undefined): Promise<void>
  /** Hears of every datagram from now on. @returns a function that ends it */
  listen(listener: DatagramListener): () => void
  /** Idempotent. */
  close(): Promise<void>
}

export interface UdpPortOptions {
  readonly family: 4 | 6
  /** The IP address to bind; undefined or empty for all. */
  readonly host?: string
  /** 0 lets the system choose. */
  readonly port: number
  /** Datagrams to and from addresses that it blocks are lost. */
  readonly filter?: IpFilter | undefined
}

/** Datagrams wait in the kernel while this process is busy; the system's default of 208 KiB loses bursts. */
const RECEIVE_BUFFER_BYTES = 2 * 1024 * 1024

/** A {@link DatagramPort} on a socket of its own. */
export class UdpPort implements DatagramPort {
  readonly family: 4 | 6
  readonly #listeners = new Set<DatagramListener>()
  readonly #filter: IpFilter | undefined
  #socket: Socket | undefined
  #port = 0
  #closed: Promise<void> | undefined

  private constructor(family: 4 | 6, filter: IpFilter | undefined) {
    this.family = family
    this.#filter = filter
  }

  /** @throws ERR_TORRENTFS_LISTEN */
  static async open({ family, host, port, filter }: UdpPortOptions): Promise<UdpPort> {
    const own = new UdpPort(family, filter)
    await own.#bind(host, port)
    return own
  }

  get port(): number {
    return this.#port
  }

  send(bytes: Uint8Array, to: HostPort): void {
    // A datagram may come from port 0, which is nobody's; the socket throws at it.
    if (this.#closed !== undefined || to.port === 0 || this.#filter?.blocks(to.host, 'datagram') === true)
      return
    this.#socket?.send(bytes, to.port, to.host, () => {})
  }

  async moveTo(host: string | undefined): Promise<void> {
    const old = this.#socket
    this.#socket = undefined
    if (old !== undefined) await new Promise<void>(resolve => old.close(() => resolve()))
    if (host === undefined || this.#closed !== undefined) return
    await this.#bind(host, this.#port)
  }

  listen(listener: DatagramListener): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  close(): Promise<void> {
    return (this.#closed ??= new Promise(resolve => {
      this.#listeners.clear()
      if (this.#socket === undefined) resolve()
      else this.#socket.close(() => resolve())
    }))
  }

  async #bind(host: string | undefined, port: number): Promise<void> {
    const socket = makeSocket(this.family)
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once('error', reject)
        socket.bind(
          { port, exclusive: true, ...(host === undefined || host === '' ? {} : { address: host }) },
          () => {
            socket.off('error', reject)
            resolve()
          },
        )
      })
    } catch (error) {
      socket.close()
      const where = `UDP port ${port}${host === undefined || host === '' ? '' : ` of ${host}`}`
      throw new TorrentError('ERR_TORRENTFS_LISTEN', `cannot bind ${where}: ${messageOf(error)}`, {
        cause: error,
      })
    }
    if (this.#closed !== undefined) return void socket.close()
    // A datagram that was refused (ICMP) is a lost datagram.
    socket.on('error', () => {})
    socket.on('message', (bytes: Uint8Array, from: RemoteInfo) => {
      if (this.#filter?.blocks(from.address, 'datagram') === true) return
      for (const listener of this.#listeners) listener(bytes, { host: from.address, port: from.port })
    })
    this.#port = socket.address().port
    try {
      socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES)
    } catch {
      // The system allows less: then that must do.
    }
    this.#socket = socket
  }
}

function makeSocket(family: 4 | 6): Socket {
  return createSocket({
    type: family === 4 ? 'udp4' : 'udp6',
    ipv6Only: family === 6,
    // What is sent to is an address: there is nothing to look up, which Node does at every datagram otherwise.
    lookup: (address, _options, callback) => callback(null, address, family),
  })
}
