/**
 * Partial seeds: who will download nothing more says so, in its handshake and whenever that changes. BEP 21.
 *
 * Owns what we last said. Whether we want anything is the core's to know.
 */
import type { PeerNumber } from '../core/events.js'
import { decodeUploadOnly, encodeUploadOnly, UPLOAD_ONLY_EXTENSION } from '../wire/upload-only-message.js'
import type { Extension } from './extension.js'
import type { ExtensionPeer } from './extension-peer.js'

export interface UploadOnlyOptions {
  /** Whether we want nothing more; undefined before the metadata is known. */
  readonly own: () => boolean | undefined
  /** A peer says whether it wants nothing more. */
  readonly changed: (peer: PeerNumber, uploadOnly: boolean) => void
  readonly peers: () => Iterable<ExtensionPeer>
}

export class UploadOnly implements Extension {
  readonly name = UPLOAD_ONLY_EXTENSION
  readonly id = 5
  readonly #o: UploadOnlyOptions
  #said = false

  constructor(options: UploadOnlyOptions) {
    this.#o = options
  }

  greeting(): { readonly uploadOnly?: boolean } {
    // Absent means no; it is said where it was yes before.
    this.#look()
    return this.#said ? { uploadOnly: true } : {}
  }

  greeted(peer: ExtensionPeer, { uploadOnly }: { readonly uploadOnly?: boolean }): void {
    if (uploadOnly !== undefined) this.#o.changed(peer.number, uploadOnly)
  }

  receive(peer: ExtensionPeer, payload: Uint8Array): void {
    peer.uploadOnly = decodeUploadOnly(payload)
    this.#o.changed(peer.number, peer.uploadOnly)
  }

  /** Once a second is soon enough: between two reads the answer may change often. */
  tick(): void {
    this.#look()
  }

  #look(): void {
    const own = this.#o.own() ?? false
    if (own === this.#said) return
    this.#said = own
    const payload = encodeUploadOnly(own)
    for (const peer of this.#o.peers()) peer.send(UPLOAD_ONLY_EXTENSION, payload)
  }
}
