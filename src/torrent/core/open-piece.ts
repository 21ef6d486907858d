/**
 * A piece that is being fetched: what became of each of its blocks.
 *
 * Owns block states, who was asked and who delivered. Must not choose peers.
 */
import type { PeerNumber } from './events.js'

const FREE = 0
const REQUESTED = 1
const RECEIVED = 2

/** What an open piece is doing. */
export type OpenPhase = 'fetching' | 'storing' | 'retrying'

const NOBODY: readonly PeerNumber[] = []

export class OpenPiece {
  readonly piece: number
  readonly blockCount: number
  phase: OpenPhase = 'fetching'
  /** Bytes reserved for it in the memory budget. */
  readonly reserved: number
  /** When nobody wanted it any more, in ms; undefined while someone does. */
  unwantedSince: number | undefined
  /** Peers that delivered blocks of an attempt that failed: asked last. */
  readonly avoid: ReadonlySet<PeerNumber>
  /** The one of those who delivers this attempt alone, so that its outcome says who lied; undefined while none was chosen. */
  sole: PeerNumber | undefined
  readonly #state: Uint8Array
  /** Who delivered each block. */
  readonly #sender: Float64Array
  /** Who each block is asked of; the common case is one. */
  readonly #asked: (PeerNumber | PeerNumber[] | undefined)[]
  /** Who had its chance at a block: it refused, or took too long. */
  readonly #excluded = new Map<number, Set<PeerNumber>>()
  /** Whose payload is being written into the slab, by block. */
  readonly #writer = new Map<number, PeerNumber>()
  #free: number
  #received = 0
  #firstFree = 0

  /** @param skip - Tells which blocks need no fetching (pads, known to be zeros). */
  constructor(
    piece: number,
    blockCount: number,
    reserved: number,
    skip: (block: number) => boolean,
    avoid: ReadonlySet<PeerNumber>,
  ) {
    this.piece = piece
    this.blockCount = blockCount
    this.reserved = reserved
    this.avoid = avoid
    this.#state = new Uint8Array(blockCount)
    this.#sender = new Float64Array(blockCount).fill(-1)
    this.#asked = new Array<PeerNumber | PeerNumber[] | undefined>(blockCount).fill(undefined)
    this.#free = blockCount
    for (let block = 0; block < blockCount; block++) {
      if (!skip(block)) continue
      this.#state[block] = RECEIVED
      this.#free--
      this.#received++
    }
  }

  /** Blocks that are neither received nor asked of anyone. */
  get freeBlocks(): number {
    return this.#free
  }

  get complete(): boolean {
    return this.#received === this.blockCount
  }

  get receivedBlocks(): number {
    return this.#received
  }

  /** The first free block at or after `from`, or -1. */
  nextFree(from: number): number {
    if (this.#free === 0) return -1
    let block = Math.max(from, this.#firstFree)
    while (block < this.blockCount && this.#state[block] !== FREE) block++
    if (from <= this.#firstFree) this.#firstFree = block
    return block < this.blockCount ? block : -1
  }

  isReceived(block: number): boolean {
    return this.#state[block] === RECEIVED
  }

  /** Whether the block is asked of at least one peer and not received. */
  isRequested(block: number): boolean {
    return this.#state[block] === REQUESTED
  }

  /** Whose answer is awaited. Valid until the next change. */
  askedOf(block: number): readonly PeerNumber[] {
    const asked = this.#asked[block]
    return asked === undefined ? NOBODY : typeof asked === 'number' ? [asked] : asked
  }

  ask(block: number, peer: PeerNumber): void {
    const asked = this.#asked[block]
    if (asked === undefined) this.#asked[block] = peer
    else if (typeof asked === 'number') this.#asked[block] = [asked, peer]
    else asked.push(peer)
    if (this.#state[block] === FREE) {
      this.#state[block] = REQUESTED
      this.#free--
    }
  }

  /** The peer will not answer (any more). Returns true when that made the block free. */
  unask(block: number, peer: PeerNumber): boolean {
    const asked = this.#asked[block]
    if (asked === peer) this.#asked[block] = undefined
    else if (typeof asked === 'object') {
      const left = asked.filter(other => other !== peer)
      this.#asked[block] = left.length > 1 ? left : left[0]
    }
    if (this.#asked[block] !== undefined || this.#state[block] !== REQUESTED) return false
    this.#state[block] = FREE
    this.#free++
    if (block < this.#firstFree) this.#firstFree = block
    return true
  }

  /** The peer is not to be asked for this block again, until {@link pardon}. */
  exclude(block: number, peer: PeerNumber): void {
    const excluded = this.#excluded.get(block)
    if (excluded === undefined) this.#excluded.set(block, new Set([peer]))
    else excluded.add(peer)
  }

  excludes(block: number, peer: PeerNumber): boolean {
    return this.#excluded.size > 0 && (this.#excluded.get(block)?.has(peer) ?? false)
  }

  /** The peer may be asked for every block again. */
  pardon(peer: PeerNumber): void {
    for (const excluded of this.#excluded.values()) excluded.delete(peer)
  }

  pardonAll(): void {
    this.#excluded.clear()
  }

  /** The block lies in the slab. The peers still asked are returned, and forgotten. */
  receive(block: number, peer: PeerNumber): readonly PeerNumber[] {
    const others = this.askedOf(block).filter(other => other !== peer)
    if (this.#state[block] === FREE) this.#free--
    this.#state[block] = RECEIVED
    this.#received++
    this.#sender[block] = peer
    this.#asked[block] = undefined
    this.#writer.delete(block)
    return others
  }

  /** Who delivered the block; undefined for none. */
  senderOf(block: number): PeerNumber | undefined {
    const sender = this.#sender[block]!
    return sender < 0 ? undefined : sender
  }

  senders(): Set<PeerNumber> {
    const senders = new Set<PeerNumber>()
    for (const sender of this.#sender) if (sender >= 0) senders.add(sender)
    return senders
  }

  /** Whose payload of this block is going into the slab at this moment. */
  writerOf(block: number): PeerNumber | undefined {
    return this.#writer.get(block)
  }

  setWriter(block: number, peer: PeerNumber): void {
    this.#writer.set(block, peer)
  }

  clearWriter(block: number, peer: PeerNumber): void {
    if (this.#writer.get(block) === peer) this.#writer.delete(block)
  }

  /** Blocks whose payload is going into the slab at this moment, and whose it is. */
  writers(): Iterable<[block: number, peer: PeerNumber]> {
    return this.#writer.entries()
  }
}
