/**
 * A peer written for tests: speaks the wire protocol itself, knows a torrent's content, and misbehaves exactly as told.
 * It shares no code with the engine, and counts everything it is asked and everything it sends.
 * BEP 3, 6, 9, 10.
 */

import { createServer, type Server, type Socket } from 'node:net'
import type { TestTorrent } from './content.js'
import { TorrentContent } from './content.js'
import type { Scope } from './scope.js'
import { Conversation } from './scripted-conversation.js'
import { infoSpan } from './torrent-file.js'

/** What it does otherwise than a good seeder. Times in ms, rates in bytes/s. */
export interface Behaviour {
  /** The pieces it has. Default: all. */
  readonly has?: (piece: number) => boolean
  /** Flips bytes in the blocks for which this is true. */
  readonly corrupt?: (piece: number, begin: number) => boolean
  /** Accepts requests and never answers. */
  readonly silent?: boolean
  /** Waits this long before each answer (answers overlap: it is latency, not a rate). */
  readonly delayMs?: number
  readonly bytesPerSecond?: number
  /** After this many blocks sends half a block, and nothing more on that connection. */
  readonly stallAfterBlocks?: number
  /** After each so many blocks chokes, forgets what was asked, and unchokes `chokeMs` later. */
  readonly chokeEveryBlocks?: number
  readonly chokeMs?: number
  /** Never unchokes. */
  readonly neverUnchokes?: boolean
  /** Closes the connection after this many blocks. */
  readonly closeAfterBlocks?: number
  /** Rejects (BEP 6) each request this says so of. */
  readonly reject?: (piece: number, begin: number) => boolean
  /** Offers the fast extension. Default true. */
  readonly fast?: boolean
  /** Serves the info dictionary (BEP 9). Default true. */
  readonly metadata?: boolean
  /** Offers peer exchange (BEP 11), as number 5. Default false. */
  readonly pex?: boolean
}

/** One block asked for. */
export interface SeenRequest {
  readonly piece: number
  readonly begin: number
  readonly length: number
  readonly at: number
}

/** It listens at an address of the test, and serves every connection that names its torrent. */
export class ScriptedPeer {
  readonly torrent: TestTorrent
  readonly address: string
  readonly requests: SeenRequest[] = []
  /** Payload bytes sent, corrupt ones included. */
  payloadSent = 0
  blocksSent = 0
  corruptSent = 0
  cancels = 0
  /** Messages of the extension protocol that came: their numbers, and what they say. */
  readonly extended: { readonly id: number; readonly payload: Buffer }[] = []
  connections = 0
  /** Open connections now. */
  open = 0
  /** When the last payload was sent (`performance.now`). */
  lastPayloadAt = 0
  readonly #content: TorrentContent
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #info: Buffer
  #port = 0
  /** May be exchanged while it runs. */
  behaviour: Behaviour

  private constructor(torrent: TestTorrent, address: string, behaviour: Behaviour) {
    this.torrent = torrent
    this.address = address
    this.behaviour = behaviour
    this.#content = new TorrentContent(torrent)
    this.#info = infoSpan(torrent)
    this.#server = createServer(socket => this.#accept(socket))
  }

  /** Starts one at this address (a free port unless one is given). */
  static async start(
    scope: Scope,
    address: string,
    torrent: TestTorrent,
    behaviour: Behaviour = {},
    port = 0,
  ): Promise<ScriptedPeer> {
    const peer = new ScriptedPeer(torrent, address, behaviour)
    await new Promise<void>((resolve, reject) => {
      peer.#server.once('error', reject).listen(port, address, resolve)
    })
    peer.#port = (peer.#server.address() as { port: number }).port
    scope.defer(() => peer.stop())
    return peer
  }

  get port(): number {
    return this.#port
  }

  /** `host:port`, as the daemon's `-testPeer` takes it. */
  get endpoint(): string {
    return `${this.address}:${this.#port}`
  }

  /** How many times a block was asked for, at most. */
  get mostAskedBlock(): number {
    const times = new Map<string, number>()
    for (const { piece, begin } of this.requests) {
      const key = `${piece}/${begin}`
      times.set(key, (times.get(key) ?? 0) + 1)
    }
    return Math.max(0, ...times.values())
  }

  /** Closes all connections, and keeps listening. */
  drop(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async stop(): Promise<void> {
    this.drop()
    await new Promise<void>(resolve => this.#server.close(() => resolve()))
    this.#content.close()
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket)
    this.connections++
    this.open++
    socket.setNoDelay(true)
    socket.on('error', () => {})
    const conversation = new Conversation(this, socket, this.#content, this.#info)
    socket.on('data', (data: Buffer) => conversation.take(data))
    socket.on('close', () => {
      this.open--
      this.#sockets.delete(socket)
      conversation.end()
    })
  }
}
