/**
 * The metadata traffic of one torrent with its peers: fetches the info dictionary while it is unknown, serves it after.
 * BEP 9.
 *
 * Owns the exchange and its limits. Which connections there are is the swarm's business.
 */
import { createHash } from 'node:crypto'

import type { PeerNumber } from './core/events.js'
import { MetadataExchange, type MetadataCandidate } from './core/metadata-exchange.js'
import {
  decodeMetadataMessage,
  encodeMetadataMessage,
  METADATA_PIECE_LENGTH,
} from './wire/metadata-message.js'

/** One peer may ask for the whole dictionary this often: once to have it, once for mistakes. */
const MOST_SERVINGS = 3

export interface MetadataLinkOptions {
  /** 40 hexadecimal digits. */
  readonly infohash: string
  /** Sends a message of the extension. */
  readonly send: (peer: PeerNumber, payload: Uint8Array) => void
  /** The dictionary is here and matches the infohash. */
  readonly found: (raw: Uint8Array) => void
  /** The peer sent a wrong dictionary. */
  readonly blame: (peer: PeerNumber) => void
}

export class MetadataLink {
  readonly #options: MetadataLinkOptions
  readonly #exchange = new MetadataExchange()
  readonly #served = new Map<PeerNumber, number>()
  #raw: Uint8Array | undefined

  constructor(options: MetadataLinkOptions) {
    this.#options = options
  }

  /** The dictionary is known, from here or elsewhere: from now on it is served. */
  setRaw(raw: Uint8Array): void {
    this.#raw = raw
  }

  /** A peer says how long the dictionary is. */
  offered(peer: PeerNumber, size: number): void {
    if (this.#raw !== undefined) return
    this.#exchange.offer(peer, size)
    this.ask()
  }

  gone(peer: PeerNumber): void {
    this.#served.delete(peer)
    this.#exchange.gone(peer)
  }

  /** @throws ProtocolError when it is not a message of the extension */
  receive(peer: PeerNumber, payload: Uint8Array): void {
    const message = decodeMetadataMessage(payload)
    if (message === undefined) return
    if (message.type === 'request') return this.#serve(peer, message.piece)
    if (this.#raw !== undefined) return
    if (message.type === 'reject') this.#exchange.refuse(peer, message.piece)
    else {
      const candidate = this.#exchange.receive(peer, message.piece, message.totalSize, message.bytes)
      if (candidate !== undefined) this.#judge(candidate)
    }
    this.ask()
  }

  /** Asks for what is missing. Call once a second too: parts that do not come are asked elsewhere. */
  ask(): void {
    if (this.#raw !== undefined) return
    for (const { peer, part } of this.#exchange.requests(performance.now())) {
      this.#options.send(peer, encodeMetadataMessage({ type: 'request', piece: part }))
    }
  }

  #judge(candidate: MetadataCandidate): void {
    const infohash = createHash('sha1').update(candidate.bytes).digest('hex')
    if (infohash === this.#options.infohash) {
      this.#raw = candidate.bytes
      return this.#options.found(candidate.bytes)
    }
    const guilty = this.#exchange.rejected(candidate)
    if (guilty !== undefined) this.#options.blame(guilty)
  }

  #serve(peer: PeerNumber, piece: number): void {
    const raw = this.#raw
    const begin = piece * METADATA_PIECE_LENGTH
    const served = this.#served.get(peer) ?? 0
    if (raw === undefined || begin >= raw.length || served >= MOST_SERVINGS * raw.length) {
      return this.#options.send(peer, encodeMetadataMessage({ type: 'reject', piece }))
    }
    const bytes = raw.subarray(begin, begin + METADATA_PIECE_LENGTH)
    this.#served.set(peer, served + bytes.length)
    this.#options.send(peer, encodeMetadataMessage({ type: 'data', piece, totalSize: raw.length, bytes }))
  }
}
