/**
 * The side of message stream encryption that connects: names the torrent, offers methods, takes the one that is chosen. It
 * has no BEP; clients follow the "Message Stream Encryption" page of the Azureus wiki.
 *
 * Pure: no socket, no chance. Every byte comes from a stranger; at most one received buffer and 700 bytes are held.
 */
import { GatheredBytes } from './gathered-bytes.js'
import { PUBLIC_KEY_LENGTH, type KeyExchange } from './key-exchange.js'
import { ProtocolError } from './protocol-error.js'
import type { Rc4 } from './rc4.js'
import {
  MARK_LENGTH,
  maskTorrentKey,
  MAX_PAD,
  METHOD_BITS,
  streamCiphers,
  syncHash,
  torrentKey,
  type SecuredStream,
  type StreamMethod,
} from './stream-encryption.js'

/** What a {@link StreamCaller} needs. */
export interface StreamCallerOptions {
  readonly keys: KeyExchange
  /** 20 bytes. */
  readonly infohash: Uint8Array
  /** What the answerer may choose from; at least one. */
  readonly methods: readonly StreamMethod[]
  /** Random bytes of random length, at most {@link MAX_PAD}. */
  readonly pad: Uint8Array
  /** How long the pad of the encrypted part is, at most {@link MAX_PAD}. */
  readonly innerPad: number
  /** The beginning of our stream, at most 65,535 bytes: it saves a round trip. Copied. */
  readonly first: Uint8Array
  /** Sends bytes, which are the receiver's from then on. Not called after it was fed the last bytes. */
  readonly send: (bytes: Uint8Array) => void
}

/** Behind the mark: the method, and the length of the pad. */
const CHOICE_LENGTH = 6

/** One exchange. Must be fed until it returns a result or throws, and no more. */
export class StreamCaller {
  readonly #options: StreamCallerOptions
  readonly #received = new GatheredBytes()
  #ciphers: { readonly ofCaller: Rc4; readonly ofAnswerer: Rc4 } | undefined
  /** What the answerer's encrypted part begins with; undefined once that was found. */
  #mark: Uint8Array | undefined
  #method: StreamMethod | undefined
  #padLeft = 0

  constructor(options: StreamCallerOptions) {
    this.#options = options
  }

  /** Sends the first message. */
  begin(): void {
    const { keys, pad, send } = this.#options
    send(joined(keys.publicKey, pad))
  }

  /**
   * Takes the bytes [0, length) of `bytes`, which are not referenced afterwards.
   *
   * @returns The result, once the exchange is done.
   * @throws ProtocolError when the other side does not speak this, or not with this torrent
   */
  feed(bytes: Uint8Array, length: number): SecuredStream | undefined {
    const received = this.#received
    received.add(bytes, length)
    if (this.#ciphers === undefined) {
      if (received.length < PUBLIC_KEY_LENGTH) return undefined
      this.#answer(received.take(PUBLIC_KEY_LENGTH))
    }
    const incoming = this.#ciphers!.ofAnswerer
    if (this.#mark !== undefined && !this.#skipPad(this.#mark)) return undefined
    if (this.#method === undefined) {
      if (received.length < CHOICE_LENGTH) return undefined
      const choice = received.take(CHOICE_LENGTH)
      incoming.apply(choice, 0, CHOICE_LENGTH)
      const view = new DataView(choice.buffer, choice.byteOffset, CHOICE_LENGTH)
      this.#method = this.#chosen(view.getUint32(0))
      this.#padLeft = view.getUint16(4)
      if (this.#padLeft > MAX_PAD) throw new ProtocolError(`a pad of ${this.#padLeft} bytes`)
    }
    if (received.length < this.#padLeft) return undefined
    incoming.apply(received.take(this.#padLeft), 0, this.#padLeft)
    const early = new Uint8Array(received.view)
    if (this.#method === 'plain') {
      return {
        method: 'plain',
        infohash: this.#options.infohash,
        incoming: undefined,
        outgoing: undefined,
        early,
      }
    }
    incoming.apply(early, 0, early.length)
    return {
      method: 'rc4',
      infohash: this.#options.infohash,
      incoming,
      outgoing: this.#ciphers!.ofCaller,
      early,
    }
  }

  /** The answerer's key is here: sends the second message. */
  #answer(theirs: Uint8Array): void {
    const { keys, infohash, methods, innerPad, first, send } = this.#options
    const secret = keys.secret(theirs)
    const ciphers = streamCiphers(secret, infohash)
    this.#ciphers = ciphers
    const mark = new Uint8Array(MARK_LENGTH)
    ciphers.ofAnswerer.apply(mark, 0, MARK_LENGTH)
    this.#mark = mark

    const sealed = new Uint8Array(MARK_LENGTH + CHOICE_LENGTH + innerPad + 2 + first.length)
    const view = new DataView(sealed.buffer)
    view.setUint32(
      MARK_LENGTH,
      methods.reduce((bits, method) => bits | METHOD_BITS[method], 0),
    )
    view.setUint16(MARK_LENGTH + 4, innerPad)
    view.setUint16(MARK_LENGTH + CHOICE_LENGTH + innerPad, first.length)
    sealed.set(first, MARK_LENGTH + CHOICE_LENGTH + innerPad + 2)
    ciphers.ofCaller.apply(sealed, 0, sealed.length)
    send(joined(syncHash(secret), maskTorrentKey(torrentKey(infohash), secret), sealed))
  }

  /** Finds where the pad ends; false when it has not ended yet. */
  #skipPad(mark: Uint8Array): boolean {
    const received = this.#received
    const at = received.find(mark)
    if (at > MAX_PAD || (at < 0 && received.length >= MAX_PAD + MARK_LENGTH)) {
      throw new ProtocolError('an answer without end of its pad')
    }
    if (at < 0) return false
    received.take(at + MARK_LENGTH)
    this.#mark = undefined
    return true
  }

  #chosen(bits: number): StreamMethod {
    for (const method of this.#options.methods) if (METHOD_BITS[method] === bits) return method
    throw new ProtocolError(`a choice of ${bits}, which was not offered`)
  }
}

/** One new buffer of all parts. */
function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}
