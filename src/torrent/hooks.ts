/**
 * What happens inside, told to whoever listens: channels of `node:diagnostics_channel`, for metrics, traces and tests.
 *
 * Owns their names and messages. They are of the process, for all clients: each message has its torrent. Nothing is made
 * for a channel that nobody listens to. A listener runs in the middle of what it is told of: it must be quick, and must
 * not call back into the torrent; what it throws becomes an uncaught exception.
 */
import { channel, type Channel } from 'node:diagnostics_channel'

import type { Protection } from './peer/encryption.js'
import type { Torrent } from './torrent.js'
import type { TrafficSource } from './traffic.js'

/** Something of a torrent. Its `infohash` and `name` are there; the rest of it is in the middle of a change. */
export interface TorrentMessage {
  readonly torrent: Torrent
}

export interface PeerMessage extends TorrentMessage {
  /** `host:port`. */
  readonly address: string
  /** Who told of the address. */
  readonly source: TrafficSource
}

export interface ConnectionMessage extends PeerMessage {
  readonly incoming: boolean
  readonly transport: 'tcp' | 'utp'
  readonly encryption: Protection
}

export interface DisconnectionMessage extends ConnectionMessage {
  /** Why, in words; undefined when the peer closed the connection. */
  readonly reason: string | undefined
  /** Payload bytes of the connection. */
  readonly downloaded: number
  readonly uploaded: number
}

export interface UnreachableMessage extends PeerMessage {
  readonly reason: string
}

export interface PieceMessage extends TorrentMessage {
  readonly piece: number
}

export interface AnnounceMessage extends TorrentMessage {
  /** The tracker's URL: its path and query may hold a passkey. */
  readonly url: string
  /** What it was told: undefined for a regular announce. */
  readonly event: string | undefined
  /** Addresses it gave. */
  readonly addresses: number
  readonly seeders: number | undefined
  readonly leechers: number | undefined
  /** What went wrong; undefined when it answered. */
  readonly error: string | undefined
}

/** One channel, with the type of its messages. `diagnostics_channel.subscribe(name, ...)` does the same without. */
export class Hook<T extends object> {
  readonly name: string
  readonly #channel: Channel

  /** @internal */
  constructor(name: string) {
    this.name = `torrentfs:${name}`
    this.#channel = channel(this.name)
  }

  /** Listens from now on. @returns the function that ends that */
  subscribe(listener: (message: T) => void): () => void {
    const heard = (message: unknown): void => listener(message as T)
    this.#channel.subscribe(heard)
    return () => void this.#channel.unsubscribe(heard)
  }

  /** Tells listeners, if there are any. @internal */
  publish(make: () => T): void {
    if (this.#channel.hasSubscribers) this.#channel.publish(make())
  }
}

/** Every channel there is. */
export const hooks = {
  /** A torrent was added to a client. */
  torrentAdded: new Hook<TorrentMessage>('torrent:added'),
  /** Its metadata is known and its storage open. */
  torrentReady: new Hook<TorrentMessage>('torrent:ready'),
  /** Everything that was selected is stored. */
  torrentComplete: new Hook<TorrentMessage>('torrent:complete'),
  /** It was removed, or its client closed, and its storage is closed. Its last connections may end a moment later. */
  torrentRemoved: new Hook<TorrentMessage>('torrent:removed'),
  peerConnected: new Hook<ConnectionMessage>('peer:connected'),
  peerDisconnected: new Hook<DisconnectionMessage>('peer:disconnected'),
  /** A call to an address came to nothing. */
  peerUnreachable: new Hook<UnreachableMessage>('peer:unreachable'),
  /** A piece matched its hash and was written. */
  pieceStored: new Hook<PieceMessage>('piece:stored'),
  /** A piece came that did not match its hash. */
  pieceFailed: new Hook<PieceMessage>('piece:failed'),
  /** A stored piece is not to be trusted any more, and will be hashed again. */
  pieceDoubted: new Hook<PieceMessage>('piece:doubted'),
  /** A piece was given up, to make room for others. */
  pieceEvicted: new Hook<PieceMessage>('piece:evicted'),
  /** A tracker answered an announce, or did not. */
  trackerAnnounced: new Hook<AnnounceMessage>('tracker:announced'),
} as const
