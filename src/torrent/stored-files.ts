/**
 * The stored bytes of a torrent as files on a disk, for someone who reads them without a reader: a thread that serves them.
 *
 * Owns nothing. What is stored changes at any time: `stored` and `doubted` of the torrent tell.
 */
import type { Bitfield } from './pieces/bitfield.js'
import type { FileStamp, StorageTorrent, TorrentStorage } from './storage/storage.js'

/** Where the bytes of a torrent lie, and which of them are stored. */
export class StoredFiles {
  readonly #torrent: StorageTorrent
  readonly #storage: TorrentStorage
  readonly #stored: Bitfield

  private constructor(torrent: StorageTorrent, storage: TorrentStorage, stored: Bitfield) {
    this.#torrent = torrent
    this.#storage = storage
    this.#stored = stored
  }

  /**
   * @param stored live, and in step with the events: the storage's own may be a moment ahead of them
   * @returns undefined when the storage does not keep real files
   */
  static of(torrent: StorageTorrent, storage: TorrentStorage, stored: Bitfield): StoredFiles | undefined {
    return storage.locate && storage.intact ? new StoredFiles(torrent, storage, stored) : undefined
  }

  /** Bytes. */
  get pieceLength(): number {
    return this.#torrent.geometry.pieceLength
  }

  get pieceCount(): number {
    return this.#torrent.geometry.pieceCount
  }

  /** A copy of which pieces are stored: one bit each, the high bit of the first byte first. */
  bitfield(): Uint8Array {
    return this.#stored.bytes.slice()
  }

  /** First byte of a file in the torrent. */
  offset(file: number): number {
    return this.#torrent.files[file]!.offset
  }

  /** Absolute path of a file, whether it exists or not; empty for one without bytes, and for pad files. */
  path(file: number): string {
    const { offset, length } = this.#torrent.files[file]!
    return this.#storage.locate!(offset, offset + length)[0]?.path ?? ''
  }

  /**
   * Whether a file whose bytes are all stored is still the one that was checked: one look at the disk, at once. If someone
   * changed it, `doubted` tells of its pieces before this returns.
   *
   * @returns what it looks like; undefined when it is not complete, or not as it was
   */
  check(file: number): FileStamp | undefined {
    const { offset, length, pad } = this.#torrent.files[file]!
    const { begin, end } = this.#torrent.geometry.piecesIn(offset, offset + length)
    if (pad || begin === end || this.#stored.nextClear(begin, end) >= 0) return undefined
    return this.#storage.intact!(file)
  }
}
