/**
 * The extension `ut_metadata`: the info dictionary from and to peers. BEP 9.
 *
 * Owns nothing: the exchange is the metadata link's business.
 */
import type { PeerNumber } from '../core/events.js'
import { METADATA_EXTENSION } from '../wire/metadata-message.js'
import type { Extension } from './extension.js'

/** Who exchanges metadata; a `MetadataLink` fits. */
export interface MetadataTraffic {
  /** A peer says how long the dictionary is, in bytes. */
  offered(peer: PeerNumber, size: number): void
  /** @throws ProtocolError when it is not a message of the extension */
  receive(peer: PeerNumber, payload: Uint8Array): void
  gone(peer: PeerNumber): void
}

/** @param length - Bytes of the info dictionary, when it is known. */
export function utMetadata(metadata: MetadataTraffic, length: () => number | undefined): Extension {
  return {
    name: METADATA_EXTENSION,
    id: 1,
    greeting: () => {
      const metadataSize = length()
      return metadataSize === undefined ? {} : { metadataSize }
    },
    greeted: (peer, { metadataSize }) => {
      if (metadataSize !== undefined && peer.takes(METADATA_EXTENSION)) {
        metadata.offered(peer.number, metadataSize)
      }
    },
    receive: (peer, payload) => metadata.receive(peer.number, payload),
    gone: peer => metadata.gone(peer.number),
  }
}
