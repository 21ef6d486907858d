/**
 * Reads messages from a stream of bytes cut anywhere. BEP 3, 5, 6, 10.
 *
 * Owns what is unfinished of one connection, at most one message. Must not keep a reference to the bytes it is fed:
 * they lie in a buffer that all sockets share. Every length comes from a stranger and is checked before memory is
 * reserved for it.
 */
import type { WireMessage } from './messages.js'
import { MAX_BITFIELD_LENGTH, MAX_BLOCK_PAYLOAD, MAX_EXTENDED_LENGTH, MessageId } from './messages.js'
import { ProtocolError } from './protocol-error.js'
import { copyToShared } from './shared-copy.js'

/** Who hears of what is decoded. Called synchronously while bytes are fed. */
export interface DecoderEvents {
  /** A whole message. It and what it refers to belong to the receiver. */
  message(message: WireMessage): void
  /**
   * The head of a block [begin, begin + length) of `piece` is in: where is its payload to go? The answer must hold at
   * least `length` bytes; `null` discards the payload.
   */
  blockTarget(piece: number, begin: number, length: number): Uint8Array | null
  /** `bytes` of a block's payload were just copied or discarded. */
  blockProgress?(bytes: number): void
  /** A block is complete. `kept` is false when any of it was discarded. */
  block(piece: number, begin: number, length: number, kept: boolean): void
}

/** Length prefix, id and, of a `piece` message, piece and begin. */
const LONGEST_HEAD = 13
const LONGEST_MESSAGE = 1 + Math.max(MAX_EXTENDED_LENGTH, MAX_BITFIELD_LENGTH, 8 + MAX_BLOCK_PAYLOAD)
/** A body up to this size is gathered without allocating. All bodies of fixed size are shorter. */
const SMALL_BODY = 16
/** Memory for a long body is reserved in steps, as its bytes come: a mere length prefix reserves no more than this. */
const FIRST_BODY_STEP = 16 * 1024

/** The length of each body of fixed size, by message number. -1: of variable size. -2: no such message. */
const BODY_LENGTHS = new Int32Array(256).fill(-2)
for (const id of [0, 1, 2, 3, 14, 15]) BODY_LENGTHS[id] = 0
for (const id of [MessageId.have, MessageId.suggest, MessageId.allowedFast]) BODY_LENGTHS[id] = 4
for (const id of [MessageId.request, MessageId.cancel, MessageId.reject]) BODY_LENGTHS[id] = 12
BODY_LENGTHS[MessageId.port] = 2
for (const id of [MessageId.bitfield, MessageId.piece, MessageId.extended]) BODY_LENGTHS[id] = -1

/** The state machine of one connection. After it threw, or after {@link stop}, it takes nothing more. */
export class MessageDecoder {
  readonly #events: DecoderEvents
  #stopped = false
  #keepAlives = 0
  #bitfieldCap = MAX_BITFIELD_LENGTH

  readonly #head = new Uint8Array(LONGEST_HEAD)
  #headLength = 0

  /** Of the message whose body is being gathered; `bodyLeft` is -1 while there is none. */
  #bodyId = 0
  #bodyLength = 0
  #bodyLeft = -1
  readonly #small = new Uint8Array(SMALL_BODY)
  #body: Uint8Array = this.#small

  /** Of the block whose payload is coming in; `payloadLeft` is 0 while there is none. */
  #piece = 0
  #begin = 0
  #payloadLength = 0
  #payloadLeft = 0
  #target: Uint8Array | null = null

  constructor(events: DecoderEvents) {
    this.#events = events
  }

  /** Keep-alives seen so far. */
  get keepAlives(): number {
    return this.#keepAlives
  }

  /** Whether the bytes fed so far end exactly behind a message. */
  get atBoundary(): boolean {
    return this.#headLength === 0 && this.#bodyLeft < 0 && this.#payloadLeft === 0
  }

  /** Sets the longest bitfield to take, in bytes: the exact size once the number of pieces is known. */
  setBitfieldCap(bytes: number): void {
    this.#bitfieldCap = Math.min(bytes, MAX_BITFIELD_LENGTH)
  }

  /** Discards the rest of the payload that is coming in, if any: its memory is about to be used for something else. */
  dropTarget(): void {
    this.#target = null
  }

  /** Ends the work, also from within an event: nothing more is delivered and no target is written any more. */
  stop(): void {
    this.#stopped = true
    this.#target = null
    this.#body = this.#small
  }

  /**
   * Takes the bytes [0, length) of `source`, which is not referenced after the call.
   *
   * @throws ProtocolError when the peer has broken the protocol. What an event throws passes through as it is.
   */
  feed(source: Uint8Array, length: number): void {
    let at = 0
    try {
      while (at < length && !this.#stopped) {
        if (this.#payloadLeft > 0) at = this.#takePayload(source, at, length)
        else if (this.#bodyLeft >= 0) at = this.#takeBody(source, at, length)
        else at = this.#takeHead(source, at, length)
      }
    } catch (error) {
      this.stop()
      throw error
    }
  }

  /** Reads a head, in place when all of it is there, else by gathering its bytes. Returns the next position. */
  #takeHead(source: Uint8Array, at: number, length: number): number {
    if (this.#headLength === 0 && length - at >= LONGEST_HEAD) return at + this.#openMessage(source, at)
    const head = this.#head
    while (at < length) {
      head[this.#headLength++] = source[at++] as number
      if (this.#headLength < 4) continue
      if (this.#headLength === 4) {
        const messageLength = readUint32(head, 0)
        if (messageLength > LONGEST_MESSAGE) throw tooLong(messageLength)
        if (messageLength > 0) continue
      } else if (this.#headLength === 5) {
        const id = head[4] as number
        checkLength(id, readUint32(head, 0) - 1, this.#bitfieldCap)
        if (id === MessageId.piece) continue
      } else if (this.#headLength < LONGEST_HEAD) {
        continue
      }
      this.#headLength = 0
      this.#openMessage(head, 0)
      return at
    }
    return at
  }

  /** Begins the message whose whole head lies at `at`. Returns the length of that head. */
  #openMessage(bytes: Uint8Array, at: number): number {
    const messageLength = readUint32(bytes, at)
    if (messageLength === 0) {
      this.#keepAlives++
      return 4
    }
    const id = bytes[at + 4] as number
    const bodyLength = messageLength - 1
    checkLength(id, bodyLength, this.#bitfieldCap)
    if (id === MessageId.piece) {
      this.#openBlock(readUint32(bytes, at + 5), readUint32(bytes, at + 9), bodyLength - 8)
      return LONGEST_HEAD
    }
    if (bodyLength === 0) {
      this.#deliver(id, bytes, at + 5, 0)
    } else {
      this.#bodyId = id
      this.#bodyLength = this.#bodyLeft = bodyLength
    }
    return 5
  }

  #openBlock(piece: number, begin: number, payloadLength: number): void {
    this.#piece = piece
    this.#begin = begin
    this.#payloadLength = this.#payloadLeft = payloadLength
    const target = this.#events.blockTarget(piece, begin, payloadLength)
    if (this.#stopped) return
    if (target !== null && target.length < payloadLength) {
      throw new RangeError(`a target of ${target.length} bytes for a block of ${payloadLength}`)
    }
    this.#target = target
  }

  #takePayload(source: Uint8Array, at: number, length: number): number {
    const count = Math.min(this.#payloadLeft, length - at)
    const end = at + count
    if (this.#target !== null) {
      copyToShared(this.#target, this.#payloadLength - this.#payloadLeft, source, at, end)
    }
    this.#payloadLeft -= count
    this.#events.blockProgress?.(count)
    if (this.#payloadLeft === 0 && !this.#stopped) {
      const kept = this.#target !== null
      this.#target = null
      this.#events.block(this.#piece, this.#begin, this.#payloadLength, kept)
    }
    return end
  }

  #takeBody(source: Uint8Array, at: number, length: number): number {
    const bodyLength = this.#bodyLength
    const had = bodyLength - this.#bodyLeft
    const count = Math.min(this.#bodyLeft, length - at)
    const end = at + count
    if (had === 0 && count === bodyLength) {
      this.#bodyLeft = -1
      this.#deliver(this.#bodyId, source, at, bodyLength)
      return end
    }
    if (had + count > this.#body.length) this.#growBody(had, had + count)
    this.#body.set(source.subarray(at, end), had)
    this.#bodyLeft -= count
    if (this.#bodyLeft === 0) {
      const body = this.#body
      this.#bodyLeft = -1
      this.#body = this.#small
      this.#deliver(this.#bodyId, body, 0, bodyLength)
    }
    return end
  }

  #growBody(had: number, needed: number): void {
    const doubled = Math.max(FIRST_BODY_STEP, this.#body.length * 2, needed)
    const grown = new Uint8Array(Math.min(doubled, this.#bodyLength))
    grown.set(this.#body.subarray(0, had))
    this.#body = grown
  }

  #deliver(id: number, bytes: Uint8Array, at: number, length: number): void {
    this.#events.message(toMessage(id, bytes, at, length))
  }
}

function toMessage(id: number, bytes: Uint8Array, at: number, length: number): WireMessage {
  switch (id) {
    case MessageId.choke:
      return { type: 'choke' }
    case MessageId.unchoke:
      return { type: 'unchoke' }
    case MessageId.interested:
      return { type: 'interested' }
    case MessageId.notInterested:
      return { type: 'notInterested' }
    case MessageId.haveAll:
      return { type: 'haveAll' }
    case MessageId.haveNone:
      return { type: 'haveNone' }
    case MessageId.have:
      return { type: 'have', piece: readUint32(bytes, at) }
    case MessageId.suggest:
      return { type: 'suggest', piece: readUint32(bytes, at) }
    case MessageId.allowedFast:
      return { type: 'allowedFast', piece: readUint32(bytes, at) }
    case MessageId.request:
      return toRange('request', bytes, at)
    case MessageId.cancel:
      return toRange('cancel', bytes, at)
    case MessageId.reject:
      return toRange('reject', bytes, at)
    case MessageId.port:
      return { type: 'port', port: ((bytes[at] as number) << 8) | (bytes[at + 1] as number) }
    case MessageId.bitfield:
      return { type: 'bitfield', bytes: copyOf(bytes, at, at + length) }
    default:
      return { type: 'extended', id: bytes[at] as number, payload: copyOf(bytes, at + 1, at + length) }
  }
}

function toRange(type: 'request' | 'cancel' | 'reject', bytes: Uint8Array, at: number): WireMessage {
  return {
    type,
    piece: readUint32(bytes, at),
    begin: readUint32(bytes, at + 4),
    length: readUint32(bytes, at + 8),
  }
}

/** @throws ProtocolError unless a message of this number may have a body of this length. */
function checkLength(id: number, bodyLength: number, bitfieldCap: number): void {
  const fixed = BODY_LENGTHS[id] as number
  if (fixed === bodyLength) return
  if (fixed === -2) throw new ProtocolError(`an unknown message, number ${id}`)
  if (fixed >= 0)
    throw new ProtocolError(`message ${id} with a body of ${bodyLength} bytes instead of ${fixed}`)
  if (id === MessageId.piece) {
    if (bodyLength <= 8) throw new ProtocolError('a block without payload')
    if (bodyLength - 8 > MAX_BLOCK_PAYLOAD) throw tooLong(bodyLength + 1)
  } else if (id === MessageId.extended) {
    if (bodyLength === 0) throw new ProtocolError('an extended message without an id')
    if (bodyLength > MAX_EXTENDED_LENGTH) throw tooLong(bodyLength + 1)
  } else if (bodyLength > bitfieldCap) {
    throw new ProtocolError(`a bitfield of ${bodyLength} bytes where ${bitfieldCap} are the most`)
  }
}

function tooLong(length: number): ProtocolError {
  return new ProtocolError(`a message of ${length} bytes`)
}

/** Not `slice`: that of a Buffer shares the memory, which here is the socket's. */
function copyOf(bytes: Uint8Array, begin: number, end: number): Uint8Array {
  return new Uint8Array(bytes.subarray(begin, end))
}

function readUint32(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] as number) << 24) |
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number)) >>>
    0
  )
}
