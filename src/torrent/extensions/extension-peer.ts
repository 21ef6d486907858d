/**
 * One connected peer as extensions see it: what it said of itself, and how to say something to it. BEP 10.
 *
 * Owns the peer's numbers for extensions. Must not interpret an extension's messages.
 */
import type { PeerNumber } from '../core/events.js'
import type { HostPort, PeerAddress } from '../peer/address.js'
import type { PeerConnection } from '../peer/connection.js'
import type { ExtensionHandshake } from '../wire/extension.js'
import { takenRequests } from './client-quirks.js'

/** The connection that carries the extensions. */
export interface ExtensionLink {
  readonly number: PeerNumber
  readonly connection: Pick<
    PeerConnection,
    'address' | 'incoming' | 'extended' | 'kind' | 'protection' | 'sendBacklog'
  >
  /** The address we called; undefined for who connected to us. */
  readonly called: PeerAddress | undefined
}

export class ExtensionPeer {
  readonly number: PeerNumber
  readonly connection: ExtensionLink['connection']
  readonly #called: PeerAddress | undefined
  readonly #ids = new Map<string, number>()
  #greeted = false
  #client: string | undefined
  #requestQueue: number | undefined
  #listenPort: number | undefined
  #uploadOnly = false

  constructor({ number, connection, called }: ExtensionLink) {
    this.number = number
    this.connection = connection
    this.#called = called
  }

  /** Its handshake has come. */
  get greeted(): boolean {
    return this.#greeted
  }

  /** What its program calls itself. */
  get client(): string | undefined {
    return this.#client
  }

  /** How many requests it takes, if it said so. */
  get requestQueue(): number | undefined {
    return this.#requestQueue
  }

  /** It says that it will download nothing (BEP 21). */
  get uploadOnly(): boolean {
    return this.#uploadOnly
  }

  set uploadOnly(uploadOnly: boolean) {
    this.#uploadOnly = uploadOnly
  }

  /** It speaks encryption (its stream may flow in the open behind it). */
  get encrypted(): boolean {
    return this.connection.protection !== 'plain'
  }

  /** The address it talks to us from. */
  get address(): PeerAddress {
    return this.connection.address
  }

  /** Where it takes connections: where we called it, or the port it told us of. Undefined while that is not known. */
  get listening(): HostPort | undefined {
    const { host, port } = this.connection.address
    if (this.#called !== undefined) return { host, port }
    return this.#listenPort === undefined ? undefined : { host, port: this.#listenPort }
  }

  /** Whether it takes messages of this extension. */
  takes(name: string): boolean {
    return (this.#ids.get(name) ?? 0) > 0
  }

  /** Sends a message of an extension, if the peer takes it. */
  send(name: string, payload: Uint8Array): void {
    const id = this.#ids.get(name) ?? 0
    if (id > 0) this.connection.extended(id, payload)
  }

  /** Notes what a handshake says. By BEP 10 a later one adds to it; number 0 takes an extension back. */
  note(handshake: ExtensionHandshake): void {
    this.#greeted = true
    for (const [name, id] of handshake.extensions) {
      if (id === 0) this.#ids.delete(name)
      else if (this.#ids.size < MAX_NAMES || this.#ids.has(name)) this.#ids.set(name, id)
    }
    this.#client = handshake.client ?? this.#client
    this.#requestQueue = takenRequests(handshake) ?? this.#requestQueue
    this.#listenPort = handshake.listenPort ?? this.#listenPort
    this.#uploadOnly = handshake.uploadOnly ?? this.#uploadOnly
  }
}

/** Handshake after handshake with other names must not pile up. */
const MAX_NAMES = 64
