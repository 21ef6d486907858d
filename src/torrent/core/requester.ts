/**
 * Which block to ask of which peer, and when to ask someone else.
 *
 * Owns the order: pieces a read waits for, then the windows of readers by distance, then the selection (started ones,
 * rarest, index). Changes piece and peer states and emits effects; must not know readers or time-outs of connections.
 */
import type { Blame } from './blame.js'
import type { Demand } from './demand.js'
import type { Effect, PeerNumber, PieceBudget, PieceRoom, RequestAllowance } from './events.js'
import type { OpenPiece } from './open-piece.js'
import { Opener } from './opener.js'
import { Pace } from './pace.js'
import type { PeerState } from './peer-state.js'
import type { PieceTable } from './piece-table.js'
import { Suspects } from './suspects.js'
import { Snubs } from './snubs.js'
import { isTrusted, mayTry, trustedServe, UrgentBlocks } from './urgent-blocks.js'

/** An open piece nobody wants keeps its memory this long, in ms: seeking back costs nothing then. */
const UNWANTED_MS = 10_000
/** Who refused a block or was too slow with it may be asked again after this long, in ms. */
const PARDON_MS = 10_000
/** A queue is filled again when it is this empty: requests then go out in batches. */
const REFILL_AT = 0.75

export interface RequesterOptions {
  readonly table: PieceTable
  readonly demand: Demand
  readonly blame: Blame
  readonly peers: ReadonlyMap<PeerNumber, PeerState>
  readonly budget: PieceBudget
  readonly room: PieceRoom | undefined
  readonly allowance: RequestAllowance
  readonly emit: (effect: Effect) => void
}

export class Requester {
  readonly #table: PieceTable
  readonly #demand: Demand
  readonly #peers: ReadonlyMap<PeerNumber, PeerState>
  readonly #budget: PieceBudget
  readonly #room: PieceRoom | undefined
  readonly #allowance: RequestAllowance
  readonly #emit: (effect: Effect) => void
  readonly #opener: Opener
  readonly #urgent: UrgentBlocks
  readonly #snubs: Snubs
  /** Pieces that are hashed before anything of them is asked for. */
  readonly suspects: Suspects
  /** Entries of the plan before it have no free block. */
  #planFrom = 0
  readonly #pace = new Pace()
  #pardonedAt = 0
  /** The download limit refused a block since the last `allowance` event; with `heldUrgent` one that a read waits for. */
  #held = false
  #heldUrgent = false
  /** Under a limit, peers take turns to be filled first. */
  #turn = 0

  constructor(options: RequesterOptions) {
    this.#table = options.table
    this.#demand = options.demand
    this.#peers = options.peers
    this.#budget = options.budget
    this.#room = options.room
    this.#allowance = options.allowance
    this.#emit = options.emit
    this.suspects = new Suspects(options.table, options.emit)
    this.#opener = new Opener({
      ...options,
      verify: piece => this.suspects.verify(piece),
      close: open => this.close(open),
    })
    this.#snubs = new Snubs({
      table: options.table,
      unask: (open, block, peer) => this.#unask(open, block, peer),
      takeBack: (peer, key) => this.#takeBack(peer, key),
    })
    this.#urgent = new UrgentBlocks({
      table: options.table,
      peers: options.peers,
      pace: this.#pace,
      takeBack: (open, block, peer) => {
        this.#takeBack(peer, this.#table.blockKey(open.piece, block))
        this.#unask(open, block, peer)
      },
      ask: (peer, open, block, urgent, now) => this.#ask(peer, open, block, urgent, now),
    })
  }

  /** Memory was refused since it was last set to false. */
  get starved(): boolean {
    return this.#opener.starved
  }

  set starved(starved: boolean) {
    this.#opener.starved = starved
  }

  /** Nothing new is begun before this time (ms): the storage fails. */
  get pausedUntil(): number {
    return this.#opener.pausedUntil
  }

  set pausedUntil(time: number) {
    this.#opener.pausedUntil = time
  }

  /** The wants changed: gives up what nobody wants, begins what a read waits for. */
  demandChanged(now: number): void {
    this.#planFrom = 0
    this.#opener.full = false
    for (const open of this.#table.open.values()) this.#reconsider(open, now)
    this.urge(now)
  }

  /** Asks for all that reads wait for, each block of the peer that would deliver it first, and asks again for late ones. */
  urge(now: number): void {
    for (const piece of this.#demand.nowPieces()) {
      if (this.#heldUrgent) return
      const open = this.#opener.begin(piece, true, now)
      if (open?.phase !== 'fetching') continue
      if (open.freeBlocks > 0) this.#urgent.spread(open, now, this.#demand.firstBlock(piece))
      if (this.#peers.size > 1) this.#urgent.rescue(open, 0, now)
    }
  }

  /** Room that was refused may be had now. */
  roomChanged(now: number): void {
    this.#opener.full = false
    this.urge(now)
    this.fillAll(now)
  }

  /** Fills the queue of one peer if it has run low. */
  fill(peer: PeerState, now: number): void {
    if (peer.peerChoking && peer.allowedFast.size === 0) return
    const depth = peer.measured ? peer.depth : Math.min(peer.depth, this.#pace.firstDepth)
    const room = depth - peer.outstanding.size
    if (room <= 0 || (peer.outstanding.size > 0 && peer.outstanding.size > depth * REFILL_AT)) return
    let left = room
    for (const piece of this.#demand.nowPieces()) {
      if (left <= 0 || this.#heldUrgent) return
      left -= this.#take(peer, piece, Math.min(left, this.#pace.inTime(peer, 0, now)), true, now)
    }
    if (now < this.#opener.pausedUntil || this.#held) return
    left -= this.#takePlanned(peer, left, now)
    if (left > 0) left -= this.#takeSelected(peer, left, now)
    const idle = left === room && peer.outstanding.size === 0
    if (idle && this.#table.selection.selectedCount > 0 && !this.#held) this.#urgent.assist(peer, now)
  }

  fillAll(now: number): void {
    for (const peer of this.#peers.values()) this.fill(peer, now)
  }

  /** The download limit lets something be asked again: what reads wait for, then of one peer after another. */
  allowed(now: number): void {
    this.#held = false
    this.#heldUrgent = false
    this.urge(now)
    const peers = [...this.#peers.values()]
    const first = this.#turn++
    for (let i = 0; i < peers.length; i++) this.fill(peers[(first + i) % peers.length]!, now)
  }

  /** Regular care: estimates, snubs, late blocks, abandoned pieces. */
  tick(now: number): void {
    for (const peer of this.#peers.values()) {
      peer.measure(now)
      this.#snubs.check(peer, now)
    }
    this.#pace.measure(this.#peers.values())
    const pardon = now - this.#pardonedAt > PARDON_MS
    if (pardon) this.#pardonedAt = now
    for (const open of this.#table.open.values()) {
      if (pardon) open.pardonAll()
      if (open.unwantedSince !== undefined && now - open.unwantedSince > UNWANTED_MS) this.close(open)
    }
    this.suspects.verifyInBackground()
    this.#opener.full = false
    this.urge(now)
    this.#rescuePlanned(now)
    this.fillAll(now)
  }

  /** Asks again for late blocks of pieces that a reader comes to soon: else it would wait at each of them. */
  #rescuePlanned(now: number): void {
    const { plan } = this.#demand
    if (this.#peers.size < 2) return
    for (let i = 0; i < plan.length && !this.#held; i++) {
      const needed = this.#pace.neededMs(i * this.#table.geometry.pieceLength)
      if (needed > this.#pace.lastChanceMs) return
      const open = this.#table.open.get(plan[i]!)
      if (open?.phase === 'fetching') this.#urgent.rescue(open, needed, now)
    }
  }

  /** The peer answers nothing it was asked (it choked us, or is gone). */
  forget(peer: PeerState): void {
    for (const key of [...peer.outstanding.keys()]) {
      const open = this.#table.open.get(this.#table.pieceOfKey(key))
      this.#unwish(peer, key)
      if (open !== undefined) this.#unask(open, this.#table.blockOfKey(key), peer)
    }
  }

  /** What the peer was asked of the piece is withdrawn, and free for others. */
  forgetPiece(peer: PeerState, piece: number): void {
    for (const key of [...peer.outstanding.keys()]) {
      if (this.#table.pieceOfKey(key) !== piece) continue
      this.#takeBack(peer, key)
      const open = this.#table.open.get(piece)
      if (open !== undefined) this.#unask(open, this.#table.blockOfKey(key), peer)
    }
  }

  /** The peer will not send this block. */
  refused(peer: PeerState, key: number): void {
    if (!peer.refused(key)) return
    this.#allowance.giveBack(this.#lengthOf(key))
    const open = this.#table.open.get(this.#table.pieceOfKey(key))
    if (open === undefined) return
    open.exclude(this.#table.blockOfKey(key), peer.number)
    this.#unask(open, this.#table.blockOfKey(key), peer)
  }

  /** Ends an open piece, in whatever state, and gives back its memory. */
  close(open: OpenPiece): void {
    // Blocks of a peer that was snubbing were free for others, so `withdraw` does not know of them.
    for (const peer of this.#peers.values()) if (peer.strayed) this.forgetPiece(peer, open.piece)
    for (const [block, peer] of open.writers()) {
      this.#emit({ type: 'dropTarget', peer, ...this.#range(open.piece, block) })
    }
    this.#table.open.delete(open.piece)
    if (!this.#table.stored.get(open.piece)) this.#leave(open)
    this.#emit({ type: 'closePiece', piece: open.piece })
    this.#budget.release(open.reserved)
    this.#planFrom = 0
  }

  /** An open piece comes to nothing. */
  #leave({ piece, phase }: OpenPiece): void {
    this.#table.selection.stopped(piece)
    if (this.#room === undefined) return
    // A part of it was written before the storage failed.
    if (phase === 'retrying') this.#emit({ type: 'free', piece })
    else this.#room.giveBack(piece)
  }

  /** Withdraws what is asked of others: the block is here. */
  withdraw(piece: number, block: number, others: readonly PeerNumber[]): void {
    for (const number of others) {
      const other = this.#peers.get(number)
      if (other === undefined) continue
      this.#takeBack(other, this.#table.blockKey(piece, block))
    }
  }

  /** Tells the peer that a block it was asked for is not wanted any more. */
  #takeBack(peer: PeerState, key: number): void {
    this.#unwish(peer, key)
    const range = this.#range(this.#table.pieceOfKey(key), this.#table.blockOfKey(key))
    this.#emit({ type: 'cancel', peer: peer.number, ...range })
  }

  #range(piece: number, block: number): { piece: number; begin: number; length: number } {
    const begin = block * this.#table.geometry.blockSize(0, 0)
    return { piece, begin, length: this.#table.geometry.requestSize(piece, block) }
  }

  #unask(open: OpenPiece, block: number, peer: PeerState): void {
    if (open.unask(block, peer.number)) this.#planFrom = 0
  }

  #reconsider(open: OpenPiece, now: number): void {
    if (open.phase === 'storing') return
    if (this.#demand.isWanted(open.piece)) {
      open.unwantedSince = undefined
      return
    }
    if (open.phase === 'retrying') {
      this.close(open)
      return
    }
    if (open.unwantedSince !== undefined) return
    open.unwantedSince = now
    for (let block = 0; block < open.blockCount; block++) {
      for (const number of [...open.askedOf(block)]) {
        const peer = this.#peers.get(number)
        if (peer === undefined) continue
        this.#takeBack(peer, this.#table.blockKey(open.piece, block))
        this.#unask(open, block, peer)
      }
    }
    // Without a byte in it there is nothing to keep.
    if (open.receivedBlocks === 0) this.close(open)
  }

  /** Asks, unless the download limit says no. */
  #ask(peer: PeerState, open: OpenPiece, block: number, urgent: boolean, now: number): boolean {
    const range = this.#range(open.piece, block)
    if (!this.#allowance.take(range.length, urgent)) {
      if (urgent) this.#heldUrgent = true
      this.#held = true
      return false
    }
    open.ask(block, peer.number)
    peer.asked(this.#table.blockKey(open.piece, block), now)
    this.#emit({ type: 'request', peer: peer.number, ...range })
    return true
  }

  /** Tells nobody: the block is not wanted of the peer any more, but may still come. */
  #unwish(peer: PeerState, key: number): void {
    if (peer.cancel(key)) this.#allowance.giveBack(this.#lengthOf(key))
  }

  #lengthOf(key: number): number {
    return this.#table.geometry.requestSize(this.#table.pieceOfKey(key), this.#table.blockOfKey(key))
  }

  /** Asks the peer for up to `room` free blocks of a piece; returns how many. */
  #take(peer: PeerState, piece: number, room: number, force: boolean, now: number): number {
    if (room <= 0 || !peer.serves(piece)) return 0
    const open = this.#opener.begin(piece, force, now)
    if (open === undefined || open.phase !== 'fetching' || open.freeBlocks === 0) return 0
    if (open.avoid.size > 0 && !isTrusted(peer, open)) {
      if (trustedServe(open, this.#peers) || !mayTry(peer, open, this.#peers)) return 0
      if (open.avoid.has(peer.number)) open.sole = peer.number
    }
    let taken = 0
    for (let block = open.nextFree(0); block >= 0 && taken < room; block = open.nextFree(block + 1)) {
      // Who was snubbing and is pardoned may still owe it.
      if (open.excludes(block, peer.number) || peer.outstanding.has(this.#table.blockKey(piece, block)))
        continue
      if (!this.#ask(peer, open, block, force, now)) break
      taken++
    }
    return taken
  }

  #takePlanned(peer: PeerState, room: number, now: number): number {
    const plan = this.#demand.plan
    let taken = 0
    let allBusy = true
    for (
      let i = this.#planFrom;
      i < plan.length && taken < room && !this.#opener.starved && !this.#held;
      i++
    ) {
      const piece = plan[i]!
      const needed = this.#pace.neededMs(i * this.#table.geometry.pieceLength)
      const most = Math.min(room - taken, this.#pace.inTime(peer, needed, now))
      taken += this.#take(peer, piece, most, false, now)
      allBusy &&= this.#isBusy(piece)
      if (allBusy) this.#planFrom = i + 1
    }
    return taken
  }

  /** Whether no block of the piece is to be asked for. */
  #isBusy(piece: number): boolean {
    const open = this.#table.open.get(piece)
    if (open !== undefined) return open.freeBlocks === 0
    return this.#table.stateOf(piece) !== 'missing'
  }

  #takeSelected(peer: PeerState, room: number, now: number): number {
    const selection = this.#table.selection
    if (selection.selectedCount === 0) return 0
    let taken = 0
    for (const open of this.#table.open.values()) {
      if (taken >= room || this.#held) return taken
      if (open.freeBlocks > 0 && selection.has(open.piece)) {
        taken += this.#take(peer, open.piece, room - taken, false, now)
      }
    }
    const serves = (piece: number): boolean =>
      peer.serves(piece) && (!this.#table.suspect.get(piece) || this.#table.stored.get(piece))
    while (taken < room && !this.#opener.starved && !this.#held) {
      const piece = selection.next(serves)
      if (piece < 0) break
      const more = this.#take(peer, piece, room - taken, false, now)
      if (more === 0) break
      taken += more
    }
    return taken
  }
}
