/**
 * All uTP connections of one UDP port. BEP 29.
 *
 * Owns which datagram belongs to which connection, and who is let in. The port itself is shared with others and belongs
 * to whoever opened it. A datagram makes work only as far as its sender has shown that it gets our answers.
 */
import { randomInt } from 'node:crypto'

import { TorrentError } from '../../errors.js'
import type { DatagramPort } from '../../net/datagram-port.js'
import { decodeUtp, encodeUtp, UTP_RESET, UTP_STATE, UTP_SYN, type UtpPacket } from '../../wire/utp-packet.js'
import { formatAddress, toPeerAddress, type HostPort, type PeerAddress } from '../address.js'
import type { SharedRoom } from './incoming.js'
import { advance } from './sequence.js'
import { clockOf, UtpStream, type UtpStreamOptions } from './utp-stream.js'
import { UtpTransport } from './utp-transport.js'

/**
 * Bytes of a datagram's payload: what a WireGuard tunnel carries in one piece (1,420 bytes), and so whatever is usual.
 * Where the way is narrower the system learns of it and cuts datagrams up.
 */
const PACKET_BYTES = { 4: 1420 - 28, 6: 1420 - 48 } as const
/** Connections at a time, unfinished ones included; whoever takes them limits them further. */
const MOST_CONNECTIONS = 4096
/** Strangers that asked for a connection and have not shown yet that they get our answers; the oldest goes. */
const MOST_UNPROVEN = 256
/** What all connections of a port keep that is not read. */
const SHARED_BYTES = 64 * 1024 * 1024
/** Connections that ended lately, of which some packets are still on their way. */
const MOST_RECENT = 1024
const RECENT_MS = 10_000
/** Resets a second: an answer to strangers, who may have made up where they are. */
const MOST_RESETS = 100

export class UtpPort {
  readonly #port: DatagramPort
  readonly #room: SharedRoom = { limit: SHARED_BYTES, used: 0 }
  /** By the number under which packets reach us: few share one, from different peers. */
  readonly #connections = new Map<number, UtpTransport[]>()
  /** Attempts of ours, and what is to be done when they succeed. */
  readonly #connecting = new Map<UtpTransport, () => void>()
  /** Incoming connections whose peer has not answered our first packet, oldest first. */
  readonly #unproven = new Set<UtpTransport>()
  readonly #touched = new Set<UtpTransport>()
  /** Until when packets of a connection that ended are expected, oldest first. */
  readonly #recent = new Map<string, number>()
  readonly #unlisten: () => void
  #accept: ((transport: UtpTransport) => void) | undefined
  #size = 0
  #turnDue = false
  #closed = false
  #resets = MOST_RESETS
  #resetsAt = 0

  /**
   * @param accept - Takes an incoming connection, paused, whose peer has shown that it is where it says; undefined:
   * nobody is let in.
   */
  constructor(port: DatagramPort, accept: ((transport: UtpTransport) => void) | undefined) {
    this.#port = port
    this.#accept = accept
    this.#unlisten = port.listen((bytes, from) => this.#receive(bytes, from))
  }

  /** Connections, unfinished ones included. */
  get size(): number {
    return this.#size
  }

  /**
   * Connects to an address.
   *
   * @param address - An IP address of the port's family.
   * @param signal - Aborting it ends the attempt; afterwards it has no effect.
   * @throws ERR_TORRENTFS_CONNECTION when there is no connection to be had, ERR_TORRENTFS_ABORTED on abort
   */
  connect(address: HostPort, signal: AbortSignal): Promise<UtpTransport> {
    return new Promise((resolve, reject) => {
      const peer = toPeerAddress(address)
      const where = formatAddress(peer)
      const problem = this.#refusal(signal, peer.family)
      if (problem !== undefined) {
        const code = signal.aborted ? 'ERR_TORRENTFS_ABORTED' : 'ERR_TORRENTFS_CONNECTION'
        return reject(new TorrentError(code, `${where}: ${problem} (uTP)`))
      }
      const receiveId = this.#freeId(peer)
      const transport = this.#open(peer, { receiveId, sendId: advance(receiveId, 1) })
      const abort = (): void =>
        transport.destroy(new TorrentError('ERR_TORRENTFS_ABORTED', `${where}: given up (uTP)`))
      signal.addEventListener('abort', abort, { once: true })
      this.#connecting.set(transport, () => {
        signal.removeEventListener('abort', abort)
        // Whoever gets it names its receiver before it is resumed, and hears of an end that was missed.
        transport.setReceiver({ receive() {}, sent() {}, ended() {} })
        resolve(transport)
      })
      transport.setReceiver({
        receive() {},
        sent() {},
        ended: error => {
          this.#connecting.delete(transport)
          signal.removeEventListener('abort', abort)
          reject(error ?? new TorrentError('ERR_TORRENTFS_CONNECTION', `${where}: closed (uTP)`))
        },
      })
    })
  }

  /** Lets nobody in from now on. Connections that are there go on. */
  stopAccepting(): void {
    this.#accept = undefined
  }

  /** Ends all connections, telling each peer once, and waits for nothing. The port stays open. Idempotent. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#accept = undefined
    for (const transports of [...this.#connections.values()]) {
      for (const transport of [...transports]) {
        const where = formatAddress(transport.address)
        transport.destroy(new TorrentError('ERR_TORRENTFS_CLOSED', `${where}: the client was closed`))
      }
    }
    this.#unlisten()
  }

  #refusal(signal: AbortSignal, family: 0 | 4 | 6): string | undefined {
    if (signal.aborted) return 'given up'
    if (this.#closed) return 'the client is closed'
    if (family !== this.#port.family) return `no IPv${this.#port.family} address`
    return this.#size >= MOST_CONNECTIONS ? 'too many connections' : undefined
  }

  #receive(bytes: Uint8Array, from: HostPort): void {
    const packet = decodeUtp(bytes)
    if (packet === undefined) return
    const transport = this.#find(packet, from)
    if (transport !== undefined) {
      transport.stream.receive(packet, performance.now())
      this.#touch(transport)
    } else if (packet.type === UTP_SYN) {
      this.#greet(packet, from)
    } else if (packet.type !== UTP_RESET) {
      this.#refuse(packet, from)
    }
  }

  #find(packet: UtpPacket, from: HostPort): UtpTransport | undefined {
    const { connection, type } = packet
    // A peer that connects names the number under which it hears; we hear under the next one.
    if (type === UTP_SYN) return this.#lookup(advance(connection, 1), from)
    const found = this.#lookup(connection, from)
    if (found !== undefined || type !== UTP_RESET) return found
    // Some name the number they hear under when they say that they do not know it.
    for (const step of [1, -1]) {
      const other = this.#lookup(advance(connection, step), from)
      if (other !== undefined && other.incoming === (step === 1)) return other
    }
    return undefined
  }

  #lookup(receiveId: number, from: HostPort): UtpTransport | undefined {
    for (const transport of this.#connections.get(receiveId) ?? []) {
      const { address } = transport
      if (address.port === from.port && address.host === from.host) return transport
    }
    return undefined
  }

  #greet(syn: UtpPacket, from: HostPort): void {
    if (this.#accept === undefined || this.#size >= MOST_CONNECTIONS) return
    const { connection } = syn
    const ids = { receiveId: advance(connection, 1), sendId: connection }
    this.#unproven.add(this.#open(toPeerAddress(from), { ...ids, syn }))
    if (this.#unproven.size <= MOST_UNPROVEN) return
    for (const oldest of this.#unproven) return oldest.destroy()
  }

  /** Tells a peer that there is no such connection; of one that ended it may not have heard yet. */
  #refuse(packet: UtpPacket, to: HostPort): void {
    if (packet.type === UTP_STATE && this.#isRecent(packet.connection, to)) return
    const now = performance.now()
    if (now - this.#resetsAt >= 1000) {
      this.#resetsAt = now
      this.#resets = MOST_RESETS
    }
    if (this.#resets === 0) return
    this.#resets--
    const { connection, sequence } = packet
    const reset = { type: UTP_RESET, connection, timestamp: clockOf(now), difference: 0, window: 0 }
    this.#port.send(encodeUtp({ ...reset, sequence: 0, ack: sequence }), to)
  }

  #isRecent(receiveId: number, from: HostPort): boolean {
    const until = this.#recent.get(`${receiveId} ${formatAddress(from)}`)
    return until !== undefined && until > performance.now()
  }

  #open(
    peer: PeerAddress,
    ids: Pick<UtpStreamOptions, 'receiveId' | 'sendId'> & { readonly syn?: UtpPacket },
  ): UtpTransport {
    const stream = new UtpStream(
      {
        ...ids,
        first: randomInt(0x10000),
        packetBytes: PACKET_BYTES[this.#port.family],
        shared: this.#room,
        send: packet => this.#port.send(packet, peer),
      },
      performance.now(),
    )
    const host = {
      touched: (transport: UtpTransport) => this.#touch(transport),
      gone: (transport: UtpTransport) => this.#forget(transport),
    }
    const transport = new UtpTransport(host, stream, peer, ids.syn !== undefined)
    const others = this.#connections.get(ids.receiveId)
    if (others === undefined) this.#connections.set(ids.receiveId, [transport])
    else others.push(transport)
    this.#size++
    return transport
  }

  #forget(transport: UtpTransport): void {
    const { receiveId } = transport.stream
    const others = (this.#connections.get(receiveId) ?? []).filter(other => other !== transport)
    if (others.length === 0) this.#connections.delete(receiveId)
    else this.#connections.set(receiveId, others)
    this.#size--
    this.#unproven.delete(transport)
    this.#touched.delete(transport)
    this.#recent.set(`${receiveId} ${formatAddress(transport.address)}`, performance.now() + RECENT_MS)
    if (this.#recent.size <= MOST_RECENT) return
    for (const oldest of this.#recent.keys()) {
      this.#recent.delete(oldest)
      break
    }
  }

  /** A number that neither way is used with this peer. */
  #freeId(peer: HostPort): number {
    for (;;) {
      const id = randomInt(0x10000)
      if (this.#lookup(id, peer) === undefined && this.#lookup(advance(id, 1), peer) === undefined) return id
    }
  }

  #touch(transport: UtpTransport): void {
    this.#touched.add(transport)
    if (this.#turnDue) return
    this.#turnDue = true
    // After all datagrams that wait were read: they are handed on, and acknowledged, together.
    setImmediate(() => this.#turn())
  }

  /** The peer has answered: whoever waits for the connection gets it. */
  #opened(transport: UtpTransport): void {
    const connected = this.#connecting.get(transport)
    this.#connecting.delete(transport)
    connected?.()
    if (!this.#unproven.delete(transport)) return
    if (this.#accept === undefined) transport.destroy()
    else this.#accept(transport)
  }

  #turn(): void {
    this.#turnDue = false
    const touched = [...this.#touched]
    this.#touched.clear()
    const now = performance.now()
    for (const transport of touched) {
      if (transport.stream.state === 'open') this.#opened(transport)
      transport.turn(now)
    }
  }
}
