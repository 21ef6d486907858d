/**
 * How far a range has come, and who could go on with it: for those who wait, and for what they are told when they wait in vain.
 *
 * Owns nothing.
 */
import type { PeerState } from './peer-state.js'
import type { PieceTable } from './piece-table.js'

/** Who could send a piece. */
export interface Serving {
  /** Connected peers, those that have it, and those of them that would send it now. */
  readonly connected: number
  readonly have: number
  readonly unchoked: number
}

/** How many blocks of the bytes [begin, end) are here, those of stored pieces included. */
export function receivedBlocks(table: PieceTable, begin: number, end: number): number {
  const pieces = table.geometry.piecesIn(begin, end)
  let blocks = 0
  for (let piece = pieces.begin; piece < pieces.end; piece++) {
    const stored = table.stored.get(piece)
    blocks += stored ? table.geometry.blockCount(piece) : 0
    blocks += table.open.get(piece)?.receivedBlocks ?? 0
  }
  return blocks
}

export function peersServing(peers: Iterable<PeerState>, piece: number): Serving {
  let [connected, have, unchoked] = [0, 0, 0]
  for (const peer of peers) {
    connected++
    if (peer.has(piece)) have++
    if (peer.serves(piece) && peer.snubbedSince === undefined) unchoked++
  }
  return { connected, have, unchoked }
}
