/**
 * A peer written for tests: speaks the wire protocol itself, knows a torrent's content, and misbehaves exactly as told.
 * It shares no code with the engine, and counts everything it is asked and everything it sends.
 * BEP 3, 6, 9, 10.
 */

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import type { TestTorrent } from './content.js'
import { TorrentContent } from './content.js'
import type { Scope } from './scope.js'

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
}

/** One block asked for. */
export interface SeenRequest {
  readonly piece: number
  readonly begin: number
  readonly length: number
  readonly at: number
}

interface Wanted {
  readonly piece: number
  readonly begin: number
  readonly length: number
  readonly due: number
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

const BLOCK_MESSAGE_HEAD = 13

/** One connection of a scripted peer. */
class Conversation {
  readonly #peer: ScriptedPeer
  readonly #socket: Socket
  readonly #content: TorrentContent
  readonly #info: Buffer
  #pending: Buffer = Buffer.alloc(0)
  #greeted = false
  #fast = false
  #ended = false
  #choking = true
  #blocks = 0
  #stalled = false
  #readyAt = 0
  #wanted: Wanted[] = []
  #timer: NodeJS.Timeout | undefined
  #metadataId = 0

  constructor(peer: ScriptedPeer, socket: Socket, content: TorrentContent, info: Buffer) {
    this.#peer = peer
    this.#socket = socket
    this.#content = content
    this.#info = info
  }

  end(): void {
    this.#ended = true
    clearTimeout(this.#timer)
  }

  take(data: Buffer): void {
    this.#pending = this.#pending.length === 0 ? data : Buffer.concat([this.#pending, data])
    if (!this.#greeted) {
      if (this.#pending.length < 68) return
      if (!this.#greet(this.#pending.subarray(0, 68))) {
        this.#socket.destroy()
        return
      }
      this.#pending = this.#pending.subarray(68)
    }
    while (this.#pending.length >= 4) {
      const length = this.#pending.readUInt32BE(0)
      if (this.#pending.length < 4 + length) break
      const message = this.#pending.subarray(4, 4 + length)
      this.#pending = this.#pending.subarray(4 + length)
      if (length > 0) this.#message(message)
    }
  }

  #greet(hello: Buffer): boolean {
    const { torrent, behaviour } = this.#peer
    if (hello.subarray(28, 48).toString('hex') !== torrent.infohash) return false
    this.#greeted = true
    const fast = behaviour.fast !== false
    this.#fast = fast && (hello[27]! & 4) !== 0
    const reply = Buffer.alloc(68)
    reply.write('\x13BitTorrent protocol', 0, 'latin1')
    reply[25] = 0x10
    reply[27] = fast ? 4 : 0
    Buffer.from(torrent.infohash, 'hex').copy(reply, 28)
    reply.write(`-XX0001-${Math.random().toString(36).padEnd(14, '0').slice(2, 14)}`, 48, 'latin1')
    this.#socket.write(reply)
    if ((hello[25]! & 0x10) !== 0) {
      const size = behaviour.metadata === false ? '' : `13:metadata_sizei${this.#info.length}e`
      this.#send(20, Buffer.from([0]), Buffer.from(`d1:md11:ut_metadatai3ee${size}4:reqqi500ee`, 'latin1'))
    }
    const bits = Buffer.alloc(Math.ceil(torrent.pieceCount / 8))
    let count = 0
    for (let piece = 0; piece < torrent.pieceCount; piece++) {
      if (behaviour.has !== undefined && !behaviour.has(piece)) continue
      bits[piece >> 3]! |= 0x80 >> (piece & 7)
      count++
    }
    if (this.#fast && count === torrent.pieceCount) this.#send(14)
    else if (this.#fast && count === 0) this.#send(15)
    else this.#send(5, bits)
    return true
  }

  #message(message: Buffer): void {
    const id = message[0]!
    if (id === 2 && this.#choking && this.#peer.behaviour.neverUnchokes !== true) {
      this.#choking = false
      this.#send(1)
    } else if (id === 6) this.#request(message)
    else if (id === 8) this.#cancel(message)
    else if (id === 20) this.#extended(message)
  }

  #request(message: Buffer): void {
    const piece = message.readUInt32BE(1)
    const begin = message.readUInt32BE(5)
    const length = message.readUInt32BE(9)
    const { behaviour } = this.#peer
    this.#peer.requests.push({ piece, begin, length, at: performance.now() })
    if (behaviour.silent === true || this.#stalled) return
    if (this.#choking || behaviour.reject?.(piece, begin) === true) {
      if (this.#fast) this.#send(16, message.subarray(1, 13))
      return
    }
    this.#wanted.push({ piece, begin, length, due: performance.now() + (behaviour.delayMs ?? 0) })
    this.#serve()
  }

  #cancel(message: Buffer): void {
    this.#peer.cancels++
    const piece = message.readUInt32BE(1)
    const begin = message.readUInt32BE(5)
    const at = this.#wanted.findIndex(wanted => wanted.piece === piece && wanted.begin === begin)
    if (at < 0) return
    this.#wanted.splice(at, 1)
    if (this.#fast) this.#send(16, message.subarray(1, 13))
  }

  /** Answers what is due; comes back by timer for the rest, or when the socket has drained. */
  #serve(): void {
    clearTimeout(this.#timer)
    while (!this.#ended && !this.#stalled && !this.#choking && this.#wanted.length > 0) {
      const now = performance.now()
      const next = this.#wanted[0]!
      const at = Math.max(next.due, this.#readyAt)
      if (at > now) {
        this.#timer = setTimeout(() => this.#serve(), at - now)
        return
      }
      if (this.#socket.writableLength > 1 << 20) {
        this.#socket.once('drain', () => this.#serve())
        return
      }
      this.#wanted.shift()
      const rate = this.#peer.behaviour.bytesPerSecond
      if (rate !== undefined) this.#readyAt = Math.max(this.#readyAt, now - 50) + (next.length / rate) * 1000
      this.#answer(next)
    }
  }

  #answer({ piece, begin, length }: Wanted): void {
    const peer = this.#peer
    const { behaviour, torrent } = peer
    const payload = this.#content.read(piece * torrent.pieceLength + begin, length)
    if (behaviour.corrupt?.(piece, begin) === true) {
      payload[0]! ^= 0xff
      payload[length >> 1]! ^= 0x55
      peer.corruptSent += length
    }
    const head = Buffer.alloc(BLOCK_MESSAGE_HEAD)
    head.writeUInt32BE(9 + length, 0)
    head[4] = 7
    head.writeUInt32BE(piece, 5)
    head.writeUInt32BE(begin, 9)
    peer.lastPayloadAt = performance.now()
    if (behaviour.stallAfterBlocks !== undefined && this.#blocks >= behaviour.stallAfterBlocks) {
      this.#stalled = true
      peer.payloadSent += length >> 1
      this.#socket.write(Buffer.concat([head, payload.subarray(0, length >> 1)]))
      return
    }
    peer.payloadSent += length
    peer.blocksSent++
    this.#blocks++
    this.#socket.write(Buffer.concat([head, payload]))
    if (behaviour.closeAfterBlocks !== undefined && this.#blocks >= behaviour.closeAfterBlocks)
      this.#socket.end()
    if (behaviour.chokeEveryBlocks !== undefined && this.#blocks % behaviour.chokeEveryBlocks === 0)
      this.#choke()
  }

  #choke(): void {
    this.#choking = true
    this.#send(0)
    // With the fast extension a choke alone forgets nothing: each request must be rejected by name.
    if (this.#fast) for (const wanted of this.#wanted) this.#send(16, requestBody(wanted))
    this.#wanted = []
    setTimeout(() => {
      if (this.#ended) return
      this.#choking = false
      this.#send(1)
    }, this.#peer.behaviour.chokeMs ?? 300)
  }

  #extended(message: Buffer): void {
    const text = message.subarray(2).toString('latin1')
    if (message[1] === 0) {
      this.#metadataId = Number(/11:ut_metadatai(\d+)e/.exec(text)?.[1] ?? 0)
      return
    }
    const piece = /8:msg_typei0e5:piecei(\d+)e/.exec(text)
    if (message[1] !== 3 || piece === null || this.#metadataId === 0) return
    const number = Number(piece[1])
    const part = this.#info.subarray(number * 16384, (number + 1) * 16384)
    if (this.#peer.behaviour.metadata === false || part.length === 0) {
      this.#send(20, Buffer.from([this.#metadataId]), Buffer.from(`d8:msg_typei2e5:piecei${number}ee`))
      return
    }
    const head = `d8:msg_typei1e5:piecei${number}e10:total_sizei${this.#info.length}ee`
    this.#send(20, Buffer.from([this.#metadataId]), Buffer.from(head), part)
  }

  #send(id: number, ...bodies: Buffer[]): void {
    if (this.#ended) return
    const body = Buffer.concat(bodies)
    const head = Buffer.alloc(5)
    head.writeUInt32BE(1 + body.length, 0)
    head[4] = id
    this.#socket.write(Buffer.concat([head, body]))
  }
}

function requestBody({ piece, begin, length }: Wanted): Buffer {
  const body = Buffer.alloc(12)
  body.writeUInt32BE(piece, 0)
  body.writeUInt32BE(begin, 4)
  body.writeUInt32BE(length, 8)
  return body
}

/** The raw info dictionary of a torrent file, which hashes to its infohash. */
export function infoSpan(torrent: TestTorrent): Buffer {
  const file = readFileSync(torrent.file)
  const start = file.indexOf('4:infod', 0, 'latin1') + 6
  for (let end = file.length - 1; end > start; end--) {
    if (file[end - 1] !== 0x65) continue
    const span = file.subarray(start, end)
    if (createHash('sha1').update(span).digest('hex') === torrent.infohash) return span
    if (file.length - end > 4096) break
  }
  throw new Error(`${torrent.file}: no info dictionary of ${torrent.infohash}`)
}
