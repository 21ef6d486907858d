/**
 * All decisions of one torrent whose metadata is known: events in, effects out.
 *
 * Owns every state of the torrent. Has no clock, no randomness, no socket and no disk, so a whole swarm can be played on
 * a virtual clock. BEP 3, 6, 47.
 */
import { Bitfield } from '../pieces/bitfield.js'
import { BLOCK_LENGTH, type Geometry } from '../pieces/geometry.js'
import { Blame } from './blame.js'
import { BlockIntake, type BlockPlace, type ReceivedBlock } from './block-intake.js'
import { Demand } from './demand.js'
import type { CoreEvent, Effect, PeerMessage, PeerNumber, PieceBudget } from './events.js'
import { PeerState } from './peer-state.js'
import { PieceOutcomes } from './piece-outcomes.js'
import { PieceTable } from './piece-table.js'
import { Relations } from './relations.js'
import { Requester } from './requester.js'

/** The longest block anyone may ask of us, in bytes: twice what every client asks. */
const MOST_UPLOAD_LENGTH = 2 * BLOCK_LENGTH
/** A peer that owes us blocks and sends none for this long, in ms, makes room for another. */
const SNUB_DISCONNECT_MS = 60_000

export interface TorrentCoreOptions {
  readonly geometry: Geometry
  /** Pieces that are stored; copied. */
  readonly stored: Bitfield
  /** Pieces to be hashed before they count; copied. */
  readonly suspect: Bitfield
  readonly budget: PieceBudget
}

export class TorrentCore {
  readonly #table: PieceTable
  readonly #demand: Demand
  readonly #blame = new Blame()
  readonly #peers = new Map<PeerNumber, PeerState>()
  readonly #requester: Requester
  readonly #relations: Relations
  readonly #intake: BlockIntake
  readonly #outcomes: PieceOutcomes
  #effects: Effect[] = []

  constructor(options: TorrentCoreOptions) {
    this.#table = new PieceTable(options.geometry, options.stored, options.suspect)
    this.#demand = new Demand(this.#table)
    const emit = (effect: Effect): unknown => this.#effects.push(effect)
    this.#requester = new Requester({
      table: this.#table,
      demand: this.#demand,
      blame: this.#blame,
      peers: this.#peers,
      budget: options.budget,
      emit,
    })
    this.#relations = new Relations({
      table: this.#table,
      peers: this.#peers,
      wants: () => this.wantsPeers,
      emit,
    })
    this.#intake = new BlockIntake({
      table: this.#table,
      peers: this.#peers,
      requester: this.#requester,
      emit,
    })
    this.#outcomes = new PieceOutcomes({
      table: this.#table,
      demand: this.#demand,
      blame: this.#blame,
      peers: this.#peers,
      requester: this.#requester,
      relations: this.#relations,
      intake: this.#intake,
      derive: now => this.#derive(now, true),
      emit,
    })
  }

  /** Pieces that are stored. Live, and not to be written to. */
  get stored(): Bitfield {
    return this.#table.stored
  }

  /** Whether anything may change by time alone: with false, `tick` need not come. */
  get active(): boolean {
    return this.#peers.size > 0 || this.#demand.waiting > 0 || !this.#table.suspect.empty
  }

  /** Whether anything is being fetched, hashed or waited for: `tick` should come ten times a second. */
  get busy(): boolean {
    return this.#table.open.size > 0 || this.#demand.waiting > 0 || this.#table.verifying.size > 0
  }

  /** Whether more peers would help now: something is wanted that is not stored. */
  get wantsPeers(): boolean {
    return this.#demand.waiting > 0 || this.#demand.openReaders > 0 || this.#outcomes.selectionOpen
  }

  get starved(): boolean {
    return this.#requester.starved
  }

  /** Bytes of payload that came: useful, and not (twice, unasked, of failed pieces). */
  get payload(): { readonly useful: number; readonly wasted: number; readonly failedPieces: number } {
    return {
      useful: this.#intake.useful,
      wasted: this.#intake.wasted,
      failedPieces: this.#outcomes.failedPieces,
    }
  }

  get waitingReads(): number {
    return this.#demand.waiting
  }

  get openReaders(): number {
    return this.#demand.openReaders
  }

  get openPieces(): number {
    return this.#table.open.size
  }

  peer(number: PeerNumber): PeerState | undefined {
    return this.#peers.get(number)
  }

  /** A number that grows with every block that comes of the bytes [begin, end). */
  progress(begin: number, end: number): number {
    const pieces = this.#table.geometry.piecesIn(begin, end)
    let blocks = 0
    for (let piece = pieces.begin; piece < pieces.end; piece++) {
      const stored = this.#table.stored.get(piece)
      blocks += stored ? this.#table.geometry.blockCount(piece) : 0
      blocks += this.#table.open.get(piece)?.receivedBlocks ?? 0
    }
    return blocks
  }

  /** The first piece of the bytes [begin, end) that is not stored, or -1. */
  firstMissing(begin: number, end: number): number {
    const pieces = this.#table.geometry.piecesIn(begin, end)
    return this.#table.stored.nextClear(pieces.begin, pieces.end)
  }

  /** How many peers are connected, have this piece, and would send it now. */
  peersServing(piece: number): {
    readonly connected: number
    readonly have: number
    readonly unchoked: number
  } {
    let have = 0
    let unchoked = 0
    for (const peer of this.#peers.values()) {
      if (peer.has(piece)) have++
      if (peer.serves(piece) && peer.snubbedSince === undefined) unchoked++
    }
    return { connected: this.#peers.size, have, unchoked }
  }

  /** Takes one event at `now` (ms, monotonic) and returns what is to be done, in order. The caller owns the array. */
  handle(event: CoreEvent, now: number): Effect[] {
    this.#dispatch(event, now)
    const effects = this.#effects
    if (effects.length > 0) this.#effects = []
    return effects
  }

  /** See {@link BlockIntake.place}. */
  place(peer: PeerNumber, piece: number, begin: number, length: number): BlockPlace {
    return this.#intake.place(peer, piece, begin, length)
  }

  /** See {@link BlockIntake.takes}. */
  takes(piece: number, begin: number): boolean {
    return this.#intake.takes(piece, begin)
  }

  #dispatch(event: CoreEvent, now: number): void {
    switch (event.type) {
      case 'block':
        return this.#onBlock(event, now)
      case 'turn':
        return this.#withPeer(event.peer, peer => this.#requester.fill(peer, now))
      case 'message':
        return this.#withPeer(event.peer, peer => this.#onMessage(peer, event.message, now))
      case 'storeResult':
        return this.#outcomes.storeResult(event.piece, event.result, now)
      case 'wait':
        return this.#onWait(event.wait, event.reader, event.begin, event.end, now)
      case 'waitEnded':
        if (this.#demand.endWait(event.wait)) this.#derive(now, true)
        return
      case 'readStored':
        this.#demand.read(event.reader, event.begin, event.end, now)
        return this.#derive(now, false)
      case 'readerOpened':
        this.#demand.openReader(event.reader, event.begin, event.end, event.readahead)
        this.#relations.noteWant(now)
        return this.#relations.updateInterest(now)
      case 'readerClosed':
        for (const wait of this.#demand.closeReader(event.reader)) this.#demand.endWait(wait)
        return this.#derive(now, true)
      case 'readerLowered':
        this.#demand.lowerReader(event.reader)
        return this.#derive(now, false)
      case 'select':
      case 'deselect':
        return this.#onSelect(event.type === 'select', event.begin, event.end, now)
      case 'peer':
        this.#peers.set(event.peer, new PeerState(event.peer, event.fast, event.incoming, now))
        return
      case 'gone':
        return this.#withPeer(event.peer, peer => this.#onGone(peer, now))
      case 'requestQueue':
        return this.#withPeer(event.peer, peer => {
          peer.requestQueue = Math.max(1, event.requests)
        })
      case 'uploaded':
        return this.#withPeer(event.peer, peer => peer.sent(event.bytes))
      case 'verified':
        return this.#outcomes.verified(event.piece, event.good, now)
      case 'verifyFailed':
        return this.#outcomes.verifyFailed(event.piece, event.error)
      case 'doubt':
        return this.#outcomes.doubt(event.pieces, now)
      case 'memory':
        this.#requester.starved = false
        return this.#requester.fillAll(now)
      case 'tick':
        return this.#onTick(now)
    }
  }

  #withPeer(number: PeerNumber, action: (peer: PeerState) => void): void {
    const peer = this.#peers.get(number)
    if (peer !== undefined) action(peer)
  }

  #onMessage(peer: PeerState, message: PeerMessage, now: number): void {
    switch (message.type) {
      case 'choke':
        peer.peerChoking = true
        this.#requester.forget(peer, now)
        this.#requester.urge(now)
        return
      case 'unchoke':
        peer.peerChoking = false
        for (const open of this.#table.open.values()) open.pardon(peer.number)
        this.#requester.urge(now)
        return
      case 'interested':
        peer.peerInterested = true
        return this.#relations.rechoke(now)
      case 'notInterested':
        peer.peerInterested = false
        return this.#relations.rechoke(now)
      case 'have':
        return this.#onHave(peer, message.piece, now)
      case 'bitfield':
        return this.#onBitfield(peer, message.bytes, now)
      case 'haveAll':
      case 'haveNone':
        if (!peer.fast) return this.#disconnect(peer, `${message.type} without the fast extension`, false)
        this.#table.claimAll(peer, message.type === 'haveAll', undefined)
        return this.#hasMore(peer, now)
      case 'request':
        return this.#onRequest(peer, message.piece, message.begin, message.length)
      case 'cancel':
        this.#effects.push({ ...message, type: 'cancelUpload', peer: peer.number })
        return
      case 'reject':
        if (this.#table.isBlock(message.piece, message.begin, message.length)) {
          const block = message.begin / BLOCK_LENGTH
          this.#requester.refused(peer, this.#table.blockKey(message.piece, block), now)
          this.#requester.urge(now)
        }
        return
      case 'allowedFast':
        if (message.piece < this.#table.pieceCount && peer.allowedFast.size < 64) {
          peer.allowedFast.add(message.piece)
        }
        return
      case 'suggest':
        return
    }
  }

  #onHave(peer: PeerState, piece: number, now: number): void {
    if (piece >= this.#table.pieceCount) return this.#disconnect(peer, `have of piece ${piece}`, false)
    if (!this.#table.claim(peer, piece)) return
    if (!this.#table.stored.get(piece)) this.#hasMore(peer, now)
  }

  #onBitfield(peer: PeerState, bytes: Uint8Array, now: number): void {
    let have: Bitfield
    try {
      have = Bitfield.fromWire(bytes, this.#table.pieceCount)
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      return this.#disconnect(peer, `bitfield: ${reason}`, false)
    }
    this.#table.claimAll(peer, have.full, have)
    this.#hasMore(peer, now)
  }

  #hasMore(peer: PeerState, now: number): void {
    this.#relations.interestIn(peer, now)
    if (!peer.peerChoking && this.#demand.nowCount > 0) this.#requester.urge(now)
  }

  #onRequest(peer: PeerState, piece: number, begin: number, length: number): void {
    const range = { piece, begin, length }
    const geometry = this.#table.geometry
    const inPiece = piece < geometry.pieceCount && length > 0 && begin + length <= geometry.pieceSize(piece)
    if (!inPiece || length > MOST_UPLOAD_LENGTH) {
      return this.#disconnect(peer, `request of ${length} bytes at ${begin} of piece ${piece}`, false)
    }
    if (!peer.amChoking && this.#table.stored.get(piece)) {
      this.#effects.push({ type: 'upload', peer: peer.number, ...range })
    } else if (peer.fast) this.#effects.push({ type: 'reject', peer: peer.number, ...range })
  }

  #onBlock(block: ReceivedBlock, now: number): void {
    const completed = this.#intake.receive(block, now)
    if (completed !== undefined) this.#outcomes.store(completed)
  }

  #onWait(wait: number, reader: number, begin: number, end: number, now: number): void {
    this.#relations.noteWant(now)
    this.#demand.read(reader, begin, end, now)
    if (!this.#demand.wait(wait, reader, begin, end)) this.#effects.push({ type: 'waitDone', wait })
    this.#derive(now, true)
  }

  #onSelect(add: boolean, begin: number, end: number, now: number): void {
    const { selection, stored, open } = this.#table
    for (let piece = begin; piece < end; piece++) {
      if (add) selection.add(piece, !stored.get(piece) && !open.has(piece))
      else selection.remove(piece)
    }
    this.#relations.noteWant(now)
    this.#derive(now, true)
    this.#outcomes.selectionChanged()
  }

  /** Derives the wants anew; `changed`: they did for another reason than the windows. */
  #derive(now: number, changed: boolean): void {
    if (!this.#demand.derive(now) && !changed) return
    this.#requester.demandChanged(now)
    if (this.wantsPeers) this.#relations.noteWant(now)
    this.#relations.updateInterest(now)
    this.#requester.fillAll(now)
  }

  #onGone(peer: PeerState, now: number): void {
    const keys = [...peer.outstanding.keys(), ...peer.cancelled]
    this.#requester.forget(peer, now)
    for (const key of keys) {
      const open = this.#table.open.get(this.#table.pieceOfKey(key))
      open?.clearWriter(this.#table.blockOfKey(key), peer.number)
    }
    this.#table.countPeer(peer, -1)
    this.#peers.delete(peer.number)
    if (!peer.amChoking) this.#relations.rechoke(now)
    this.#requester.urge(now)
    this.#requester.fillAll(now)
  }

  #disconnect(peer: PeerState, reason: string, ban: boolean): void {
    this.#effects.push({ type: 'disconnect', peer: peer.number, reason, ban })
  }

  #onTick(now: number): void {
    if (this.wantsPeers) this.#relations.noteWant(now)
    this.#relations.tick(now)
    if (this.#demand.derive(now)) this.#requester.demandChanged(now)
    this.#outcomes.retry(now)
    this.#requester.tick(now)
    this.#relations.updateInterest(now)
    for (const peer of this.#peers.values()) {
      const since = peer.snubbedSince
      if (since !== undefined && now - since > SNUB_DISCONNECT_MS)
        this.#disconnect(peer, 'sends nothing', false)
    }
  }
}
