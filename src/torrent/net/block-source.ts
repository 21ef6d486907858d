/**
 * Whom a torrent can ask for blocks: a connected peer, or a web seed.
 *
 * Owns the words alone. What a source answers reaches the torrent through the events of its owner.
 */

/** Takes requests for blocks. None of these calls back before it has returned. */
export interface BlockSource {
  /** Asks for [begin, begin + length) of a piece. */
  request(piece: number, begin: number, length: number): void
  /** A request is no longer wanted; its block may come all the same. */
  cancel(piece: number, begin: number, length: number): void
  /** The payload of the block at `begin` of `piece`, if it is coming in, goes nowhere from now on: its memory is taken. */
  dropTarget(piece: number, begin: number): void
}
