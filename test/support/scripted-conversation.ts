/**
 * One connection of a scripted peer: the wire protocol, spoken as its behaviour says. BEP 3, 6, 9, 10.
 */

import type { Socket } from 'node:net'
import type { TorrentContent } from './content.js'
import type { ScriptedPeer } from './scripted-peer.js'

interface Wanted {
  readonly piece: number
  readonly begin: number
  readonly length: number
  readonly due: number
}

const BLOCK_MESSAGE_HEAD = 13

/** One connection of a scripted peer. */
export class Conversation {
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
      const pex = behaviour.pex === true ? '6:ut_pexi5e' : ''
      this.#send(
        20,
        Buffer.from([0]),
        Buffer.from(`d1:md11:ut_metadatai3e${pex}e${size}4:reqqi500ee`, 'latin1'),
      )
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
    this.#peer.extended.push({ id: message[1]!, payload: Buffer.from(message.subarray(2)) })
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
