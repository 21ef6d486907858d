/**
 * Exchanges handshakes over a fresh transport. BEP 3.
 *
 * Owns the transport until the exchange is done or has failed. Must not wait longer than its deadline, however slowly
 * the stranger on the other side sends.
 */
import { TorrentError } from '../errors.js'
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
import { formatAddress } from './address.js'
import type { Transport } from './transport.js'

/** Who we are in one torrent. */
export interface Identity {
  /** 20 bytes. */
  readonly infohash: Uint8Array
  /** 20 bytes. */
  readonly peerId: Uint8Array
  /** Whether to tell peers that we run a DHT node (BEP 5); never for a private torrent (BEP 27). */
  readonly dht?: boolean
}

/** What an exchange yields. */
export interface HandshakeResult {
  /** The peer's. */
  readonly handshake: Handshake
  /** Bytes that came behind the handshake: the first messages. */
  readonly early: Uint8Array
}

export interface HandshakeOptions {
  /** When the whole exchange must be done, in ms from now. */
  readonly timeoutMs: number
  /** Aborting it ends the exchange; afterwards it has no effect. */
  readonly signal?: AbortSignal
  /** Who we are in the torrent with this infohash, or undefined when we do not take part in it. */
  readonly resolve: (infohash: Uint8Array) => Identity | undefined
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
  return new Promise((resolve, reject) => {
    const buffer = new Uint8Array(HANDSHAKE_LENGTH)
    let length = 0
    let own = identity
    const where = formatAddress(transport.address)

    const release = (): void => {
      clearTimeout(timer)
      options.signal?.removeEventListener('abort', abort)
    }
    const fail = (error: TorrentError): void => {
      release()
      transport.destroy(error)
      reject(error)
    }
    const abort = (): void => fail(new TorrentError('ERR_TORRENTFS_ABORTED', `${where}: given up`))
    const timer = setTimeout(() => {
      fail(new TorrentError('ERR_TORRENTFS_TIMEOUT', `${where}: no handshake in ${options.timeoutMs} ms`))
    }, options.timeoutMs)
    if (options.signal?.aborted === true) return abort()
    options.signal?.addEventListener('abort', abort, { once: true })

    const advance = (bytes: Uint8Array, count: number): void => {
      const taken = Math.min(count, HANDSHAKE_LENGTH - length)
      buffer.set(bytes.subarray(0, taken), length)
      length += taken
      checkHandshakePrefix(buffer, length)
      if (own === undefined && length >= HANDSHAKE_HEAD_LENGTH) {
        own = options.resolve(handshakeInfohash(buffer))
        if (own === undefined) throw new ProtocolError('a handshake for a torrent we do not have')
        transport.send([encodeHandshake(toHandshake(own))])
      }
      if (length < HANDSHAKE_LENGTH || own === undefined) return
      const handshake = decodeHandshake(buffer)
      if (!sameBytes(handshake.infohash, own.infohash))
        throw new ProtocolError('a handshake of another torrent')
      if (sameBytes(handshake.peerId, own.peerId)) throw new ProtocolError('connected to ourselves')
      transport.pause()
      release()
      resolve({ handshake, early: new Uint8Array(bytes.subarray(taken, count)) })
    }

    transport.setReceiver({
      receive(bytes, count) {
        try {
          advance(bytes, count)
        } catch (error) {
          if (!(error instanceof ProtocolError)) throw error
          fail(new ProtocolError(`${where}: ${error.message}`))
        }
      },
      sent() {},
      ended(error) {
        release()
        reject(error ?? new TorrentError('ERR_TORRENTFS_CONNECTION', `${where}: closed before its handshake`))
      },
    })
    if (identity !== undefined) transport.send([encodeHandshake(toHandshake(identity))])
    transport.resume()
  })
}

function toHandshake(identity: Identity): Handshake {
  const { infohash, peerId } = identity
  return { infohash, peerId, fast: true, extensions: true, dht: identity.dht === true }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}
