/**
 * Torrents in memory: for tests, and for programs that only stream. Nothing survives the process.
 *
 * Owns the bytes, a piece at a time.
 */
import type { Logger } from '../../logger.js'
import type { PieceBackend, TorrentPieces } from '../pieces/piece-backend.js'
import { PieceStorage } from '../pieces/piece-storage.js'
import type { StorageTorrent } from '../storage.js'

/** A `Storage` in memory. A torrent that is closed and opened again has what it had, until the storage is closed. */
export class MemoryStorage extends PieceStorage {
  constructor(o: { readonly logger?: Logger } = {}) {
    super(new MemoryPieces(), o)
  }
}

class MemoryPieces implements PieceBackend {
  readonly #torrents = new Map<string, MemoryTorrentPieces>()

  open({ infohash }: StorageTorrent): Promise<TorrentPieces> {
    let pieces = this.#torrents.get(infohash)
    if (pieces === undefined) {
      pieces = new MemoryTorrentPieces()
      this.#torrents.set(infohash, pieces)
    }
    return Promise.resolve(pieces)
  }

  remove({ infohash }: StorageTorrent): Promise<void> {
    this.#torrents.delete(infohash)
    return Promise.resolve()
  }

  close(): Promise<void> {
    this.#torrents.clear()
    return Promise.resolve()
  }
}

class MemoryTorrentPieces implements TorrentPieces {
  readonly durable = true
  readonly #pieces = new Map<number, Uint8Array>()

  read(piece: number, begin: number, target: Uint8Array): Promise<number> {
    return Promise.resolve(this.readNow(piece, begin, target))
  }

  readNow(piece: number, begin: number, target: Uint8Array): number {
    const part = this.#pieces.get(piece)?.subarray(begin, begin + target.length)
    if (part !== undefined) target.set(part)
    return part?.length ?? 0
  }

  write(piece: number, bytes: Uint8Array): Promise<void> {
    const kept = this.#pieces.get(piece)
    if (kept?.length === bytes.length) kept.set(bytes)
    else this.#pieces.set(piece, bytes.slice())
    return Promise.resolve()
  }

  remove(piece: number): Promise<void> {
    this.#pieces.delete(piece)
    return Promise.resolve()
  }
}
