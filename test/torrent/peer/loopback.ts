/** Real connections over the loopback device, and what was told of them. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { TestContext } from 'node:test'

import type { TorrentError } from '../../../src/torrent/errors.js'
import type {
  PeerConnection,
  PeerConnectionOptions,
  PeerEvents,
} from '../../../src/torrent/peer/connection.js'
import { dial } from '../../../src/torrent/peer/dialer.js'
import { PeerListener, type PeerListenerOptions } from '../../../src/torrent/peer/listener.js'
import { encodeHandshake, HANDSHAKE_LENGTH } from '../../../src/torrent/wire/handshake.js'
import type { WireMessage } from '../../../src/torrent/wire/messages.js'

export const infohash = new Uint8Array(20).fill(0x1f)
export const ourId = new Uint8Array(20).fill(0x6f)
export const theirId = new Uint8Array(20).fill(0x74)

export const handshakeOf = (peerId: Uint8Array, hash: Uint8Array = infohash): Uint8Array =>
  encodeHandshake({ infohash: hash, peerId, fast: true, extensions: true, dht: true })

export type Told =
  | { readonly event: 'message'; readonly message: WireMessage }
  | { readonly event: 'block'; readonly piece: number; readonly begin: number; readonly kept: boolean }
  | { readonly event: 'turn' | 'drain' }
  | { readonly event: 'close'; readonly error: TorrentError | undefined }

/** Notes events, and lets tests wait for them. */
export class Listening implements PeerEvents {
  readonly told: Told[] = []
  readonly messages: WireMessage[] = []
  readonly #waiting = new Set<() => void>()
  readonly #overrides: Partial<PeerEvents>

  constructor(overrides: Partial<PeerEvents> = {}) {
    this.#overrides = overrides
  }

  get closes(): (TorrentError | undefined)[] {
    return this.told.flatMap(told => (told.event === 'close' ? [told.error] : []))
  }

  message(message: WireMessage): void {
    this.messages.push(message)
    this.#tell({ event: 'message', message })
    this.#overrides.message?.(message)
  }

  blockTarget(piece: number, begin: number, length: number): Uint8Array | null {
    return this.#overrides.blockTarget?.(piece, begin, length) ?? null
  }

  block(piece: number, begin: number, length: number, kept: boolean): void {
    this.#tell({ event: 'block', piece, begin, kept })
    this.#overrides.block?.(piece, begin, length, kept)
  }

  turn(): void {
    this.#tell({ event: 'turn' })
    this.#overrides.turn?.()
  }

  drain(): void {
    this.#tell({ event: 'drain' })
    this.#overrides.drain?.()
  }

  close(error: TorrentError | undefined): void {
    this.#tell({ event: 'close', error })
    this.#overrides.close?.(error)
  }

  /** Resolves once `condition` holds, which is asked after each event. */
  until(condition: () => boolean): Promise<void> {
    return new Promise(resolve => {
      const check = (): void => {
        if (!condition()) return
        this.#waiting.delete(check)
        resolve()
      }
      this.#waiting.add(check)
      check()
    })
  }

  /** Resolves with the error of the close. */
  async closed(): Promise<TorrentError | undefined> {
    await this.until(() => this.closes.length > 0)
    return this.closes[0]
  }

  #tell(told: Told): void {
    this.told.push(told)
    // After the override has run.
    queueMicrotask(() => {
      for (const check of [...this.#waiting]) check()
    })
  }
}

/** A listener of ours that gives what it accepts to `accepted()`. */
export class TestListener {
  readonly listener: PeerListener
  readonly dropped: TorrentError[] = []
  readonly #connections: PeerConnection[] = []
  readonly #waiting: ((connection: PeerConnection) => void)[] = []

  private constructor(options: Partial<PeerListenerOptions>) {
    this.listener = new PeerListener({
      resolve: () => ({ infohash, peerId: ourId }),
      accept: connection => {
        const waiting = this.#waiting.shift()
        if (waiting === undefined) this.#connections.push(connection)
        else waiting(connection)
      },
      onDropped: error => this.dropped.push(error),
      ...options,
    })
  }

  static async open(
    t: TestContext,
    options: Partial<PeerListenerOptions> = {},
    host = '127.0.0.1',
  ): Promise<TestListener> {
    const opened = new TestListener(options)
    await opened.listener.listen(host, 0)
    t.after(async () => {
      await opened.listener.close()
      for (const connection of opened.#connections) connection.close()
    })
    return opened
  }

  get port(): number {
    return this.listener.port
  }

  accepted(): Promise<PeerConnection> {
    const connection = this.#connections.shift()
    if (connection !== undefined) return Promise.resolve(connection)
    return new Promise(resolve => this.#waiting.push(resolve))
  }
}

/** Both ends of one connection, neither with events yet. */
export async function connectionPair(
  t: TestContext,
  options: PeerConnectionOptions = {},
  host = '127.0.0.1',
): Promise<{ outgoing: PeerConnection; incoming: PeerConnection }> {
  const listener = await TestListener.open(t, { connection: options }, host)
  const accepted = listener.accepted()
  const identity = { infohash, peerId: theirId }
  const outgoing = await dial({ host, port: listener.port }, identity, { connection: options })
  const incoming = await accepted
  t.after(() => {
    outgoing.close()
    incoming.close()
  })
  return { outgoing, incoming }
}

/** A bare socket to a port: sends what it is told, and keeps all it receives. */
export class RawPeer {
  readonly socket: Socket
  received = Buffer.alloc(0)

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('error', () => {})
    socket.on('data', bytes => {
      this.received = Buffer.concat([this.received, bytes])
    })
  }

  static async connect(t: TestContext, port: number, host = '127.0.0.1'): Promise<RawPeer> {
    const socket = connect({ host, port, noDelay: true, allowHalfOpen: true })
    t.after(() => socket.destroy())
    const peer = new RawPeer(socket)
    await once(socket, 'connect')
    return peer
  }

  send(...parts: Uint8Array[]): void {
    for (const part of parts) this.socket.write(part)
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await once(this.socket, 'data')
  }

  /** Resolves when the other side is gone. */
  async closed(): Promise<void> {
    if (this.socket.closed || this.socket.readableEnded) return
    // A reset, which is what unread bytes end with, is an end, too.
    await Promise.race([once(this.socket, 'end'), once(this.socket, 'close')]).catch(() => {})
  }
}

/** A connection of ours whose other end is a bare socket that has exchanged handshakes. */
export async function rawPair(
  t: TestContext,
  options: PeerConnectionOptions = {},
): Promise<{ connection: PeerConnection; raw: RawPeer }> {
  const listener = await TestListener.open(t, { connection: options })
  const raw = await RawPeer.connect(t, listener.port)
  raw.send(handshakeOf(theirId))
  const connection = await listener.accepted()
  t.after(() => connection.close())
  await raw.until(() => raw.received.length === HANDSHAKE_LENGTH)
  raw.received = Buffer.alloc(0)
  return { connection, raw }
}
