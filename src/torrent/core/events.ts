/**
 * What happens to a torrent, and what is to be done about it: the two languages of {@link TorrentCore}.
 *
 * Owns the words alone. Times are milliseconds of one monotonic clock, ranges half-open.
 */

import type { SelectionPriority } from './selection.js'

/** A connected peer, as its torrent numbers it. Never used again for another peer. */
export type PeerNumber = number
/** An open reader. */
export type ReaderNumber = number
/** One waiting read. */
export type WaitNumber = number

/** What a peer said, BEP 3 and 6; `dontHave` is of BEP 54. All numbers are unchecked. */
export type PeerMessage =
  | {
      readonly type: 'choke' | 'unchoke' | 'interested' | 'notInterested' | 'haveAll' | 'haveNone'
    }
  | { readonly type: 'have' | 'dontHave' | 'suggest' | 'allowedFast'; readonly piece: number }
  | {
      readonly type: 'request' | 'cancel' | 'reject'
      readonly piece: number
      readonly begin: number
      readonly length: number
    }
  | { readonly type: 'bitfield'; readonly bytes: Uint8Array }

/** How a piece that was to be stored ended. */
export type StoreResult =
  | { readonly kind: 'stored'; readonly blockDigests?: Uint8Array }
  | { readonly kind: 'mismatch'; readonly blockDigests: Uint8Array }
  | { readonly kind: 'failed'; readonly error: Error }

export type CoreEvent =
  /**
   * A peer's handshakes are done. `told`: whether it was told what we have, or nothing while superseeding; `runs`: it
   * answers neighbouring blocks far better than scattered ones (a web seed).
   */
  | {
      readonly type: 'peer'
      readonly peer: PeerNumber
      readonly fast: boolean
      readonly incoming: boolean
      readonly told?: 'pieces' | 'nothing'
      readonly runs?: boolean
    }
  /** How many requests a peer takes (BEP 10 `reqq`). */
  | { readonly type: 'requestQueue'; readonly peer: PeerNumber; readonly requests: number }
  /** The peer says whether it will download nothing more (BEP 21). */
  | { readonly type: 'uploadOnly'; readonly peer: PeerNumber; readonly uploadOnly: boolean }
  | { readonly type: 'gone'; readonly peer: PeerNumber }
  | { readonly type: 'message'; readonly peer: PeerNumber; readonly message: PeerMessage }
  /** A block's payload is complete. `kept`: it lies in the slab. */
  | {
      readonly type: 'block'
      readonly peer: PeerNumber
      readonly piece: number
      readonly begin: number
      readonly length: number
      readonly kept: boolean
    }
  /** All that one socket read held was handled: time to ask for more. */
  | { readonly type: 'turn'; readonly peer: PeerNumber }
  | { readonly type: 'uploaded'; readonly peer: PeerNumber; readonly bytes: number }
  | { readonly type: 'storeResult'; readonly piece: number; readonly result: StoreResult }
  /** A suspect piece was hashed: good, bad, or the storage failed. */
  | { readonly type: 'verified'; readonly piece: number; readonly good: boolean }
  | { readonly type: 'verifyFailed'; readonly piece: number; readonly error: Error }
  /** Stored pieces are no longer to be trusted. */
  | { readonly type: 'doubt'; readonly pieces: readonly number[] }
  /**
   * A reader over the torrent's bytes [begin, end). `readahead`: the most bytes its window may hold; `early`: it takes
   * blocks before their piece is verified.
   */
  | {
      readonly type: 'readerOpened'
      readonly reader: ReaderNumber
      readonly begin: number
      readonly end: number
      readonly readahead: number
      readonly early?: boolean
    }
  | { readonly type: 'readerClosed' | 'readerLowered'; readonly reader: ReaderNumber }
  /** How far ahead of a reader to fetch, in bytes: at most, or (`exact`) as far from its first read on. */
  | {
      readonly type: 'readahead'
      readonly reader: ReaderNumber
      readonly bytes: number
      readonly exact: boolean
    }
  /** A reader read [begin, end) that is stored already, or (empty) is going to read there: its window moves on. */
  | {
      readonly type: 'readStored'
      readonly reader: ReaderNumber
      readonly begin: number
      readonly end: number
    }
  /** A reader waits until [begin, end) is stored; with `early`, until its blocks are here. */
  | {
      readonly type: 'wait'
      readonly wait: WaitNumber
      readonly reader: ReaderNumber
      readonly begin: number
      readonly end: number
      readonly early?: boolean
    }
  | { readonly type: 'waitEnded'; readonly wait: WaitNumber }
  /** Pieces [begin, end) are to be fetched whether anyone reads them or not. Default priority: normal. */
  | {
      readonly type: 'select'
      readonly begin: number
      readonly end: number
      readonly priority?: SelectionPriority
    }
  /** Pieces [begin, end) are to be fetched only when someone reads them. */
  | { readonly type: 'deselect'; readonly begin: number; readonly end: number }
  /** Selected pieces are to be fetched by index, or the rarest first. */
  | { readonly type: 'order'; readonly inOrder: boolean }
  /** A piece that is missing or suspect is to be hashed: it may be there. A `verified` or `verifyFailed` follows. */
  | { readonly type: 'check'; readonly piece: number }
  /**
   * A piece is given up for others: see {@link TorrentCore.mayEvict}. It is missing from here on, and no one is to blame.
   */
  | { readonly type: 'evict'; readonly piece: number }
  /** Room that was refused may be had now, or what windows may hold has changed. */
  | { readonly type: 'room' }
  /** Show peers pieces one by one (BEP 16), or all again. Nothing happens while anything is missing. */
  | { readonly type: 'superSeed'; readonly on: boolean }
  /** Memory that was refused may be had now. */
  | { readonly type: 'memory' }
  /** The download limit, which refused something, allows something now. */
  | { readonly type: 'allowance' }
  | { readonly type: 'tick' }

export type Effect =
  | {
      readonly type: 'send'
      readonly peer: PeerNumber
      readonly message: 'choke' | 'unchoke' | 'interested' | 'notInterested'
    }
  | {
      readonly type: 'request' | 'cancel' | 'reject'
      readonly peer: PeerNumber
      readonly piece: number
      readonly begin: number
      readonly length: number
    }
  | { readonly type: 'have'; readonly peer: PeerNumber; readonly piece: number }
  /** Memory for a piece is needed until `closePiece`. Follows a reservation in the budget. */
  | { readonly type: 'openPiece'; readonly piece: number }
  | { readonly type: 'closePiece'; readonly piece: number }
  | { readonly type: 'store'; readonly piece: number; readonly blockDigests: boolean }
  | { readonly type: 'verify'; readonly piece: number }
  /** The payload of this block, which this peer is sending now, must not be written any further. */
  | {
      readonly type: 'dropTarget'
      readonly peer: PeerNumber
      readonly piece: number
      readonly begin: number
    }
  /** Send this block of a stored piece when there is room. */
  | {
      readonly type: 'upload' | 'cancelUpload'
      readonly peer: PeerNumber
      readonly piece: number
      readonly begin: number
      readonly length: number
    }
  /** Forget what was to be uploaded to this peer, telling it so where it can be told. */
  | { readonly type: 'clearUploads'; readonly peer: PeerNumber }
  | { readonly type: 'disconnect'; readonly peer: PeerNumber; readonly reason: string; readonly ban: boolean }
  | { readonly type: 'stored'; readonly piece: number }
  /** A piece did not match its hash. */
  | { readonly type: 'failed'; readonly piece: number }
  | { readonly type: 'doubted'; readonly piece: number }
  /** A piece was given up: it is missing. `stored`: it was stored, and not suspect. `free` follows. */
  | { readonly type: 'evicted'; readonly piece: number; readonly stored: boolean }
  /** What there is of a piece in the storage is to be freed. Only where room is limited. */
  | { readonly type: 'free'; readonly piece: number }
  | { readonly type: 'waitDone'; readonly wait: WaitNumber }
  | { readonly type: 'waitFailed'; readonly wait: WaitNumber; readonly error: Error }
  /** Everything selected is stored. */
  | { readonly type: 'complete' }

/** Where the core asks for memory; a {@link MemoryBudget} fits. */
export interface PieceBudget {
  /** Reserves `bytes`; with `force` it always does. */
  tryReserve(bytes: number, force?: boolean): boolean
  release(bytes: number): void
}

/** Where the core asks for room in the storage, when that is limited; a {@link CacheShare} fits. */
export interface PieceRoom {
  /** The most bytes that the windows of all readers may hold together. */
  readonly windowBytes: number
  /**
   * Takes room for a piece that is to be fetched, until it is stored and given up again. `evicting`: others may be given up
   * for it. When it returns false, a `room` event follows.
   */
  take(piece: number, evicting: boolean): boolean
  /** A piece that room was taken for will not be stored, and nothing of it was written. */
  giveBack(piece: number): void
}

/** What limits how fast blocks are asked for; a share of a rate limiter fits. */
export interface RequestAllowance {
  /**
   * Takes the bytes of a block that is to be asked for, or returns false: then an `allowance` event follows. `urgent`: a
   * read waits for it.
   */
  take(bytes: number, urgent: boolean): boolean
  /** A block that was asked for will not come, or is not wanted any more. */
  giveBack(bytes: number): void
  /** A block came that was not taken, or was given back. */
  spend(bytes: number): void
}
