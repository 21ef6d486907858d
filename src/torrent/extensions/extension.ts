/**
 * What an extension of the wire protocol is to us: a name, a number, and what it does with what peers say. BEP 10.
 *
 * Owns the words alone. Each extension is an object in a file of its own in this folder; `peer-talk.ts` registers them.
 */
import type { ExtensionHandshake } from '../wire/extension.js'
import type { ExtensionPeer } from './extension-peer.js'

/** What we say about ourselves beside which extensions there are. */
export type Greeting = Partial<Omit<ExtensionHandshake, 'extensions'>>

/** One extension of one torrent. */
export interface Extension {
  /** As it is called in extension handshakes. */
  readonly name: string
  /** Under which number, 1 to 255, we take its messages. One extension each. */
  readonly id: number
  /** Whether it is offered to peers now; always when absent. What comes for one that is not is ignored. */
  offered?(): boolean
  /** What it adds to our handshake. */
  greeting?(): Greeting
  /** The peer's handshake came, the first or a later one; `handshake` is what it said this time. */
  greeted?(peer: ExtensionPeer, handshake: ExtensionHandshake): void
  /** A message came. @throws ProtocolError, which ends the connection */
  receive(peer: ExtensionPeer, payload: Uint8Array): void
  /** The peer is gone. */
  gone?(peer: ExtensionPeer): void
  /** Regular care, once a second, at `now` (ms, monotonic). */
  tick?(now: number): void
}
