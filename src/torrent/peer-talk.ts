/**
 * What peers of one torrent say beside pieces: the registry of extensions (BEP 10), and what was said before the
 * metadata was known.
 *
 * Owns the notes on each peer, and who hears which message. Must not decide about pieces, nor know any extension.
 */
import type { PeerMessage, PeerNumber } from './core/events.js'
import type { Extension } from './extensions/extension.js'
import { ExtensionPeer } from './extensions/extension-peer.js'
import type { Link } from './swarm.js'
import {
  decodeExtensionHandshake,
  encodeExtensionHandshake,
  EXTENSION_HANDSHAKE_ID,
} from './wire/extension.js'

/** How many unanswered requests we take (BEP 10 `reqq`). */
const REQUEST_QUEUE = 512
/** What a peer may say before the metadata is known; who says more is dropped. */
const MAX_EARLY_MESSAGES = 10_000

interface Speaker {
  readonly peer: ExtensionPeer
  readonly link: Link
  /** What the peer said before the metadata was known. */
  early: PeerMessage[]
  /** Our last handshake to it; undefined before the first. */
  greeting: Uint8Array | undefined
  /** Extensions that a handshake of ours offered. */
  readonly offered: Set<Extension>
}

export interface PeerTalkOptions {
  readonly extensions: readonly Extension[]
  /** What we tell peers that we are; undefined for nothing. */
  readonly clientName: string | undefined
  /** The port peers may connect to; 0 for none. */
  readonly port: () => number
  /** A peer says from which address it sees us: 4 or 16 bytes. */
  readonly seenFrom: (address: Uint8Array) => void
  /** A peer says how many requests it takes. */
  readonly requestQueue: (peer: PeerNumber, requests: number) => void
}

export class PeerTalk {
  readonly #o: PeerTalkOptions
  readonly #byId = new Map<number, Extension>()
  readonly #speakers = new Map<PeerNumber, Speaker>()

  constructor(options: PeerTalkOptions) {
    this.#o = options
    for (const extension of options.extensions) {
      if (this.#byId.has(extension.id)) throw new Error(`two extensions of number ${extension.id}`)
      this.#byId.set(extension.id, extension)
    }
  }

  open(link: Link): void {
    const peer = new ExtensionPeer(link)
    this.#speakers.set(link.number, { peer, link, early: [], greeting: undefined, offered: new Set() })
  }

  gone(link: Link): void {
    const speaker = this.#speakers.get(link.number)
    if (speaker === undefined) return
    this.#speakers.delete(link.number)
    for (const extension of this.#byId.values()) extension.gone?.(speaker.peer)
  }

  peer(number: PeerNumber): ExtensionPeer | undefined {
    return this.#speakers.get(number)?.peer
  }

  *peers(): Generator<ExtensionPeer, void, undefined> {
    for (const { peer } of this.#speakers.values()) yield peer
  }

  /** What the peer's program calls itself. */
  clientOf(peer: PeerNumber): string | undefined {
    return this.peer(peer)?.client
  }

  /** Sends our extension handshake, unless it would say what the last one said. */
  greet(link: Link): void {
    const speaker = this.#speakers.get(link.number)
    if (speaker === undefined) return
    const payload = this.#handshakeFor(speaker)
    if (speaker.greeting !== undefined && Buffer.compare(speaker.greeting, payload) === 0) return
    speaker.greeting = payload
    link.connection.extended(EXTENSION_HANDSHAKE_ID, payload)
  }

  /** What we say of ourselves may have changed: whoever was greeted is told. */
  renew(): void {
    for (const { link, greeting } of this.#speakers.values()) if (greeting !== undefined) this.greet(link)
  }

  /** Takes a message of the extension protocol. @throws ProtocolError, which ends the connection */
  extended(link: Link, id: number, payload: Uint8Array): void {
    const speaker = this.#speakers.get(link.number)
    if (speaker === undefined) return
    if (id === EXTENSION_HANDSHAKE_ID) return this.#greeted(speaker, payload)
    const extension = this.#byId.get(id)
    if (extension !== undefined && extension.offered?.() !== false) extension.receive(speaker.peer, payload)
  }

  /** Regular care, once a second, at `now` (ms). */
  tick(now: number): void {
    for (const extension of this.#byId.values()) extension.tick?.(now)
  }

  /** Keeps what a peer says about pieces for later; false when it says too much. */
  keep(link: Link, message: PeerMessage): boolean {
    const early = this.#speakers.get(link.number)?.early
    // There is nothing to upload yet, and nothing was requested.
    if (early === undefined || message.type === 'request' || message.type === 'cancel') return true
    if (message.type === 'reject') return true
    return early.length < MAX_EARLY_MESSAGES && early.push(message) > 0
  }

  /** What was noted until now; what was kept is forgotten. */
  takeNotes(link: Link): {
    readonly requestQueue: number | undefined
    readonly uploadOnly: boolean
    readonly early: readonly PeerMessage[]
  } {
    const speaker = this.#speakers.get(link.number)
    const early = speaker?.early ?? []
    if (speaker !== undefined) speaker.early = []
    const { requestQueue, uploadOnly = false } = speaker?.peer ?? {}
    return { requestQueue, uploadOnly, early }
  }

  #handshakeFor(speaker: Speaker): Uint8Array {
    const extensions = new Map<string, number>()
    let greeting = {}
    for (const extension of this.#byId.values()) {
      const offered = extension.offered?.() !== false
      if (offered) speaker.offered.add(extension)
      if (offered) extensions.set(extension.name, extension.id)
      // By BEP 10 only a 0 takes back what an earlier handshake offered.
      else if (speaker.offered.has(extension)) extensions.set(extension.name, 0)
      if (offered) greeting = { ...greeting, ...extension.greeting?.() }
    }
    const port = this.#o.port()
    return encodeExtensionHandshake({
      ...greeting,
      extensions,
      requestQueue: REQUEST_QUEUE,
      ...(this.#o.clientName === undefined ? {} : { client: this.#o.clientName }),
      ...(port === 0 ? {} : { listenPort: port }),
    })
  }

  #greeted({ peer }: Speaker, payload: Uint8Array): void {
    const handshake = decodeExtensionHandshake(payload)
    peer.note(handshake)
    if (peer.requestQueue !== undefined) this.#o.requestQueue(peer.number, peer.requestQueue)
    if (handshake.yourAddress !== undefined) this.#o.seenFrom(handshake.yourAddress)
    for (const extension of this.#byId.values()) extension.greeted?.(peer, handshake)
  }
}
