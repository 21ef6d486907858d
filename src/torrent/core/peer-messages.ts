/**
 * What follows from what a peer says: of its pieces, of chokes and interest, of blocks it wants or will not send.
 *
 * Owns no state. Every number is a stranger's and checked here. BEP 3, 6, 16, 21, 54.
 */
import { Bitfield } from '../pieces/bitfield.js'
import { BLOCK_LENGTH } from '../pieces/geometry.js'
import type { Demand } from './demand.js'
import type { Effect, PeerMessage } from './events.js'
import type { PeerState } from './peer-state.js'
import type { PieceTable } from './piece-table.js'
import type { Relations } from './relations.js'
import type { Requester } from './requester.js'
import type { SuperSeeding } from './super-seeding.js'

/** The longest block anyone may ask of us, in bytes: twice what every client asks. */
const MOST_UPLOAD_LENGTH = 2 * BLOCK_LENGTH

export interface PeerMessagesOptions {
  readonly table: PieceTable
  readonly demand: Demand
  readonly requester: Requester
  readonly relations: Relations
  readonly superSeeding: SuperSeeding
  readonly emit: (effect: Effect) => void
}

export class PeerMessages {
  readonly #o: PeerMessagesOptions

  constructor(options: PeerMessagesOptions) {
    this.#o = options
  }

  take(peer: PeerState, message: PeerMessage, now: number): void {
    const { requester, relations, table } = this.#o
    switch (message.type) {
      case 'choke':
        peer.peerChoking = true
        requester.forget(peer)
        requester.urge(now)
        return
      case 'unchoke':
        peer.peerChoking = false
        for (const open of table.open.values()) open.pardon(peer.number)
        requester.urge(now)
        return
      case 'interested':
        peer.peerInterested = true
        return relations.rechoke(now)
      case 'notInterested':
        peer.peerInterested = false
        return relations.rechoke(now)
      case 'have':
        return this.#onHave(peer, message.piece, now)
      case 'dontHave':
        return this.#onDontHave(peer, message.piece, now)
      case 'bitfield':
        return this.#onBitfield(peer, message.bytes, now)
      case 'haveAll':
      case 'haveNone':
        if (!peer.fast) return this.#disconnect(peer, `${message.type} without the fast extension`)
        // They come first or not at all, and not to undo losses one by one.
        if (peer.loses) return
        table.claimAll(peer, message.type === 'haveAll', undefined)
        return this.#hasMore(peer, now)
      case 'request':
        return this.#onRequest(peer, message.piece, message.begin, message.length)
      case 'cancel':
        this.#o.emit({ ...message, type: 'cancelUpload', peer: peer.number })
        return
      case 'reject':
        if (table.isBlock(message.piece, message.begin, message.length)) {
          const block = message.begin / BLOCK_LENGTH
          requester.refused(peer, table.blockKey(message.piece, block))
          requester.urge(now)
        }
        return
      case 'allowedFast':
        if (message.piece < table.pieceCount && peer.allowedFast.size < 64) {
          peer.allowedFast.add(message.piece)
        }
        return
      case 'suggest':
        return
    }
  }

  #onHave(peer: PeerState, piece: number, now: number): void {
    const { table, superSeeding } = this.#o
    if (piece >= table.pieceCount) return this.#disconnect(peer, `have of piece ${piece}`)
    if (!table.claim(peer, piece)) return
    superSeeding.has(peer, piece)
    if (!table.stored.get(piece)) this.#hasMore(peer, now)
  }

  /** The peer lost a piece: it is asked for it no more, and what it was asked is free for others. */
  #onDontHave(peer: PeerState, piece: number, now: number): void {
    const { table, requester, relations } = this.#o
    if (piece >= table.pieceCount) return this.#disconnect(peer, `lt_donthave of piece ${piece}`)
    if (!table.disclaim(peer, piece)) return
    requester.forgetPiece(peer, piece)
    relations.interestIn(peer, now)
    requester.urge(now)
    requester.fillAll(now)
  }

  #onBitfield(peer: PeerState, bytes: Uint8Array, now: number): void {
    let have: Bitfield
    try {
      have = Bitfield.fromWire(bytes, this.#o.table.pieceCount)
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      return this.#disconnect(peer, `bitfield: ${reason}`)
    }
    this.#o.table.claimAll(peer, have.full, have)
    this.#hasMore(peer, now)
  }

  #hasMore(peer: PeerState, now: number): void {
    this.#o.superSeeding.look(peer)
    this.#o.relations.interestIn(peer, now)
    if (!peer.peerChoking && this.#o.demand.nowCount > 0) this.#o.requester.urge(now)
  }

  #onRequest(peer: PeerState, piece: number, begin: number, length: number): void {
    const { geometry, stored } = this.#o.table
    const range = { piece, begin, length }
    const inPiece = piece < geometry.pieceCount && length > 0 && begin + length <= geometry.pieceSize(piece)
    if (!inPiece || length > MOST_UPLOAD_LENGTH) {
      return this.#disconnect(peer, `request of ${length} bytes at ${begin} of piece ${piece}`)
    }
    if (!peer.amChoking && stored.get(piece) && this.#o.superSeeding.shows(peer, piece)) {
      this.#o.emit({ type: 'upload', peer: peer.number, ...range })
    } else if (peer.fast) this.#o.emit({ type: 'reject', peer: peer.number, ...range })
    else if (this.#o.table.wasEvicted(piece)) this.#o.relations.choke(peer)
  }

  #disconnect(peer: PeerState, reason: string): void {
    this.#o.emit({ type: 'disconnect', peer: peer.number, reason, ban: false })
  }
}
