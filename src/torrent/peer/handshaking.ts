/**
 * Exchanges handshakes over a fresh transport. BEP 3.
 *
 * Owns the transport until the exchange is done or has failed.
 */
import {
  checkHandshakePrefix,
  decodeHandshake,
  encodeHandshake,
  HANDSHAKE_HEAD_LENGTH,
  HANDSHAKE_LENGTH,
  handshakeInfohash,
  type Handshake,
} from '../wire/handshake.js'
import { ProtocolError } from '../wire/protocol-error.js'
import { converse, type ConversationLimits } from './conversation.js'
import type { Transport } from './transport.js'

/** How long who called may take to see from our handshake that he called himself, in ms. */
const HANG_UP_MS = 500

/** Who we are in one torrent. */
export interface Identity {
  /** 20 bytes. */
  readonly infohash: Uint8Array
  /** 20 bytes. */
  readonly peerId: Uint8Array
  /** Whether to tell peers that we run a DHT node (BEP 5); never for a private torrent (BEP 27). */
  readonly dht?: boolean
}

/**
 * Who we are in a torrent.
 *
 * @param infohash 40 hexadecimal digits
 * @param dht asked at each handshake: whether a torrent may be looked for in public can change
 */
export function identityOf(infohash: string, peerId: Uint8Array, dht: () => boolean): Identity {
  return {
    infohash: Buffer.from(infohash, 'hex'),
    peerId,
    get dht() {
      return dht()
    },
  }
}

/** What an exchange yields. */
export interface HandshakeResult {
  /** The peer's. */
  readonly handshake: Handshake
  /** Bytes that came behind the handshake: the first messages. */
  readonly early: Uint8Array
}

export interface HandshakeOptions extends ConversationLimits {
  /** Who we are in the torrent with this infohash, or undefined when we do not take part in it. */
  readonly resolve: (infohash: Uint8Array) => Identity | undefined
  /** Our handshake was sent already. Default: false. */
  readonly sent?: boolean
  /** What came of the peer's already. Not referenced afterwards. */
  readonly early?: Uint8Array
  /** Told once the peer has begun a handshake: it speaks the protocol in this way. */
  readonly onAnswer?: () => void
}

/**
 * Exchanges handshakes: for an outgoing transport we speak first, for an incoming one as soon as the infohash is known.
 * Afterwards the transport is paused; when it fails, it is destroyed.
 *
 * @param identity - Who we are, when we connected and so know the torrent.
 * @throws ERR_TORRENTFS_PROTOCOL when the peer says something else, has another torrent or is ourselves,
 * ERR_TORRENTFS_TIMEOUT, ERR_TORRENTFS_CONNECTION, ERR_TORRENTFS_ABORTED.
 */
export function exchangeHandshakes(
  transport: Transport,
  identity: Identity | undefined,
  options: HandshakeOptions,
): Promise<HandshakeResult> {
  return converse(transport, options, conversation => {
    const buffer = new Uint8Array(HANDSHAKE_LENGTH)
    let length = 0
    let own = identity

    const advance = (bytes: Uint8Array, count: number): void => {
      const taken = Math.min(count, HANDSHAKE_LENGTH - length)
      buffer.set(bytes.subarray(0, taken), length)
      length += taken
      checkHandshakePrefix(buffer, length)
      if (length > 0) options.onAnswer?.()
      if (own === undefined && length >= HANDSHAKE_HEAD_LENGTH) {
        own = options.resolve(handshakeInfohash(buffer))
        if (own === undefined) throw new ProtocolError('a handshake for a torrent we do not have')
        transport.send([ownHandshake(own)])
      }
      if (length < HANDSHAKE_LENGTH || own === undefined) return
      const handshake = decodeHandshake(buffer)
      if (!sameBytes(handshake.infohash, own.infohash))
        throw new ProtocolError('a handshake of another torrent')
      if (sameBytes(handshake.peerId, own.peerId)) {
        const refuse = (): never => {
          throw new ProtocolError('connected to ourselves')
        }
        if (identity !== undefined) refuse()
        // Who called must know it, or he calls again: he hears it of our handshake, and hangs up.
        setTimeout(() => conversation.run(refuse), HANG_UP_MS).unref()
        return
      }
      conversation.finish({ handshake, early: new Uint8Array(bytes.subarray(taken, count)) })
    }

    if (identity !== undefined && options.sent !== true) transport.send([ownHandshake(identity)])
    if (options.early !== undefined) advance(options.early, options.early.length)
    return advance
  })
}

/** The bytes of our handshake, newly allocated. */
export function ownHandshake(identity: Identity): Uint8Array {
  const { infohash, peerId } = identity
  return encodeHandshake({ infohash, peerId, fast: true, extensions: true, dht: identity.dht === true })
}

/** Whether two runs of bytes are the same. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}
