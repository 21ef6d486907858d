/**
 * Torrents in memory: for tests, and for programs that only stream. Nothing survives the process.
 *
 * Owns the bytes, a piece at a time, allocated with the first write to it.
 */
import { TorrentError } from '../errors.js'
import { Bitfield } from '../pieces/bitfield.js'
import type { Geometry } from '../pieces/geometry.js'
import type { Storage, StorageTorrent, TorrentStorage } from './storage.js'

const NOTHING = new Bitfield(0)

/** A {@link Storage} in memory. A torrent that is closed and opened again has what it had, until the storage is closed. */
export class MemoryStorage implements Storage {
  readonly #torrents = new Map<string, MemoryTorrentStorage>()
  #closed = false

  open(torrent: StorageTorrent): Promise<TorrentStorage> {
    if (this.#closed) return Promise.reject(new TorrentError('ERR_TORRENTFS_CLOSED', 'the storage is closed'))
    const { infohash } = torrent
    const earlier = this.#torrents.get(infohash)
    if (earlier !== undefined && !earlier.closed) {
      return Promise.reject(new TorrentError('ERR_TORRENTFS_STORAGE', `torrent ${infohash} is open already`))
    }
    const storage = new MemoryTorrentStorage(torrent, earlier)
    this.#torrents.set(infohash, storage)
    return Promise.resolve(storage)
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const storage of this.#torrents.values()) await storage.close()
    this.#torrents.clear()
  }
}

class MemoryTorrentStorage implements TorrentStorage {
  readonly stored: Bitfield
  readonly suspect = NOTHING
  onDoubt: ((pieces: readonly number[]) => void) | undefined
  closed = false
  readonly #geometry: Geometry
  readonly #pieces: Map<number, Uint8Array>

  constructor(torrent: StorageTorrent, earlier: MemoryTorrentStorage | undefined) {
    this.#geometry = torrent.geometry
    this.stored = earlier?.stored ?? new Bitfield(torrent.geometry.pieceCount)
    this.#pieces = earlier === undefined ? new Map<number, Uint8Array>() : earlier.#pieces
  }

  readAt(target: Uint8Array, offset: number): Promise<number> {
    let done = 0
    for (const segment of this.#geometry.segments(offset, offset + target.length)) {
      const end = segment.offset + segment.length
      for (let at = segment.offset; at < end;) {
        const piece = Math.floor(at / this.#geometry.pieceLength)
        const start = at - this.#geometry.pieceOffset(piece)
        const count = Math.min(end - at, this.#geometry.pieceSize(piece) - start)
        const bytes = this.#pieces.get(piece)
        const part = target.subarray(done, done + count)
        if (segment.pad) part.fill(0)
        else if (bytes === undefined) return Promise.resolve(done)
        else part.set(bytes.subarray(start, start + count))
        at += count
        done += count
      }
    }
    return Promise.resolve(done)
  }

  writeAt(source: Uint8Array, offset: number): Promise<void> {
    if (this.closed) {
      return Promise.reject(new TorrentError('ERR_TORRENTFS_CLOSED', 'the storage of this torrent is closed'))
    }
    const stop = offset + source.length
    if (!(offset >= 0 && stop <= this.#geometry.length)) {
      return Promise.reject(
        new TorrentError(
          'ERR_TORRENTFS_STORAGE',
          `cannot write ${source.length} bytes at ${offset} of a torrent of ${this.#geometry.length}`,
        ),
      )
    }
    for (let at = offset; at < stop;) {
      const piece = Math.floor(at / this.#geometry.pieceLength)
      const start = at - this.#geometry.pieceOffset(piece)
      const size = this.#geometry.pieceSize(piece)
      const count = Math.min(stop - at, size - start)
      let bytes = this.#pieces.get(piece)
      if (bytes === undefined) {
        bytes = new Uint8Array(size)
        this.#pieces.set(piece, bytes)
      }
      bytes.set(source.subarray(at - offset, at - offset + count), start)
      at += count
    }
    return Promise.resolve()
  }

  markStored(piece: number): void {
    this.stored.set(piece)
  }

  markMissing(piece: number): void {
    this.stored.clear(piece)
  }

  close(): Promise<void> {
    this.closed = true
    return Promise.resolve()
  }
}
