/**
 * All decisions of one torrent whose metadata is known: events in, effects out.
 *
 * Owns every state of the torrent. Has no clock, no randomness, no socket and no disk, so a whole swarm can be played on
 * a virtual clock. BEP 3, 6, 47.
 */
import type { Bitfield } from '../pieces/bitfield.js'
import type { Geometry } from '../pieces/geometry.js'
import { Blame } from './blame.js'
import { BlockIntake, type BlockPlace, type ReceivedBlock } from './block-intake.js'
import { Demand } from './demand.js'
import { hasArrived } from './early-waits.js'
import type { CoreEvent, Effect, PeerNumber, PieceBudget, PieceRoom, RequestAllowance } from './events.js'
import { peersServing, receivedBlocks, type Serving } from './outlook.js'
import { PeerMessages } from './peer-messages.js'
import { PeerState } from './peer-state.js'
import { PieceOutcomes } from './piece-outcomes.js'
import { PieceTable, type PieceState } from './piece-table.js'
import { Relations } from './relations.js'
import { Requester } from './requester.js'
import type { SelectionPriority } from './selection.js'
import { SuperSeeding } from './super-seeding.js'

/** A peer that owes us blocks and sends none for this long, in ms, makes room for another. */
const SNUB_DISCONNECT_MS = 60_000

export interface TorrentCoreOptions {
  readonly geometry: Geometry
  /** Pieces that are stored; copied. */
  readonly stored: Bitfield
  /** Pieces to be hashed before they count; copied. */
  readonly suspect: Bitfield
  readonly budget: PieceBudget
  /** Default: the storage may hold everything. */
  readonly room?: PieceRoom | undefined
  readonly allowance: RequestAllowance
  /** How many peers may be unchoked at a time. */
  readonly uploadSlots: () => number
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
  readonly #superSeeding: SuperSeeding
  readonly #messages: PeerMessages
  #effects: Effect[] = []

  constructor(options: TorrentCoreOptions) {
    this.#table = new PieceTable(options.geometry, options.stored, options.suspect)
    this.#demand = new Demand(this.#table, options.room)
    const emit = (effect: Effect): unknown => this.#effects.push(effect)
    this.#requester = new Requester({
      table: this.#table,
      demand: this.#demand,
      blame: this.#blame,
      peers: this.#peers,
      budget: options.budget,
      room: options.room,
      allowance: options.allowance,
      emit,
    })
    this.#relations = new Relations({
      table: this.#table,
      peers: this.#peers,
      wants: () => this.wantsPeers,
      slots: options.uploadSlots,
      emit,
    })
    this.#intake = new BlockIntake({
      table: this.#table,
      peers: this.#peers,
      requester: this.#requester,
      allowance: options.allowance,
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
      frees: options.room !== undefined,
      derive: now => this.#derive(now, true),
      emit,
    })
    this.#superSeeding = new SuperSeeding({ table: this.#table, peers: this.#peers, emit })
    this.#messages = new PeerMessages({
      table: this.#table,
      demand: this.#demand,
      requester: this.#requester,
      relations: this.#relations,
      superSeeding: this.#superSeeding,
      emit,
    })
  }

  /** Pieces that are stored. Live, and not to be written to. */
  get stored(): Bitfield {
    return this.#table.stored
  }

  pieceState(piece: number): PieceState {
    return this.#table.stateOf(piece)
  }

  /** Whether everything is stored, or all that is selected, if anything is. */
  get complete(): boolean {
    return this.#outcomes.complete
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

  /**
   * Whether nothing more is to be fetched (BEP 21): everything is stored, or all that was selected and no reader wants
   * more. Without a selection an incomplete torrent is for reading, and the next read needs peers.
   */
  get uploadOnly(): boolean {
    if (this.#table.stored.full) return true
    return this.#table.selection.selectedCount > 0 && !this.wantsPeers
  }

  /**
   * Peers that want nothing of us and have nothing we lack, while we want nothing: seeds among seeds (BEP 21). Of a
   * torrent that is not complete those that have more are kept, for a reader may come.
   */
  *uselessPeers(): Generator<PeerNumber, void, undefined> {
    if (!this.uploadOnly) return
    for (const peer of this.#peers.values()) {
      if ((peer.hasAll || peer.uploadOnly) && !this.#table.lacksSomethingOf(peer)) yield peer.number
    }
  }

  /** Whether pieces are hidden from peers now: who connects is to be told that we have nothing (BEP 16). */
  get superSeeding(): boolean {
    return this.#superSeeding.active
  }

  get starved(): boolean {
    return this.#requester.starved
  }

  /** Bytes of payload that came: useful, and not (twice, unasked, of failed pieces). */
  get payload(): Pick<BlockIntake, 'useful' | 'wasted' | 'waste'> & { readonly failedPieces: number } {
    return {
      useful: this.#intake.useful,
      wasted: this.#intake.wasted,
      waste: this.#intake.waste,
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
    return receivedBlocks(this.#table, begin, end)
  }

  /** Whether every block of the bytes [begin, end) is here, be it verified or not. */
  hasArrived(begin: number, end: number): boolean {
    return hasArrived(this.#table, begin, end)
  }

  /** The first piece of the bytes [begin, end) that is not stored, or -1. */
  firstMissing(begin: number, end: number): number {
    const pieces = this.#table.geometry.piecesIn(begin, end)
    return this.#table.stored.nextClear(pieces.begin, pieces.end)
  }

  /** How many peers are connected, have this piece, and would send it now. */
  peersServing(piece: number): Serving {
    return peersServing(this.#peers.values(), piece)
  }

  /** Whether a piece lies in the storage that no read waits for and no reader comes to next: it may be given up. */
  mayEvict(piece: number): boolean {
    const { stored, suspect, verifying } = this.#table
    if (!stored.get(piece) && (!suspect.get(piece) || verifying.has(piece))) return false
    return !this.#demand.isReadNext(piece) && !this.#demand.isAwaited(piece)
  }

  /** Takes one event at `now` (ms, monotonic) and returns what is to be done, in order. The caller owns the array. */
  handle(event: CoreEvent, now: number): Effect[] {
    this.#dispatch(event, now)
    if (this.#demand.anyEarly) {
      for (const wait of this.#demand.arrived()) this.#effects.push({ type: 'waitDone', wait })
    }
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
        return this.#withPeer(event.peer, peer => this.#messages.take(peer, event.message, now))
      case 'storeResult':
        return this.#outcomes.storeResult(event.piece, event.result, now)
      case 'wait':
        return this.#onWait(event, now)
      case 'waitEnded':
        if (this.#demand.endWait(event.wait)) this.#derive(now, true)
        return
      case 'readStored':
        this.#demand.read(event.reader, event.begin, event.end, now)
        return this.#derive(now, false)
      case 'readerOpened':
        this.#demand.openReader(event.reader, event.begin, event.end, event.readahead, event.early)
        this.#relations.noteWant(now)
        return this.#relations.updateInterest(now)
      case 'readerClosed':
        for (const wait of this.#demand.closeReader(event.reader)) this.#demand.endWait(wait)
        return this.#derive(now, true)
      case 'readahead':
        this.#demand.setReadahead(event.reader, event.bytes, event.exact)
        return this.#derive(now, false)
      case 'readerLowered':
        this.#demand.lowerReader(event.reader)
        return this.#derive(now, false)
      case 'select':
        return this.#onSelect(event.priority ?? 'normal', event.begin, event.end, now)
      case 'deselect':
        return this.#onSelect(undefined, event.begin, event.end, now)
      case 'order':
        this.#table.selection.inOrder = event.inOrder
        return
      case 'check':
        if (event.piece < this.#table.pieceCount) this.#requester.suspects.check(event.piece)
        return
      case 'peer':
        this.#peers.set(event.peer, new PeerState(event.peer, event.fast, event.incoming, now, event.runs))
        if (event.told === 'nothing') this.#superSeeding.join(this.#peers.get(event.peer)!)
        return
      case 'uploadOnly':
        return this.#withPeer(event.peer, peer => this.#relations.setUploadOnly(peer, event.uploadOnly, now))
      case 'superSeed':
        return event.on ? this.#superSeeding.start() : this.#superSeeding.stop()
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
        this.#superSeeding.stop()
        return this.#outcomes.doubt(event.pieces, now)
      case 'evict':
        if (!this.mayEvict(event.piece)) return
        this.#superSeeding.stop()
        return this.#outcomes.evict(event.piece, now)
      case 'room':
        if (this.#demand.derive(now)) this.#requester.demandChanged(now)
        return this.#requester.roomChanged(now)
      case 'memory':
        this.#requester.starved = false
        return this.#requester.fillAll(now)
      case 'allowance':
        return this.#requester.allowed(now)
      case 'tick':
        return this.#onTick(now)
    }
  }

  #withPeer(number: PeerNumber, action: (peer: PeerState) => void): void {
    const peer = this.#peers.get(number)
    if (peer !== undefined) action(peer)
  }

  #onBlock(block: ReceivedBlock, now: number): void {
    const completed = this.#intake.receive(block, now)
    if (completed !== undefined) this.#outcomes.store(completed)
  }

  #onWait({ wait, reader, begin, end, early }: Extract<CoreEvent, { type: 'wait' }>, now: number): void {
    this.#relations.noteWant(now)
    this.#demand.read(reader, begin, end, now)
    if (!this.#demand.wait(wait, reader, begin, end, early)) this.#effects.push({ type: 'waitDone', wait })
    this.#derive(now, true)
  }

  #onSelect(priority: SelectionPriority | undefined, begin: number, end: number, now: number): void {
    const { selection, stored, open } = this.#table
    for (let piece = begin; piece < end; piece++) {
      if (priority === undefined) selection.remove(piece)
      else selection.add(piece, !stored.get(piece) && !open.has(piece), priority)
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
    this.#requester.forget(peer)
    for (const key of keys) {
      const open = this.#table.open.get(this.#table.pieceOfKey(key))
      open?.clearWriter(this.#table.blockOfKey(key), peer.number)
    }
    this.#table.countPeer(peer, -1)
    this.#peers.delete(peer.number)
    this.#superSeeding.leave(peer)
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
