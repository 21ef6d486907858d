/**
 * The extension `lt_donthave`: peers tell when they lose a piece, and so do we. BEP 54.
 *
 * Owns nothing: what a loss means for requests is the core's business.
 */
import type { PeerNumber } from '../core/events.js'
import { decodeDontHave, DONT_HAVE_EXTENSION, encodeDontHave } from '../wire/dont-have-message.js'
import type { Extension } from './extension.js'
import type { ExtensionPeer } from './extension-peer.js'

/** @param lost - Told that a peer lost a piece: any number it chose. */
export function dontHave(lost: (peer: PeerNumber, piece: number) => void): Extension {
  return {
    name: DONT_HAVE_EXTENSION,
    id: 4,
    receive: (peer, payload) => lost(peer.number, decodeDontHave(payload)),
  }
}

/** Tells those who understand it that we have a piece no longer. */
export function tellLost(peers: Iterable<ExtensionPeer>, piece: number): void {
  const payload = encodeDontHave(piece)
  for (const peer of peers) peer.send(DONT_HAVE_EXTENSION, payload)
}
