/**
 * What the filesystem needs of the engine, and nothing more: the structural ports that `Client`, `Torrent`, `File` and
 * `Reader` of the public surface satisfy as they are, and that a test can satisfy with files on a disk.
 *
 * Must not import the engine's classes: only these shapes bind the two.
 */

export interface ReadPortOptions {
  /** ms without progress after which it rejects; never by default. */
  timeoutMs?: number
  /** Aborting it rejects this one read. */
  signal?: AbortSignal
}

/** A cursor over one file. The filesystem owns exactly one per open handle. */
export interface ReaderPort {
  /**
   * Fills `target` with verified bytes from `position` (bytes from the start of the file) and resolves with the number
   * of bytes, short only at the end of the file. Waits as long as it must; many may be outstanding.
   *
   * Whether it resolves or rejects, it must settle only once nothing will write into `target` any more: the kernel's
   * buffer behind it is freed right after.
   */
  readAt(target: Uint8Array, position: number, options?: ReadPortOptions): Promise<number>
  /** Resolves when those bytes are stored, without reading them. Rejects as {@link readAt} does. */
  available(position: number, length: number, options?: ReadPortOptions): Promise<void>
  /** Stored bytes were read by someone else on this cursor's behalf: the window moves on. */
  note(position: number, length: number): void
  /** Keeps what is waited for and gives up the readahead window, until the next read. */
  lowerPriority(): void
  /** Idempotent; outstanding reads reject. */
  close(): void
}

/** One file of a torrent. */
export interface FilePort {
  /** Safe, unique components below the torrent's root; `[name]` in a single-file torrent. */
  readonly path: readonly string[]
  /** Bytes. */
  readonly length: number
  /** A BEP 47 pad file: never shown. */
  readonly pad: boolean
  /** Bytes of this file that are stored and verified; O(1). */
  readonly storedBytes: number
  /** A reader over the file; the caller closes it. */
  createReader(options?: { readaheadBytes?: number }): ReaderPort
}

/** What a file on the disk looked like when its bytes were checked. */
export interface FileStampPort {
  /** Bytes. */
  readonly size: bigint
  readonly mtimeNs: bigint
  readonly ino: bigint
  readonly dev: bigint
}

/** Stored bytes that lie in real files, at the files' own offsets, so that another thread can read them. */
export interface StoredFilesPort {
  /** Bytes. */
  readonly pieceLength: number
  readonly pieceCount: number
  /** A copy of which pieces are stored: one bit each, the high bit of the first byte first. */
  bitfield(): Uint8Array
  /** First byte of a file in the torrent; `file` is its place in {@link TorrentPort.files}. */
  offset(file: number): number
  /** Absolute path of a file, whether it exists or not; empty for one without bytes, and for pad files. */
  path(file: number): string
  /**
   * Whether a file whose bytes are all stored is still the one that was checked: one look at the disk, at once. If someone
   * changed it, its pieces are doubted before this returns.
   *
   * @returns what it looks like; undefined when it is not complete, or not as it was
   */
  check(file: number): FileStampPort | undefined
}

/** One torrent. Its files show once it is `ready`. */
export interface TorrentPort {
  /** 40 hex digits, lower case. */
  readonly infohash: string
  readonly name: string
  readonly info: { readonly multiFile: boolean } | undefined
  readonly files: readonly FilePort[]
  readonly ready: boolean
  /** ms since the epoch. */
  readonly creationDate: number | undefined
  /** Undefined when its stored bytes can be read through readers alone. */
  readonly storedFiles?: StoredFilesPort | undefined
  /** There are files now; or it is gone. */
  on(event: 'ready' | 'removed', listener: () => void): unknown
  /** A piece was stored; or is stored no longer, because its file is not what it was. */
  on(event: 'stored' | 'doubted', listener: (piece: number) => void): unknown
  /** Ends what `on` began. */
  off(event: 'ready' | 'removed', listener: () => void): unknown
  /** Ends what `on` began. */
  off(event: 'stored' | 'doubted', listener: (piece: number) => void): unknown
}

/** The torrents to show from the start. */
export interface ClientPort {
  readonly torrents: Iterable<TorrentPort>
}
