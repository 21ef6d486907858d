/**
 * A source of blocks as the engine knows it: a connected peer, which also hears what we have and is uploaded to, or a web
 * seed.
 *
 * Owns the memory for blocks that come while another source is writing the same ones.
 */
import type { BlockSource } from './net/block-source.js'
import type { PeerConnection } from './peer/connection.js'
import { BLOCK_LENGTH } from './pieces/geometry.js'
import type { UploadQueue } from './upload-queue.js'

/** What belongs to a peer alone. */
export interface AttachedPeer {
  readonly connection: PeerConnection
  readonly uploads: UploadQueue
}

export class Attached {
  readonly source: BlockSource
  /** Undefined for a web seed. */
  readonly peer: AttachedPeer | undefined
  /** By lane, of those used: a peer has one, a web seed several blocks coming in at once. */
  readonly #aside: (Uint8Array | undefined)[] = [undefined]
  readonly #asideUsed = [false]

  constructor(source: BlockSource, peer: AttachedPeer | undefined) {
    this.source = source
    this.peer = peer
  }

  /** Memory for a block that is put aside. */
  aside(lane: number, length: number): Uint8Array {
    this.#asideUsed[lane] = true
    return (this.#aside[lane] ??= new Uint8Array(BLOCK_LENGTH)).subarray(0, length)
  }

  /** A block begins that goes elsewhere. */
  clearAside(lane: number): void {
    this.#asideUsed[lane] = false
  }

  /** The block that was put aside, if the one that ended was; it is not any more. */
  takeAside(lane: number, length: number): Uint8Array | undefined {
    if (this.#asideUsed[lane] !== true) return undefined
    this.#asideUsed[lane] = false
    return this.#aside[lane]!.subarray(0, length)
  }
}
