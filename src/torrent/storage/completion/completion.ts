/**
 * Which pieces are stored, kept apart from their bytes and for longer than the process.
 *
 * Owns the interface. The rule of all who use it: first the bytes, then the mark; to take away, first the mark, then the bytes. So a
 * kill at any moment leaves at most bytes without a mark, which are fetched again, and never a mark without bytes.
 */
import type { Bitfield } from '../../pieces/bitfield.js'
import type { StorageTorrent } from '../storage.js'

/** A place that remembers for many torrents which pieces are stored. */
export interface Completion {
  /** Finds what was kept of a torrent. Never called for one that is open. Creates nothing: the first mark does. */
  open(torrent: StorageTorrent): Promise<TorrentCompletion>
  /** Forgets a torrent that is not open. */
  remove(torrent: StorageTorrent): Promise<void>
  /** Called once, when every torrent was closed. */
  close(): Promise<void>
}

/** What is remembered of one torrent. */
export interface TorrentCompletion {
  /** What an earlier run kept: as many bits as the torrent has pieces. Given away: the caller goes on with it. */
  readonly stored: Bitfield
  /**
   * False when the machine may have ended since, without a `close`: then marks may have outlived the bytes they speak of,
   * and everything in `stored` must be hashed before it counts.
   */
  readonly sure: boolean
  /** Keeps that a piece is stored, or that it is not. What is resolved survives a kill of this process. In order of calls. */
  set(piece: number, stored: boolean): Promise<void>
  /** Keeps what was set and that all ended well; the bytes must be safe by now. Called once. */
  close(): Promise<void>
}
