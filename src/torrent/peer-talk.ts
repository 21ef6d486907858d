/**
 * What peers of one torrent say beside pieces: the extension protocol (BEP 10), and what they said before the metadata
 * was known.
 *
 * Owns the notes on each peer. Must not decide about pieces.
 */
import { CLIENT_NAME } from './config.js'
import type { PeerMessage, PeerNumber } from './core/events.js'
import type { MetadataLink } from './metadata-link.js'
import type { Link } from './swarm.js'
import {
  decodeExtensionHandshake,
  encodeExtensionHandshake,
  EXTENSION_HANDSHAKE_ID,
} from './wire/extension.js'
import { METADATA_EXTENSION } from './wire/metadata-message.js'

/** Under which number we take messages of `ut_metadata`. */
const METADATA_ID = 1
/** How many unanswered requests we take (BEP 10 `reqq`). */
const REQUEST_QUEUE = 512
/** What a peer may say before the metadata is known; who says more is dropped. */
const MAX_EARLY_MESSAGES = 10_000

interface PeerNotes {
  /** What the peer said before the metadata was known. */
  early: PeerMessage[]
  /** Under which number the peer takes `ut_metadata`; 0 for not at all. */
  metadataId: number
  requestQueue: number | undefined
  client: string | undefined
}

export interface PeerTalkOptions {
  readonly metadata: MetadataLink
  /** Bytes of the info dictionary, when it is known. */
  readonly metadataLength: () => number | undefined
  /** The port peers may connect to; 0 for none. */
  readonly port: () => number
  /** A peer says from which address it sees us: 4 or 16 bytes. */
  readonly seenFrom: (address: Uint8Array) => void
  /** A peer says how many requests it takes. */
  readonly requestQueue: (peer: PeerNumber, requests: number) => void
}

export class PeerTalk {
  readonly #o: PeerTalkOptions
  readonly #notes = new Map<PeerNumber, PeerNotes>()

  constructor(options: PeerTalkOptions) {
    this.#o = options
  }

  open(link: Link): void {
    const notes = { early: [], metadataId: 0, requestQueue: undefined, client: undefined }
    this.#notes.set(link.number, notes)
  }

  gone(link: Link): void {
    this.#notes.delete(link.number)
  }

  /** What the peer's program calls itself. */
  clientOf(peer: PeerNumber): string | undefined {
    return this.#notes.get(peer)?.client
  }

  /** Sends our extension handshake. */
  greet(link: Link): void {
    const port = this.#o.port()
    const metadataSize = this.#o.metadataLength()
    const payload = encodeExtensionHandshake({
      extensions: new Map([[METADATA_EXTENSION, METADATA_ID]]),
      client: CLIENT_NAME,
      requestQueue: REQUEST_QUEUE,
      ...(metadataSize === undefined ? {} : { metadataSize }),
      ...(port === 0 ? {} : { listenPort: port }),
    })
    link.connection.extended(EXTENSION_HANDSHAKE_ID, payload)
  }

  /** Takes a message of the extension protocol. @throws ProtocolError, which ends the connection */
  extended(link: Link, id: number, payload: Uint8Array): void {
    const notes = this.#notes.get(link.number)
    if (notes === undefined) return
    if (id === METADATA_ID) return this.#o.metadata.receive(link.number, payload)
    if (id !== EXTENSION_HANDSHAKE_ID) return
    const handshake = decodeExtensionHandshake(payload)
    notes.metadataId = handshake.extensions.get(METADATA_EXTENSION) ?? notes.metadataId
    notes.client = handshake.client ?? notes.client
    if (handshake.requestQueue !== undefined) {
      notes.requestQueue = handshake.requestQueue
      this.#o.requestQueue(link.number, handshake.requestQueue)
    }
    if (handshake.yourAddress !== undefined) this.#o.seenFrom(handshake.yourAddress)
    if (notes.metadataId > 0 && handshake.metadataSize !== undefined) {
      this.#o.metadata.offered(link.number, handshake.metadataSize)
    }
  }

  /** Sends a message of `ut_metadata`, if the peer takes it. */
  sendMetadata(link: Link, payload: Uint8Array): void {
    const id = this.#notes.get(link.number)?.metadataId ?? 0
    if (id > 0) link.connection.extended(id, payload)
  }

  /** Keeps what a peer says about pieces for later; false when it says too much. */
  keep(link: Link, message: PeerMessage): boolean {
    const early = this.#notes.get(link.number)?.early
    // There is nothing to upload yet, and nothing was requested.
    if (early === undefined || message.type === 'request' || message.type === 'cancel') return true
    if (message.type === 'reject') return true
    return early.length < MAX_EARLY_MESSAGES && early.push(message) > 0
  }

  /** What was noted until now; what was kept is forgotten. */
  takeNotes(link: Link): {
    readonly requestQueue: number | undefined
    readonly early: readonly PeerMessage[]
  } {
    const notes = this.#notes.get(link.number)
    const early = notes?.early ?? []
    if (notes !== undefined) notes.early = []
    return { requestQueue: notes?.requestQueue, early }
  }
}
