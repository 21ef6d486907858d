/**
 * Writes messages into one output buffer that grows. BEP 3, 5, 6, 10.
 *
 * Owns the buffer and the order of what is to be sent; never copies a block's payload and knows no socket.
 */
import { MessageId } from './messages.js'

const INITIAL_CAPACITY = 1024
/** A buffer that a bitfield has blown up is not kept for the requests that follow. */
const KEPT_CAPACITY = 64 * 1024
const EMPTY = new Uint8Array(0)

/**
 * Collects messages until {@link take}.
 *
 * The headers of all messages lie in one buffer; a block's payload is only referenced. So a turn that sends 100
 * requests costs one buffer, and a block for upload costs 13 bytes.
 */
export class MessageEncoder {
  #buffer: Uint8Array = EMPTY
  /** The bytes [start, end) of the buffer are not taken yet; those before `start` may still be on their way out. */
  #start = 0
  #end = 0
  /** Payloads, and behind which byte of the buffer (counted from `start`) each is to be sent. */
  #payloads: Uint8Array[] = []
  #cuts: number[] = []
  #payloadBytes = 0

  /** Bytes written and not yet taken, payloads included. */
  get length(): number {
    return this.#end - this.#start + this.#payloadBytes
  }

  /** Says that we are still there. */
  keepAlive(): void {
    const at = this.#room(4)
    this.#buffer.fill(0, at, at + 4)
  }

  /** From now on requests of the peer are not answered. */
  choke(): void {
    this.#signal(MessageId.choke)
  }

  /** From now on requests of the peer are answered. */
  unchoke(): void {
    this.#signal(MessageId.unchoke)
  }

  /** We want pieces that the peer has. */
  interested(): void {
    this.#signal(MessageId.interested)
  }

  /** We want nothing that the peer has. */
  notInterested(): void {
    this.#signal(MessageId.notInterested)
  }

  /** Instead of a bitfield: every piece is here (BEP 6). */
  haveAll(): void {
    this.#signal(MessageId.haveAll)
  }

  /** Instead of a bitfield: no piece is here (BEP 6). */
  haveNone(): void {
    this.#signal(MessageId.haveNone)
  }

  /** A piece is here. */
  have(piece: number): void {
    this.#index(MessageId.have, piece)
  }

  /** Asks the peer to prefer a piece (BEP 6). */
  suggest(piece: number): void {
    this.#index(MessageId.suggest, piece)
  }

  /** The peer may ask for a piece though it is choked (BEP 6). */
  allowedFast(piece: number): void {
    this.#index(MessageId.allowedFast, piece)
  }

  /** Asks for the bytes [begin, begin + length) of a piece. */
  request(piece: number, begin: number, length: number): void {
    this.#range(MessageId.request, piece, begin, length)
  }

  /** Takes a request back. */
  cancel(piece: number, begin: number, length: number): void {
    this.#range(MessageId.cancel, piece, begin, length)
  }

  /** A request will not be answered (BEP 6). */
  reject(piece: number, begin: number, length: number): void {
    this.#range(MessageId.reject, piece, begin, length)
  }

  /** Tells the UDP port of our DHT node (BEP 5). */
  port(port: number): void {
    const at = this.#head(MessageId.port, 2)
    this.#buffer[at] = port >>> 8
    this.#buffer[at + 1] = port
  }

  /** `bytes` is copied. */
  bitfield(bytes: Uint8Array): void {
    const at = this.#head(MessageId.bitfield, bytes.length)
    this.#buffer.set(bytes, at)
  }

  /** `payload` is copied. */
  extended(id: number, payload: Uint8Array): void {
    const at = this.#head(MessageId.extended, 1 + payload.length)
    this.#buffer[at] = id
    this.#buffer.set(payload, at + 1)
  }

  /** A `piece` message. `payload` is referenced, not copied: it is given away. */
  block(piece: number, begin: number, payload: Uint8Array): void {
    const at = this.#room(13)
    const buffer = this.#buffer
    writeUint32(buffer, at, 9 + payload.length)
    buffer[at + 4] = MessageId.piece
    writeUint32(buffer, at + 5, piece)
    writeUint32(buffer, at + 9, begin)
    this.#payloads.push(payload)
    this.#cuts.push(this.#end - this.#start)
    this.#payloadBytes += payload.length
  }

  /**
   * Everything written since the last call, in order, as views: empty when there is nothing. They stay valid until
   * {@link recycle}.
   */
  take(): Uint8Array[] {
    const start = this.#start
    const end = this.#end
    this.#start = end
    if (this.#payloads.length === 0) return start === end ? [] : [this.#buffer.subarray(start, end)]
    const parts: Uint8Array[] = []
    let from = start
    for (let i = 0; i < this.#payloads.length; i++) {
      const cut = start + (this.#cuts[i] as number)
      parts.push(this.#buffer.subarray(from, cut), this.#payloads[i] as Uint8Array)
      from = cut
    }
    if (from < end) parts.push(this.#buffer.subarray(from, end))
    this.#payloads = []
    this.#cuts = []
    this.#payloadBytes = 0
    return parts
  }

  /** Tells that all parts taken so far were sent, so that their memory may be written again. */
  recycle(): void {
    if (this.#start !== this.#end) return
    this.#start = this.#end = 0
    if (this.#buffer.length > KEPT_CAPACITY) this.#buffer = EMPTY
  }

  #signal(id: number): void {
    this.#head(id, 0)
  }

  #index(id: number, piece: number): void {
    const at = this.#head(id, 4)
    writeUint32(this.#buffer, at, piece)
  }

  #range(id: number, piece: number, begin: number, length: number): void {
    const at = this.#head(id, 12)
    const buffer = this.#buffer
    writeUint32(buffer, at, piece)
    writeUint32(buffer, at + 4, begin)
    writeUint32(buffer, at + 8, length)
  }

  /** Writes length prefix and id, and makes room for `bodyLength` bytes more. Returns where those begin. */
  #head(id: number, bodyLength: number): number {
    const at = this.#room(5 + bodyLength)
    writeUint32(this.#buffer, at, 1 + bodyLength)
    this.#buffer[at + 4] = id
    return at + 5
  }

  /** Appends `length` bytes of unset content. Returns where they begin. */
  #room(length: number): number {
    const at = this.#end
    if (at + length <= this.#buffer.length) {
      this.#end = at + length
      return at
    }
    // A new buffer instead of a copy in place: what was taken of the old one may still be in the socket's hands.
    const pending = at - this.#start
    let capacity = Math.max(INITIAL_CAPACITY, Math.min(this.#buffer.length, KEPT_CAPACITY))
    while (capacity < pending + length) capacity *= 2
    const grown = new Uint8Array(capacity)
    grown.set(this.#buffer.subarray(this.#start, at))
    this.#buffer = grown
    this.#start = 0
    this.#end = pending + length
    return pending
  }
}

function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
}
