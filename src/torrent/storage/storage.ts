/**
 * Where the bytes of torrents live: the interface every storage has, and the capabilities some have.
 *
 * Owns the words (stored, suspect, missing) and the rules. Must not know pieces in flight, peers or readers.
 */
import type { Bitfield } from '../pieces/bitfield.js'
import type { Geometry } from '../pieces/geometry.js'

/** One file as a storage sees it: the bytes [offset, offset + length) of the torrent. */
export interface StorageFile {
  /**
   * Safe components below the storage's root; the first one is the torrent's own name, the same for all its files. A storage
   * may replace that first component when another torrent owns it.
   */
  readonly path: readonly string[]
  /** First byte of the file in the torrent. */
  readonly offset: number
  /** Bytes in the file; may be 0. */
  readonly length: number
  /** A pad file (BEP 47): never written, read as zeros. */
  readonly pad: boolean
}

/** What a storage must know of a torrent. Kept by reference: it must not change afterwards. */
export interface StorageTorrent {
  /** 40 lower-case hexadecimal digits. */
  readonly infohash: string
  /** Arithmetic over `files`. */
  readonly geometry: Geometry
  /** SHA-1 digests of the pieces, 20 bytes each. */
  readonly pieceHashes: Uint8Array
  /** Every file in torrent order, with the same indices as in `geometry.files`. */
  readonly files: readonly StorageFile[]
}

/** A range of one real file that holds a range of the torrent. */
export interface StorageRange {
  /** Absolute path. */
  readonly path: string
  /** Index into {@link StorageTorrent.files}. */
  readonly file: number
  /** First byte within the file. */
  readonly fileOffset: number
  /** The same byte in the torrent. */
  readonly offset: number
  /** Bytes in the range; never 0. */
  readonly length: number
}

/** What a real file looked like when its bytes were checked: one that looks the same has the same bytes. */
export interface FileStamp {
  /** Bytes. */
  readonly size: bigint
  readonly mtimeNs: bigint
  readonly ino: bigint
  readonly dev: bigint
}

/** A place that keeps torrents. */
export interface Storage {
  /**
   * Opens a torrent: finds what was stored before. Creates nothing: the first write does.
   *
   * @throws ERR_TORRENTFS_STORAGE when the torrent is open already, or the storage cannot be read at all
   * @throws ERR_TORRENTFS_CLOSED after `close`
   */
  open(torrent: StorageTorrent): Promise<TorrentStorage>
  /**
   * Capability: frees all that the storage keeps of a torrent that is not open: its bytes, which pieces are stored, its
   * names. What another torrent has a share in stays, and so does what others put beside it. It is no error when there is
   * nothing. After a failure some of it may be left, and it may be called again.
   *
   * @throws ERR_TORRENTFS_STORAGE naming what could not be freed, or when the torrent is open
   * @throws ERR_TORRENTFS_CLOSED after `close`
   */
  remove?(torrent: StorageTorrent): Promise<void>
  /** Closes every open torrent, then the storage. Idempotent; never rejects. */
  close(): Promise<void>
}

/** The bytes of one torrent. A piece is in one of three states: stored, suspect, or (neither) missing. */
export interface TorrentStorage {
  /** Pieces whose bytes were checked against their hash and have not changed since. Live; callers never write to it. */
  readonly stored: Bitfield
  /**
   * Pieces that may be there but must be hashed before they count: claimed by an earlier run, in files that changed since.
   * Disjoint from `stored`. Read it anew each time: while nothing is suspect it is a shared bitfield of length 0.
   */
  readonly suspect: Bitfield
  /**
   * Called, synchronously, with pieces that were stored and just became suspect while the torrent is open (someone else
   * changed their file, or the disk failed to keep it). Set by the owner of the torrent.
   */
  onDoubt: ((pieces: readonly number[]) => void) | undefined
  /**
   * Reads from torrent offset `offset` into `target`, and returns how many bytes it read: fewer than `target.length` only
   * at the end of what exists (of the torrent, or where a file is missing or too short). Pad files read as zeros. Does not
   * care whether the pieces are stored: that is the caller's check.
   *
   * @throws ERR_TORRENTFS_STORAGE when reading fails
   */
  readAt(target: Uint8Array, offset: number): Promise<number>
  /**
   * Capability: like `readAt`, but at once and blocking; undefined when that would need more than copying (a file that is
   * not open yet). For bytes that were written a moment ago, and so lie in memory: waiting for another thread to copy
   * them costs more than the copy.
   *
   * @throws ERR_TORRENTFS_STORAGE when reading fails
   */
  readNow?(target: Uint8Array, offset: number): number | undefined
  /**
   * Writes `source` at torrent offset `offset`. Bytes that fall into pad files are dropped. `source` must not change
   * until the promise settles. After a failure any part may have been written.
   *
   * @throws ERR_TORRENTFS_DISK_FULL naming the file when there is no space
   * @throws ERR_TORRENTFS_STORAGE when writing fails otherwise, or the range is not within the torrent
   */
  writeAt(source: Uint8Array, offset: number): Promise<void>
  /**
   * Capability: `writeAt` of a whole piece that matches its hash, and `markStored`, in one step; bytes of pad files are
   * zeros. Resolves when a kill of this process can no longer lose it. After a failure the piece is not stored.
   *
   * @throws ERR_TORRENTFS_DISK_FULL, ERR_TORRENTFS_STORAGE as `writeAt`; ERR_TORRENTFS_CLOSED after `close`
   */
  store?(piece: number, bytes: Uint8Array): Promise<void>
  /** The piece's bytes were written and match its hash. Idempotent. */
  markStored(piece: number): void
  /** The piece's bytes are not there, or wrong. Idempotent; survives a restart like `markStored`. */
  markMissing(piece: number): void
  /**
   * Capability: the real files that hold the torrent's bytes [begin, end), in order, whether they exist yet or not. Pad
   * files are left out (their bytes are zeros): use `offset` to see the gaps.
   */
  locate?(begin: number, end: number): readonly StorageRange[]
  /**
   * Capability: whether the real file of a file whose pieces are all stored is still the one that was checked. If not, its
   * pieces become suspect and `onDoubt` is called, before this returns undefined. One look at the disk, blocking.
   */
  intact?(file: number): FileStamp | undefined
  /** Capability: another thread may write the files itself. */
  readonly direct?: DirectWrites
  /**
   * Capability: gives up a piece, stored or not. It is missing from the call on (its bits are clear before this returns);
   * the promise resolves when its bytes are freed for others. The mark goes before the bytes, so no kill leaves a
   * piece that counts and is not there. Who is reading the piece meanwhile may get fewer bytes or zeros: wait for readers first.
   * `onDoubt` is not called.
   *
   * @throws ERR_TORRENTFS_STORAGE when the bytes cannot be freed: the piece is missing all the same;
   *   ERR_TORRENTFS_CLOSED after `close`
   */
  evict?(piece: number): Promise<void>
  /** Waits for what is being written, keeps the resume state. Idempotent; never rejects. */
  close(): Promise<void>
}

/**
 * Capability of a storage of real files: a worker thread writes them and appends what it did to the resume journal, in one
 * order per torrent. All operations of one torrent must go to the same thread.
 */
export interface DirectWrites {
  /** Absolute path of the folder that file paths are relative to; symbolic links below it are not followed for writing. */
  readonly root: string
  /** Whether the thread is to write them through memory that they are mapped to. */
  readonly mapped: boolean
  /** Components of every file below `root`, with the same indices as {@link StorageTorrent.files}. */
  path(file: number): readonly string[]
  /** Components of where a file lies while nothing lies at its path; undefined when it has no such place. */
  part(file: number): readonly string[] | undefined
  /**
   * Announces an operation and says where it must be journaled. Until `end` the journal is not retired. Resolves at once
   * but for the first time, which creates the resume state.
   *
   * @throws ERR_TORRENTFS_DISK_FULL, ERR_TORRENTFS_STORAGE naming the path when that fails, ERR_TORRENTFS_CLOSED after `close`
   */
  begin(): Promise<JournalPlace>
  /**
   * Ends an operation. `record` is the journal record the thread made of it; undefined
   * when it touched nothing. A record of a stored piece marks it stored.
   */
  end(place: JournalPlace, record: Uint8Array | undefined): void
}

/** A journal file that records are appended to. */
export interface JournalPlace {
  /** Absolute path; the file exists and has its header. */
  readonly path: string
  /** Grows by one each time the journal is replaced. */
  readonly generation: number
}
