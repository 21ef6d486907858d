/**
 * The side of message stream encryption that was connected to: finds out which torrent is meant and chooses the method. It
 * has no BEP; clients follow the "Message Stream Encryption" page of the Azureus wiki.
 *
 * Pure: no socket, no chance. Every byte comes from a stranger; at most one received buffer and 66 KiB are held, and only as
 * they come.
 */
import { GatheredBytes } from './gathered-bytes.js'
import { PUBLIC_KEY_LENGTH, type KeyExchange } from './key-exchange.js'
import { ProtocolError } from './protocol-error.js'
import type { Rc4 } from './rc4.js'
import {
  HASH_LENGTH,
  MARK_LENGTH,
  maskTorrentKey,
  MAX_PAD,
  METHOD_BITS,
  streamCiphers,
  syncHash,
  type SecuredStream,
  type StreamMethod,
} from './stream-encryption.js'

/** What a {@link StreamAnswerer} needs. */
export interface StreamAnswererOptions {
  readonly keys: KeyExchange
  /** The infohash (20 bytes) that this is the key of, or undefined when we do not take part in such a torrent. */
  readonly find: (torrentKey: Uint8Array) => Uint8Array | undefined
  /** What we choose from, the best first; at least one. */
  readonly methods: readonly StreamMethod[]
  /** Random bytes of random length, at most {@link MAX_PAD}. */
  readonly pad: Uint8Array
  /** How long the pad of the encrypted part is, at most {@link MAX_PAD}. */
  readonly innerPad: number
  /** Sends bytes, which are the receiver's from then on. */
  readonly send: (bytes: Uint8Array) => void
}

/** Of the encrypted part: the mark, the methods offered, and the length of the pad. */
const OFFER_LENGTH = MARK_LENGTH + 6

/** One exchange. Must be fed until it returns a result or throws, and no more. */
export class StreamAnswerer {
  readonly #options: StreamAnswererOptions
  readonly #received = new GatheredBytes()
  #secret: Uint8Array | undefined
  /** What ends the caller's pad; undefined once that was found. */
  #sync: Uint8Array | undefined
  #infohash: Uint8Array | undefined
  #ciphers: { readonly ofCaller: Rc4; readonly ofAnswerer: Rc4 } | undefined
  #method: StreamMethod | undefined
  #padLeft = 0
  #padPassed = false
  /** Of the caller's stream, sent within the exchange; -1 until that is known. */
  #firstLength = -1

  constructor(options: StreamAnswererOptions) {
    this.#options = options
  }

  /**
   * Takes the bytes [0, length) of `bytes`, which are not referenced afterwards.
   *
   * @returns The result, once the exchange is done.
   * @throws ProtocolError when the other side does not speak this, or not with a torrent of ours
   */
  feed(bytes: Uint8Array, length: number): SecuredStream | undefined {
    const received = this.#received
    received.add(bytes, length)
    if (this.#secret === undefined) {
      if (received.length < PUBLIC_KEY_LENGTH) return undefined
      this.#secret = this.#greet(received.take(PUBLIC_KEY_LENGTH))
      this.#sync = syncHash(this.#secret)
    }
    if (this.#sync !== undefined && !this.#skipPad(this.#sync)) return undefined
    if (this.#ciphers === undefined) {
      if (received.length < HASH_LENGTH) return undefined
      this.#infohash = this.#named(received.take(HASH_LENGTH), this.#secret)
      this.#ciphers = streamCiphers(this.#secret, this.#infohash)
    }
    const { ofCaller, ofAnswerer } = this.#ciphers
    if (this.#method === undefined) {
      if (received.length < OFFER_LENGTH) return undefined
      this.#readOffer(received.take(OFFER_LENGTH), ofCaller)
    }
    if (!this.#padPassed) {
      if (received.length < this.#padLeft) return undefined
      ofCaller.apply(received.take(this.#padLeft), 0, this.#padLeft)
      this.#padPassed = true
    }
    if (this.#firstLength < 0) {
      if (received.length < 2) return undefined
      const bytesOfLength = received.take(2)
      ofCaller.apply(bytesOfLength, 0, 2)
      this.#firstLength = ((bytesOfLength[0] as number) << 8) | (bytesOfLength[1] as number)
    }
    if (received.length < this.#firstLength) return undefined
    return this.#finish(ofCaller, ofAnswerer)
  }

  /** The caller's key is here: sends ours. Returns the secret. */
  #greet(theirs: Uint8Array): Uint8Array {
    const { keys, pad, send } = this.#options
    const secret = keys.secret(theirs)
    const greeting = new Uint8Array(PUBLIC_KEY_LENGTH + pad.length)
    greeting.set(keys.publicKey)
    greeting.set(pad, PUBLIC_KEY_LENGTH)
    send(greeting)
    return secret
  }

  /** Finds where the pad ends; false when it has not ended yet. */
  #skipPad(sync: Uint8Array): boolean {
    const received = this.#received
    const at = received.find(sync)
    if (at > MAX_PAD || (at < 0 && received.length >= MAX_PAD + HASH_LENGTH)) {
      throw new ProtocolError('a handshake that is neither plain nor encrypted')
    }
    if (at < 0) return false
    received.take(at + HASH_LENGTH)
    this.#sync = undefined
    return true
  }

  #named(masked: Uint8Array, secret: Uint8Array): Uint8Array {
    const infohash = this.#options.find(maskTorrentKey(masked, secret))
    if (infohash === undefined) throw new ProtocolError('an encrypted handshake for a torrent we do not have')
    return infohash
  }

  #readOffer(offer: Uint8Array, cipher: Rc4): void {
    cipher.apply(offer, 0, OFFER_LENGTH)
    if (offer.subarray(0, MARK_LENGTH).some(byte => byte !== 0)) {
      throw new ProtocolError('an encrypted handshake that cannot be decrypted')
    }
    const view = new DataView(offer.buffer, offer.byteOffset, OFFER_LENGTH)
    const offered = view.getUint32(MARK_LENGTH)
    this.#method = this.#options.methods.find(method => (offered & METHOD_BITS[method]) !== 0)
    if (this.#method === undefined) throw new ProtocolError(`no method of ${offered} is one of ours`)
    this.#padLeft = view.getUint16(MARK_LENGTH + 4)
    if (this.#padLeft > MAX_PAD) throw new ProtocolError(`a pad of ${this.#padLeft} bytes`)
  }

  #finish(ofCaller: Rc4, ofAnswerer: Rc4): SecuredStream {
    const method = this.#method!
    const infohash = this.#infohash!
    const { innerPad, send } = this.#options
    const choice = new Uint8Array(OFFER_LENGTH + innerPad)
    const view = new DataView(choice.buffer)
    view.setUint32(MARK_LENGTH, METHOD_BITS[method])
    view.setUint16(MARK_LENGTH + 4, innerPad)
    ofAnswerer.apply(choice, 0, choice.length)
    send(choice)

    const early = new Uint8Array(this.#received.view)
    // What was sent within the exchange is encrypted whatever was chosen.
    if (method === 'plain') {
      ofCaller.apply(early, 0, this.#firstLength)
      return { method, infohash, incoming: undefined, outgoing: undefined, early }
    }
    ofCaller.apply(early, 0, early.length)
    return { method, infohash, incoming: ofCaller, outgoing: ofAnswerer, early }
  }
}
