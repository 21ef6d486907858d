/**
 * What the piece store and its worker threads say to each other. Plain data, for structured clone.
 *
 * A message carries everything of one turn: slabs and torrents are sent once, before the first operation that names them.
 */
import type { TorrentErrorCode } from '../errors.js'

/** A slab's memory, shared, known from now on by its id. */
export interface SlabIntroduction {
  readonly id: number
  readonly memory: SharedArrayBuffer
}

/** A torrent, known from now on by its id. */
export interface TorrentIntroduction {
  readonly id: number
  readonly length: number
  readonly pieceLength: number
  /** SHA-1 digests, 20 bytes a piece. */
  readonly pieceHashes: Uint8Array
  readonly files: readonly { readonly offset: number; readonly length: number; readonly pad: boolean }[]
  /** Where its files are; undefined when the storage is not one the worker can write to. */
  readonly direct:
    | {
        readonly root: string
        readonly mapped: boolean
        readonly paths: readonly (readonly string[])[]
        readonly parts: readonly (readonly string[] | undefined)[]
      }
    | undefined
}

/** One piece to work on. */
export interface StoreOperation {
  readonly id: number
  /**
   * store: hash the slab, write and journal it if it is good; hash: only hash the slab; verify: hash what the files hold,
   * journal it if it is good and `journal` is given; free: free the bytes of `range`, and journal that.
   */
  readonly kind: 'store' | 'hash' | 'verify' | 'free'
  readonly torrent: number
  readonly piece: number
  /** The slab's id; 0 for `verify`. */
  readonly slab: number
  /** Absolute path of the journal. */
  readonly journal: string | undefined
  /** Whether the digests of the blocks are wanted of a good piece too. */
  readonly digests: boolean
  /** Of the torrent, half-open. */
  readonly range?: { readonly begin: number; readonly end: number }
}

/** From the store to a worker. Applied in the order of the properties. */
export interface StoreRequest {
  readonly slabs: readonly SlabIntroduction[]
  readonly torrents: readonly TorrentIntroduction[]
  readonly operations: readonly StoreOperation[]
  /** Torrents to forget: their files are closed. */
  readonly forget: readonly number[]
  /** Slabs to forget: their memory can be freed. */
  readonly drop: readonly number[]
}

/** What came of an operation. `good` of a `store`: it is written and journaled. */
export interface StoreReply {
  readonly id: number
  readonly kind: 'good' | 'bad' | 'failed'
  readonly digests?: Uint8Array
  /** The journal record that says what was done to the files. */
  readonly record?: Uint8Array
  readonly error?: { readonly code: TorrentErrorCode; readonly message: string }
}
