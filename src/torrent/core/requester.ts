/**
 * Which block to ask of which peer, and when to ask someone else.
 *
 * Owns the order: pieces a read waits for, then the windows of readers by distance, then the selection (started ones,
 * rarest, index). Changes piece and peer states and emits effects; must not know readers or time-outs of connections.
 */
import type { Blame } from './blame.js'
import type { Demand } from './demand.js'
import type { Effect, PeerNumber, PieceBudget } from './events.js'
import { OpenPiece } from './open-piece.js'
import type { PeerState } from './peer-state.js'
import type { PieceTable } from './piece-table.js'
import { isTrusted, mayTry, UrgentBlocks } from './urgent-blocks.js'

/** A peer this many times slower than the fastest takes only what is not needed before it can deliver. */
const MUCH_SLOWER = 4
/** An open piece nobody wants keeps its memory this long, in ms: seeking back costs nothing then. */
const UNWANTED_MS = 10_000
/** A peer that delivered nothing of what it owes for this long, in ms, or longer by its own pace, is snubbing. */
const SNUB_MS = 2000
/** Who refused a block or was too slow with it may be asked again after this long, in ms. */
const PARDON_MS = 10_000
/** A queue is filled again when it is this empty: requests then go out in batches. */
const REFILL_AT = 0.75
/** Pieces that are hashed at once to see whether they are there. */
const MAX_VERIFYING = 2

export interface RequesterOptions {
  readonly table: PieceTable
  readonly demand: Demand
  readonly blame: Blame
  readonly peers: ReadonlyMap<PeerNumber, PeerState>
  readonly budget: PieceBudget
  readonly emit: (effect: Effect) => void
}

export class Requester {
  readonly #table: PieceTable
  readonly #demand: Demand
  readonly #blame: Blame
  readonly #peers: ReadonlyMap<PeerNumber, PeerState>
  readonly #budget: PieceBudget
  readonly #emit: (effect: Effect) => void
  readonly #urgent: UrgentBlocks
  /** Entries of the plan before it have no free block. */
  #planFrom = 0
  /** Of peers that would answer: the fastest rate, and all rates together, in bytes/s. */
  #bestRate = 0
  #totalRate = 0
  #pardonedAt = 0
  /** Memory was refused since the last `memory` event. */
  starved = false
  /** Nothing new is begun before this time (ms): the storage fails. */
  pausedUntil = -Infinity

  constructor(options: RequesterOptions) {
    this.#table = options.table
    this.#demand = options.demand
    this.#blame = options.blame
    this.#peers = options.peers
    this.#budget = options.budget
    this.#emit = options.emit
    this.#urgent = new UrgentBlocks({
      table: options.table,
      peers: options.peers,
      ask: (peer, open, block, now) => this.#ask(peer, open, block, now),
    })
  }

  /** The wants changed: gives up what nobody wants, begins what a read waits for. */
  demandChanged(now: number): void {
    this.#planFrom = 0
    for (const open of this.#table.open.values()) this.#reconsider(open, now)
    this.urge(now)
  }

  /** Asks for all that reads wait for, each block of the peer that would deliver it first, and asks again for late ones. */
  urge(now: number): void {
    for (const piece of this.#demand.nowPieces()) {
      const open = this.#begin(piece, true, now)
      if (open?.phase !== 'fetching') continue
      if (open.freeBlocks > 0) this.#urgent.spread(open, now)
      if (this.#peers.size > 1) this.#urgent.rescue(open, now)
    }
  }

  /** Fills the queue of one peer if it has run low. */
  fill(peer: PeerState, now: number): void {
    if (peer.peerChoking && peer.allowedFast.size === 0) return
    const room = peer.depth - peer.outstanding.size
    if (room <= 0 || (peer.outstanding.size > 0 && peer.outstanding.size > peer.depth * REFILL_AT)) return
    let left = room
    for (const piece of this.#demand.nowPieces()) {
      if (left <= 0) return
      if (!this.#tooSlowFor(peer, 0)) left -= this.#take(peer, piece, left, true, now)
    }
    if (now < this.pausedUntil) return
    left -= this.#takePlanned(peer, left, now)
    if (left > 0) left -= this.#takeSelected(peer, left, now)
    if (left === room && peer.outstanding.size === 0) this.#urgent.assist(peer, now)
  }

  fillAll(now: number): void {
    for (const peer of this.#peers.values()) this.fill(peer, now)
  }

  /** Regular care: estimates, snubs, late blocks, abandoned pieces. */
  tick(now: number): void {
    this.#bestRate = 0
    this.#totalRate = 0
    for (const peer of this.#peers.values()) {
      peer.measure(now)
      this.#checkSnub(peer, now)
      if (peer.peerChoking || peer.snubbedSince !== undefined) continue
      this.#bestRate = Math.max(this.#bestRate, peer.rate)
      this.#totalRate += peer.rate
    }
    const pardon = now - this.#pardonedAt > PARDON_MS
    if (pardon) this.#pardonedAt = now
    for (const open of this.#table.open.values()) {
      if (pardon) open.pardonAll()
      if (open.unwantedSince !== undefined && now - open.unwantedSince > UNWANTED_MS) this.close(open, now)
    }
    this.#verifyInBackground()
    this.urge(now)
    this.fillAll(now)
  }

  /** The peer answers nothing it was asked (it choked us, or is gone). */
  forget(peer: PeerState, now: number): void {
    for (const key of [...peer.outstanding.keys()]) {
      const open = this.#table.open.get(this.#table.pieceOfKey(key))
      peer.cancel(key, now)
      if (open !== undefined) this.#unask(open, this.#table.blockOfKey(key), peer)
    }
  }

  /** The peer will not send this block. */
  refused(peer: PeerState, key: number, now: number): void {
    if (!peer.refused(key, now)) return
    const open = this.#table.open.get(this.#table.pieceOfKey(key))
    if (open === undefined) return
    open.exclude(this.#table.blockOfKey(key), peer.number)
    this.#unask(open, this.#table.blockOfKey(key), peer)
  }

  /** Ends an open piece, in whatever state, and gives back its memory. */
  close(open: OpenPiece, now: number): void {
    this.#withdrawFromStrayed(open.piece, now)
    for (const writer of open.writers()) this.#emit({ type: 'dropTarget', peer: writer })
    this.#table.open.delete(open.piece)
    if (!this.#table.stored.get(open.piece)) this.#table.selection.stopped(open.piece)
    this.#emit({ type: 'closePiece', piece: open.piece })
    this.#budget.release(open.reserved)
    this.#planFrom = 0
  }

  /** Withdraws what is asked of others: the block is here. */
  withdraw(piece: number, block: number, others: readonly PeerNumber[], now: number): void {
    for (const number of others) {
      const other = this.#peers.get(number)
      if (other === undefined) continue
      other.cancel(this.#table.blockKey(piece, block), now)
      this.#emit({ type: 'cancel', peer: number, ...this.#range(piece, block) })
    }
  }

  /** Blocks of a peer that was snubbing were free for others, so {@link withdraw} does not know of them. */
  #withdrawFromStrayed(piece: number, now: number): void {
    for (const peer of this.#peers.values()) {
      if (!peer.strayed) continue
      for (const key of [...peer.outstanding.keys()]) {
        if (this.#table.pieceOfKey(key) !== piece) continue
        peer.cancel(key, now)
        this.#emit({ type: 'cancel', peer: peer.number, ...this.#range(piece, this.#table.blockOfKey(key)) })
      }
    }
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
      this.close(open, now)
      return
    }
    if (open.unwantedSince !== undefined) return
    open.unwantedSince = now
    for (let block = 0; block < open.blockCount; block++) {
      for (const number of [...open.askedOf(block)]) {
        const peer = this.#peers.get(number)
        if (peer === undefined) continue
        peer.cancel(this.#table.blockKey(open.piece, block), now)
        this.#emit({ type: 'cancel', peer: number, ...this.#range(open.piece, block) })
        this.#unask(open, block, peer)
      }
    }
    // Without a byte in it there is nothing to keep.
    if (open.receivedBlocks === 0) this.close(open, now)
  }

  /** The open piece, opened if need be and memory allows; undefined when there is nothing to fetch (yet). */
  #begin(piece: number, force: boolean, now: number): OpenPiece | undefined {
    const open = this.#table.open.get(piece)
    if (open !== undefined) return open
    const state = this.#table.stateOf(piece)
    if (state === 'suspect') this.#verify(piece)
    if (state !== 'missing' || (now < this.pausedUntil && !force)) return undefined
    if (!this.#anyoneServes(piece)) return undefined
    const bytes = this.#table.geometry.pieceSize(piece)
    if (!this.#reserve(bytes, force, now)) return undefined
    return this.#open(piece, bytes)
  }

  #open(piece: number, bytes: number): OpenPiece {
    const geometry = this.#table.geometry
    const open = new OpenPiece(
      piece,
      geometry.blockCount(piece),
      bytes,
      block => geometry.requestSize(piece, block) === 0,
      this.#blame.suspects(piece),
    )
    this.#table.open.set(piece, open)
    this.#table.selection.started(piece)
    this.#emit({ type: 'openPiece', piece })
    // All pad: zeros, known without asking anyone.
    if (open.complete) {
      open.phase = 'storing'
      this.#emit({ type: 'store', piece, blockDigests: false })
    }
    return open
  }

  #reserve(bytes: number, force: boolean, now: number): boolean {
    if (this.#budget.tryReserve(bytes)) return true
    for (const open of this.#table.open.values()) {
      if (open.unwantedSince === undefined || open.phase !== 'fetching') continue
      this.close(open, now)
      if (this.#budget.tryReserve(bytes)) return true
    }
    // With no piece open at all this torrent would wait for others for ever.
    if (force || this.#table.open.size < 2) return this.#budget.tryReserve(bytes, true)
    this.starved = true
    return false
  }

  #anyoneServes(piece: number): boolean {
    for (const peer of this.#peers.values()) if (peer.serves(piece)) return true
    return this.#table.geometry.hasPad(piece)
  }

  #ask(peer: PeerState, open: OpenPiece, block: number, now: number): void {
    open.ask(block, peer.number)
    peer.asked(this.#table.blockKey(open.piece, block), now)
    this.#emit({ type: 'request', peer: peer.number, ...this.#range(open.piece, block) })
  }

  /** Asks the peer for up to `room` free blocks of a piece; returns how many. */
  #take(peer: PeerState, piece: number, room: number, force: boolean, now: number): number {
    if (!peer.serves(piece)) return 0
    const open = this.#begin(piece, force, now)
    if (open === undefined || open.phase !== 'fetching' || open.freeBlocks === 0) return 0
    if (open.avoid.size > 0 && !isTrusted(peer, open)) {
      if (this.#trustedServe(open) || !mayTry(peer, open, this.#peers)) return 0
      if (open.avoid.has(peer.number)) open.sole = peer.number
    }
    let taken = 0
    for (let block = open.nextFree(0); block >= 0 && taken < room; block = open.nextFree(block + 1)) {
      // Who was snubbing and is pardoned may still owe it.
      if (open.excludes(block, peer.number) || peer.outstanding.has(this.#table.blockKey(piece, block)))
        continue
      this.#ask(peer, open, block, now)
      taken++
    }
    return taken
  }

  #trustedServe(open: OpenPiece): boolean {
    for (const peer of this.#peers.values()) if (isTrusted(peer, open) && peer.serves(open.piece)) return true
    return false
  }

  #takePlanned(peer: PeerState, room: number, now: number): number {
    const plan = this.#demand.plan
    let taken = 0
    let allBusy = true
    for (let i = this.#planFrom; i < plan.length && taken < room && !this.starved; i++) {
      const piece = plan[i]!
      const distance = i * this.#table.geometry.pieceLength
      if (!this.#tooSlowFor(peer, distance)) taken += this.#take(peer, piece, room - taken, false, now)
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

  /** Whether blocks needed after `distance` bytes would come too late from this peer, where others are much faster. */
  #tooSlowFor(peer: PeerState, distance: number): boolean {
    if (peer.snubbedSince !== undefined) return this.#bestRate > 0
    if (!peer.measured || peer.rate * MUCH_SLOWER >= this.#bestRate) return false
    return peer.etaMs() > 20 + (distance * 1000) / this.#totalRate
  }

  #takeSelected(peer: PeerState, room: number, now: number): number {
    const selection = this.#table.selection
    if (selection.selectedCount === 0) return 0
    let taken = 0
    for (const open of this.#table.open.values()) {
      if (taken >= room) return taken
      if (open.freeBlocks > 0 && selection.has(open.piece)) {
        taken += this.#take(peer, open.piece, room - taken, false, now)
      }
    }
    const serves = (piece: number): boolean =>
      peer.serves(piece) && (!this.#table.suspect.get(piece) || this.#table.stored.get(piece))
    while (taken < room && !this.starved) {
      const piece = selection.next(serves)
      if (piece < 0) break
      const more = this.#take(peer, piece, room - taken, false, now)
      if (more === 0) break
      taken += more
    }
    return taken
  }

  #checkSnub(peer: PeerState, now: number): void {
    if (peer.outstanding.size === 0 || peer.snubbedSince !== undefined) return
    if (now - peer.lastDelivery < Math.max(SNUB_MS, peer.patienceMs())) return
    peer.snubbedSince = now
    peer.strayed = true
    // It may still answer, and then its blocks are taken; but others may be asked for them.
    for (const key of peer.outstanding.keys()) {
      const open = this.#table.open.get(this.#table.pieceOfKey(key))
      if (open === undefined) continue
      open.exclude(this.#table.blockOfKey(key), peer.number)
      this.#unask(open, this.#table.blockOfKey(key), peer)
    }
  }

  #verify(piece: number): void {
    if (this.#table.verifying.has(piece)) return
    this.#table.verifying.add(piece)
    this.#emit({ type: 'verify', piece })
  }

  /** Suspect pieces that no one waits for are hashed one after another. */
  #verifyInBackground(): void {
    if (this.#table.suspect.empty) return
    let piece = this.#table.suspect.next(0)
    while (piece >= 0 && this.#table.verifying.size < MAX_VERIFYING) {
      this.#verify(piece)
      piece = this.#table.suspect.next(piece + 1)
    }
  }

  /** Hashing a suspect piece ended: the next one at once, not a tick later. */
  verified(): void {
    this.#verifyInBackground()
  }
}
