/**
 * What is asked of the thread that has the database, and what it answers: plain data.
 */
import type { TorrentError, TorrentErrorCode } from '../../errors.js'

/** Bytes in one row or value: enough to make them few, little enough that a read of 128 KiB takes few bytes it does not want. */
export const PART_LENGTH = 64 * 1024

export type DatabaseOperation =
  /** Answers with the bitfield of the pieces that are marked, in wire order. */
  | {
      readonly kind: 'open'
      readonly infohash: string
      readonly pieces: number
      readonly pieceLength: number
    }
  /** `size`: of the whole piece. Answers with the bytes from `begin` on that are there, `length` at most. */
  | {
      readonly kind: 'read'
      readonly infohash: string
      readonly piece: number
      readonly size: number
      readonly begin: number
      readonly length: number
    }
  /** A whole piece, and whether it is to be marked. */
  | {
      readonly kind: 'write'
      readonly infohash: string
      readonly piece: number
      readonly bytes: Uint8Array
      readonly stored: boolean
    }
  | { readonly kind: 'mark'; readonly infohash: string; readonly piece: number; readonly stored: boolean }
  /** Bytes and mark of a piece. */
  | { readonly kind: 'remove'; readonly infohash: string; readonly piece: number }
  /** All of a torrent, a slice at a time: others need not wait for it. Answers with 1 until it is gone, then with 0. */
  | { readonly kind: 'removeTorrent'; readonly infohash: string }
  | { readonly kind: 'loadMarks'; readonly infohash: string; readonly size: number }
  | {
      readonly kind: 'saveMarks'
      readonly infohash: string
      readonly bytes: Uint8Array
      readonly sync: boolean
    }
  | { readonly kind: 'removeMarks'; readonly infohash: string }
  | { readonly kind: 'close' }

export interface DatabaseRequest {
  readonly id: number
  readonly operation: DatabaseOperation
}

export interface DatabaseReply {
  readonly id: number
  readonly bytes?: Uint8Array
  readonly error?: { readonly code: TorrentErrorCode; readonly message: string }
}

/** What a kind of database does in its thread. Synchronous: that is why it has a thread. */
export interface PieceDatabase {
  /**
   * Does what is asked, and returns the bytes it answers with. What changes several things changes all of them or none,
   * by itself or with all else of the {@link atOnce} it is called in.
   */
  perform(operation: DatabaseOperation): Uint8Array | undefined
  /** One transaction for all that `action` does. @throws what `action` throws; nothing has changed then */
  atOnce(action: () => void): void
  close(): void | Promise<void>
}

/** A kind of database. */
export interface DatabaseKind {
  /** Opens or makes it. @param exclusive whether nobody else may use it meanwhile, where it can tell */
  open(path: string, exclusive: boolean): Promise<PieceDatabase>
  /** What one of its errors means. @param doing "open", "read", "write" */
  failure(thrown: unknown, doing: string, path: string): TorrentError
}
