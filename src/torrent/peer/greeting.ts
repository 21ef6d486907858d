/**
 * From a fresh transport to a connection: encryption, if it is to be, and handshakes. BEP 3.
 *
 * Owns the transport until there is a connection or it has failed, all under one deadline.
 */
import { ProtocolError } from '../wire/protocol-error.js'
import { PeerConnection, type PeerConnectionOptions } from './connection.js'
import type { ConversationLimits } from './conversation.js'
import { methodsOf, type EncryptionPolicy, type Greeting } from './encryption.js'
import { exchangeHandshakes, ownHandshake, sameBytes, type Identity } from './handshaking.js'
import type { KeyExchangeQueue } from './key-exchange-queue.js'
import { secureIncoming, secureOutgoing } from './securing.js'
import type { TorrentKeys } from './torrent-keys.js'
import type { Transport } from './transport.js'

export interface OutgoingGreeting extends ConversationLimits {
  readonly greeting: Greeting
  readonly policy: EncryptionPolicy
  readonly connection?: PeerConnectionOptions
  /** Told once the peer has answered in kind: another greeting would not help. */
  readonly onAnswer?: () => void
}

/** Greets whom we connected to. The caller owns the connection. @throws as {@link exchangeHandshakes} does */
export async function greetOutgoing(
  transport: Transport,
  identity: Identity,
  options: OutgoingGreeting,
): Promise<PeerConnection> {
  const resolve = (): Identity => identity
  if (options.greeting === 'plain') {
    const { handshake, early } = await exchangeHandshakes(transport, identity, { ...options, resolve })
    return new PeerConnection(transport, handshake, early, options.connection)
  }
  const deadline = performance.now() + options.timeoutMs
  const secured = await secureOutgoing(transport, {
    ...options,
    infohash: identity.infohash,
    methods: methodsOf(options.policy),
    first: ownHandshake(identity),
  })
  options.onAnswer?.()
  const { handshake, early } = await exchangeHandshakes(secured.transport, identity, {
    ...limitsUntil(deadline, options),
    resolve,
    sent: true,
    early: secured.early,
  })
  return new PeerConnection(secured.transport, handshake, early, {
    ...options.connection,
    protection: secured.protection,
  })
}

/** What a listener greets with. */
export interface IncomingGreeting extends ConversationLimits {
  /** Who we are in the torrent with this infohash (20 bytes), or undefined when we do not take part in it. */
  readonly resolve: (infohash: Uint8Array) => Identity | undefined
  /** Undefined: connections are not encrypted. */
  readonly encryption: IncomingEncryption | undefined
  readonly connection?: PeerConnectionOptions
}

/** What it takes to understand encrypted strangers. */
export interface IncomingEncryption {
  readonly policy: Exclude<EncryptionPolicy, 'disable'>
  readonly torrents: TorrentKeys
  readonly exchanges: KeyExchangeQueue
}

/** A connection and its torrent. */
export interface GreetedStranger {
  readonly connection: PeerConnection
  /** 20 bytes. */
  readonly infohash: Uint8Array
}

/** Greets who connected to us. The caller owns the connection. @throws as {@link exchangeHandshakes} does */
export async function greetIncoming(
  transport: Transport,
  options: IncomingGreeting,
): Promise<GreetedStranger> {
  const { encryption } = options
  if (encryption === undefined) {
    const { handshake, early } = await exchangeHandshakes(transport, undefined, options)
    const connection = new PeerConnection(transport, handshake, early, options.connection)
    return { connection, infohash: handshake.infohash }
  }
  const deadline = performance.now() + options.timeoutMs
  const secured = await secureIncoming(transport, {
    ...options,
    methods: methodsOf(encryption.policy),
    plain: encryption.policy === 'prefer',
    find: key => encryption.torrents.find(key),
    exchanges: encryption.exchanges,
  })
  const { infohash: named, protection } = secured
  const { handshake, early } = await exchangeHandshakes(secured.transport, undefined, {
    ...limitsUntil(deadline, options),
    resolve: infohash => {
      if (named === undefined || sameBytes(named, infohash)) return options.resolve(infohash)
      throw new ProtocolError('a handshake of another torrent than its encryption')
    },
    early: secured.early,
  })
  const connection = new PeerConnection(secured.transport, handshake, early, {
    ...options.connection,
    protection,
  })
  return { connection, infohash: handshake.infohash }
}

function limitsUntil(deadline: number, { signal }: ConversationLimits): ConversationLimits {
  const timeoutMs = Math.max(1, deadline - performance.now())
  return signal === undefined ? { timeoutMs } : { timeoutMs, signal }
}
