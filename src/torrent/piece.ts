/**
 * One piece of a torrent, and all of them.
 *
 * Owns nothing: what is known of a piece is asked of its torrent each time. Pieces are made when they are looked at: a torrent
 * may have a million.
 */
import { TorrentError } from './errors.js'
import type { Torrent } from './torrent.js'
import type { Priority } from './torrent-selection.js'

/**
 * `missing`: not here; `suspect`: may be here, and is hashed before it counts; `verifying`: is being hashed; `fetching`: blocks
 * of it are here or asked for; `stored`: matches its hash, and is in the storage.
 */
export type PieceState = 'missing' | 'suspect' | 'verifying' | 'fetching' | 'stored'

/** Pieces [begin, end) of which the same is known. */
export interface PieceRun {
  readonly begin: number
  readonly end: number
  readonly state: PieceState
  readonly priority: Priority
}

/** A piece of a torrent: see {@link Torrent.pieces}. */
export class Piece {
  readonly torrent: Torrent
  /** Counted from 0. */
  readonly index: number

  /** Got from {@link Torrent.pieces}. @internal */
  constructor(torrent: Torrent, index: number) {
    this.torrent = torrent
    this.index = index
  }

  /** First byte of it in the torrent. */
  get offset(): number {
    return this.torrent.info!.geometry.pieceOffset(this.index)
  }

  /** Bytes. */
  get length(): number {
    return this.torrent.info!.geometry.pieceSize(this.index)
  }

  /** `suspect` before the torrent is {@link Torrent.ready}. */
  get state(): PieceState {
    return this.torrent.pieceState(this.index)
  }

  /**
   * How much it is wanted though nobody reads it: the most of what was set here and of its files' priorities.
   *
   * @throws ERR_TORRENTFS_ARGUMENT when it is set to what is no priority
   */
  get priority(): Priority {
    return this.torrent.piecePriority(this.index)
  }

  /** `none` takes back what was set here, and leaves what its files ask. */
  set priority(priority: Priority) {
    this.torrent.setPiecePriority(this.index, priority)
  }

  /**
   * Hashes what the storage holds of it. Read on meanwhile: a stored piece is given out until it is found wrong.
   *
   * @returns whether it is here and right; false for one that is being fetched
   * @throws ERR_TORRENTFS_STORAGE when the storage cannot be read, the error the torrent ended with
   */
  async verify(): Promise<boolean> {
    const { good, failures } = await this.torrent.verify({ begin: this.index, end: this.index + 1 })
    if (failures[0] !== undefined) throw failures[0]
    return good === 1
  }
}

/** The pieces of a torrent. */
export class PieceList implements Iterable<Piece> {
  readonly #torrent: Torrent

  /** Got from {@link Torrent.pieces}. @internal */
  constructor(torrent: Torrent) {
    this.#torrent = torrent
  }

  /** How many there are; 0 before the metadata is known. */
  get length(): number {
    return this.#torrent.info?.geometry.pieceCount ?? 0
  }

  /** @throws ERR_TORRENTFS_ARGUMENT when there is no such piece */
  at(index: number): Piece {
    if (Number.isInteger(index) && index >= 0 && index < this.length) return new Piece(this.#torrent, index)
    throw new TorrentError('ERR_TORRENTFS_ARGUMENT', `${this.#torrent.name}: no piece ${index}`)
  }

  /** Every piece, in order. */
  *[Symbol.iterator](): Generator<Piece, void, undefined> {
    for (let index = 0; index < this.length; index++) yield new Piece(this.#torrent, index)
  }

  /** All pieces in few words: neighbours of the same state and priority together, in order. A copy. */
  runs(): PieceRun[] {
    const runs: PieceRun[] = []
    for (const { index, state, priority } of this) {
      const last = runs.at(-1)
      if (last?.state === state && last.priority === priority)
        runs[runs.length - 1] = { ...last, end: index + 1 }
      else runs.push({ begin: index, end: index + 1, state, priority })
    }
    return runs
  }
}
