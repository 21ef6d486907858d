/**
 * What the filesystem needs of the engine, and nothing more: the structural ports that `Client`, `Torrent`, `File` and
 * `Reader` of the public surface satisfy as they are, and that a test can satisfy with files on a disk.
 *
 * Must not import the engine's classes: only these shapes bind the two.
 */

/** A cursor over one file. The filesystem owns exactly one per open handle. */
export interface ReaderPort {
  /**
   * Fills `target` with verified bytes from `position` (bytes from the start of the file) and resolves with the number
   * of bytes, short only at the end of the file. Waits as long as it must; many may be outstanding.
   *
   * Whether it resolves or rejects, it must settle only once nothing will write into `target` any more: the kernel's
   * buffer behind it is freed right after.
   */
  read(target: Uint8Array, position: number, options?: { timeoutMs?: number }): Promise<number>
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
  createReader(options?: { readaheadBytes?: number }): ReaderPort
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
  on(event: 'ready' | 'removed', listener: () => void): unknown
  off(event: 'ready' | 'removed', listener: () => void): unknown
}

/** The torrents to show from the start. */
export interface ClientPort {
  readonly torrents: Iterable<TorrentPort>
}
