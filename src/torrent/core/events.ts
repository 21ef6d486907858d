/**
 * What happens to a torrent, and what is to be done about it: the two languages of {@link TorrentCore}.
 *
 * Owns the words alone. Times are milliseconds of one monotonic clock, ranges half-open.
 */

/** A connected peer, as its torrent numbers it. Never used again for another peer. */
export type PeerNumber = number
/** An open reader. */
export type ReaderNumber = number
/** One waiting read. */
export type WaitNumber = number

/** What a peer said, BEP 3 and BEP 6. All numbers are unchecked. */
export type PeerMessage =
  | {
      readonly type: 'choke' | 'unchoke' | 'interested' | 'notInterested' | 'haveAll' | 'haveNone'
    }
  | { readonly type: 'have' | 'suggest' | 'allowedFast'; readonly piece: number }
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
  /** A peer's handshakes are done. `requestQueue`: how many requests it takes (BEP 10 `reqq`), if it said so. */
  | { readonly type: 'peer'; readonly peer: PeerNumber; readonly fast: boolean; readonly incoming: boolean }
  | { readonly type: 'requestQueue'; readonly peer: PeerNumber; readonly requests: number }
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
  /** A reader over the torrent's bytes [begin, end). `readahead`: the most bytes its window may hold. */
  | {
      readonly type: 'readerOpened'
      readonly reader: ReaderNumber
      readonly begin: number
      readonly end: number
      readonly readahead: number
    }
  | { readonly type: 'readerClosed' | 'readerLowered'; readonly reader: ReaderNumber }
  /** A reader read [begin, end) that is stored already: its window moves on. */
  | {
      readonly type: 'readStored'
      readonly reader: ReaderNumber
      readonly begin: number
      readonly end: number
    }
  /** A reader waits for [begin, end). */
  | {
      readonly type: 'wait'
      readonly wait: WaitNumber
      readonly reader: ReaderNumber
      readonly begin: number
      readonly end: number
    }
  | { readonly type: 'waitEnded'; readonly wait: WaitNumber }
  /** Pieces [begin, end) are to be fetched whether anyone reads them or not, or no longer. */
  | { readonly type: 'select' | 'deselect'; readonly begin: number; readonly end: number }
  /** Memory that was refused may be had now. */
  | { readonly type: 'memory' }
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
  /** The payload this peer is sending now must not be written any further. */
  | { readonly type: 'dropTarget'; readonly peer: PeerNumber }
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
  | { readonly type: 'doubted'; readonly piece: number }
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
