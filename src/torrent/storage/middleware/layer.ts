/**
 * A storage in front of another one: what a middleware extends, to change only what it is about.
 *
 * Owns nothing. Passes on what every storage has, giving up of pieces and removal. No other capability: bytes that go past the
 * layer (a worker that writes files itself, a mount that reads them) are bytes it neither sees nor changes. A layer that can bear
 * that adds them.
 */
import type { Bitfield } from '../../pieces/bitfield.js'
import type { Storage, StorageTorrent, TorrentStorage } from '../storage.js'

/** Wraps each torrent of another storage. */
export abstract class StorageLayer implements Storage {
  protected readonly inner: Storage
  readonly remove?: (torrent: StorageTorrent) => Promise<void>

  /** @param inner from now on this layer's: `close` closes it */
  constructor(inner: Storage) {
    this.inner = inner
    if (inner.remove !== undefined) this.remove = torrent => inner.remove!(torrent)
  }

  async open(torrent: StorageTorrent): Promise<TorrentStorage> {
    return this.wrap(torrent, await this.inner.open(torrent))
  }

  close(): Promise<void> {
    return this.inner.close()
  }

  /** The layer in front of one open torrent. */
  protected abstract wrap(torrent: StorageTorrent, inner: TorrentStorage): TorrentStorage
}

/** Passes everything on to the torrent behind it. */
export class TorrentStorageLayer implements TorrentStorage {
  protected readonly inner: TorrentStorage
  readonly evict?: (piece: number) => Promise<void>

  constructor(inner: TorrentStorage) {
    this.inner = inner
    if (inner.evict !== undefined) this.evict = piece => inner.evict!(piece)
  }

  get stored(): Bitfield {
    return this.inner.stored
  }

  get suspect(): Bitfield {
    return this.inner.suspect
  }

  get onDoubt(): ((pieces: readonly number[]) => void) | undefined {
    return this.inner.onDoubt
  }

  set onDoubt(told: ((pieces: readonly number[]) => void) | undefined) {
    this.inner.onDoubt = told
  }

  readAt(target: Uint8Array, offset: number): Promise<number> {
    return this.inner.readAt(target, offset)
  }

  writeAt(source: Uint8Array, offset: number): Promise<void> {
    return this.inner.writeAt(source, offset)
  }

  markStored(piece: number): void {
    this.inner.markStored(piece)
  }

  markMissing(piece: number): void {
    this.inner.markMissing(piece)
  }

  close(): Promise<void> {
    return this.inner.close()
  }
}
