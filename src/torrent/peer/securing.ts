/**
 * Message stream encryption over a fresh transport: calls with it, or finds out whether a stranger does.
 *
 * Owns the transport until the exchange is done or has failed, and chooses keys and pads by chance. What bytes mean is the
 * business of `wire/stream-encryption`.
 */
import { randomBytes, randomInt } from 'node:crypto'

import { GatheredBytes } from '../wire/gathered-bytes.js'
import { beginsHandshake } from '../wire/handshake.js'
import { KeyPair, PRIVATE_KEY_LENGTH, PUBLIC_KEY_LENGTH } from '../wire/key-exchange.js'
import { ProtocolError } from '../wire/protocol-error.js'
import { StreamAnswerer } from '../wire/stream-encryption-answerer.js'
import { StreamCaller } from '../wire/stream-encryption-caller.js'
import { MAX_PAD, type SecuredStream, type StreamMethod } from '../wire/stream-encryption.js'
import { converse, type ConversationLimits } from './conversation.js'
import { EncryptedTransport } from './encrypted-transport.js'
import type { Protection } from './encryption.js'
import type { KeyExchangeQueue } from './key-exchange-queue.js'
import type { Transport } from './transport.js'

/** A transport that handshakes can be exchanged over. */
export interface Secured {
  /** Paused. */
  readonly transport: Transport
  readonly protection: Protection
  /** What came of the peer's stream already. */
  readonly early: Uint8Array
  /** The torrent that was named, 20 bytes; undefined when the handshake will do so. */
  readonly infohash: Uint8Array | undefined
}

export interface CallOptions extends ConversationLimits {
  /** 20 bytes. */
  readonly infohash: Uint8Array
  /** What the peer may choose from. */
  readonly methods: readonly StreamMethod[]
  /** The beginning of our stream: it is sent within the exchange. */
  readonly first: Uint8Array
}

/** Makes an encrypted stream of an outgoing transport. @throws as {@link converse} does */
export async function secureOutgoing(transport: Transport, options: CallOptions): Promise<Secured> {
  const { infohash, methods, first } = options
  const stream = await converse<SecuredStream>(transport, options, conversation => {
    const caller = new StreamCaller({
      keys: newKeys(),
      infohash,
      methods,
      first,
      ...newPads(),
      send: bytes => transport.send([bytes]),
    })
    caller.begin()
    return (bytes, length) => {
      const result = caller.feed(bytes, length)
      if (result !== undefined) conversation.finish(result)
    }
  })
  return securedBy(transport, stream)
}

export interface AnswerOptions extends ConversationLimits {
  /** What we choose from, the best first. */
  readonly methods: readonly StreamMethod[]
  /** Whether a handshake in the open will do, too. */
  readonly plain: boolean
  readonly find: (torrentKey: Uint8Array) => Uint8Array | undefined
  readonly exchanges: KeyExchangeQueue
}

/** Makes an encrypted stream of an incoming transport, if that is what the peer begins. @throws as {@link converse} does */
export async function secureIncoming(transport: Transport, options: AnswerOptions): Promise<Secured> {
  const heard = new GatheredBytes()
  const stream = await converse<SecuredStream | undefined>(transport, options, conversation => {
    let answerer: StreamAnswerer | undefined

    const advance = (bytes: Uint8Array, length: number): void => {
      const result = answerer!.feed(bytes, length)
      if (result !== undefined) conversation.finish(result)
    }
    const answer = (): void => {
      conversation.run(() => {
        const { methods, find } = options
        const send = (bytes: Uint8Array): void => transport.send([bytes])
        answerer = new StreamAnswerer({ keys: newKeys(), find, methods, ...newPads(), send })
        advance(heard.view, heard.length)
        if (!conversation.over) transport.resume()
      })
    }
    return (bytes, length) => {
      if (answerer !== undefined) return advance(bytes, length)
      heard.add(bytes, length)
      const plain = beginsHandshake(heard.view)
      if (plain === true) {
        if (!options.plain) throw new ProtocolError('a handshake in the open where encryption is required')
        conversation.finish(undefined)
      } else if (plain === false && heard.length >= PUBLIC_KEY_LENGTH) {
        // Not a byte more is taken of a stranger before it is his turn.
        transport.pause()
        options.exchanges.add(answer, () => !conversation.over)
      }
    }
  })
  if (stream !== undefined) return securedBy(transport, stream)
  return { transport, protection: 'plain', early: heard.view, infohash: undefined }
}

function securedBy(transport: Transport, stream: SecuredStream): Secured {
  const { incoming, outgoing, early, infohash } = stream
  if (incoming === undefined || outgoing === undefined) {
    return { transport, protection: 'header', early, infohash }
  }
  return {
    transport: new EncryptedTransport(transport, incoming, outgoing),
    protection: 'rc4',
    early,
    infohash,
  }
}

function newKeys(): KeyPair {
  return new KeyPair(randomBytes(PRIVATE_KEY_LENGTH))
}

/** Lengths that tell nothing. */
function newPads(): { readonly pad: Uint8Array; readonly innerPad: number } {
  return { pad: randomBytes(randomInt(MAX_PAD + 1)), innerPad: randomInt(MAX_PAD + 1) }
}
