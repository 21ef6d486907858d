/**
 * What a new peer is told of our pieces. BEP 3, 6, 16.
 *
 * Owns the choice of the shortest message that says it. Must not decide what to hide.
 */
import type { PeerConnection } from './peer/connection.js'
import type { Bitfield } from './pieces/bitfield.js'

/**
 * @param stored - The pieces to tell of; undefined to say that there are none.
 * @param fresh - Nothing was said on the connection yet: a bitfield may be sent. Else pieces are told one by one.
 */
export function tellPieces(connection: PeerConnection, stored: Bitfield | undefined, fresh: boolean): void {
  if (stored === undefined || stored.empty) {
    if (fresh && connection.supportsFast) connection.haveNone()
    return
  }
  if (!fresh) {
    for (let piece = stored.next(0); piece >= 0; piece = stored.next(piece + 1)) connection.have(piece)
  } else if (connection.supportsFast && stored.full) connection.haveAll()
  else connection.bitfield(stored.bytes)
}
