/**
 * A storage made of a place that holds whole pieces.
 *
 * Owns which torrents are open, and joins a {@link PieceBackend} with a {@link Completion}.
 */
import { messageOf, TorrentError } from '../../errors.js'
import { silentLogger } from '../../logger.js'
import type { Logger } from '../../logger.js'
import type { Completion } from '../completion/completion.js'
import { MemoryCompletion } from '../completion/memory-completion.js'
import { storageFailure } from '../failure.js'
import type { Storage, StorageTorrent, TorrentStorage } from '../storage.js'
import type { PieceBackend } from './piece-backend.js'
import { PieceTorrentStorage } from './piece-torrent-storage.js'

/** How a {@link PieceStorage} is made. */
export interface PieceStorageOptions {
  /**
   * What remembers which pieces are stored. Owned by the storage from then on. Default: the backend's own if it has one, else
   * a {@link MemoryCompletion}, with which every start fetches anew.
   */
  readonly completion?: Completion
  /** Default: silent. */
  readonly logger?: Logger
}

/** A {@link Storage} over a backend, which it owns from then on. */
export class PieceStorage implements Storage {
  readonly #backend: PieceBackend
  readonly #completion: Completion | undefined
  readonly #fallback = new MemoryCompletion()
  readonly #logger: Logger
  readonly #open = new Map<string, Promise<PieceTorrentStorage>>()
  readonly #removing = new Map<string, Promise<void>>()
  #closing: Promise<void> | undefined

  constructor(backend: PieceBackend, o: PieceStorageOptions = {}) {
    this.#backend = backend
    this.#completion = o.completion
    this.#logger = o.logger ?? silentLogger
  }

  async open(torrent: StorageTorrent): Promise<TorrentStorage> {
    const { infohash } = torrent
    this.#checkUnused(infohash)
    const opening = this.#openNew(torrent)
    this.#open.set(infohash, opening)
    try {
      return await opening
    } catch (thrown) {
      this.#open.delete(infohash)
      throw storageFailure(thrown, 'open torrent', infohash)
    }
  }

  async remove(torrent: StorageTorrent): Promise<void> {
    const { infohash } = torrent
    this.#checkUnused(infohash)
    const removing = this.#remove(torrent)
    this.#removing.set(infohash, removing)
    try {
      await removing
    } catch (thrown) {
      throw storageFailure(thrown, 'remove torrent', infohash)
    } finally {
      this.#removing.delete(infohash)
    }
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  /** @throws unless the torrent may be opened or removed now */
  #checkUnused(infohash: string): void {
    if (this.#closing !== undefined) throw new TorrentError('ERR_TORRENTFS_CLOSED', 'the storage is closed')
    if (!/^[0-9a-f]{40}$/.test(infohash)) {
      throw new TorrentError('ERR_TORRENTFS_ARGUMENT', `not an infohash: ${infohash}`)
    }
    if (this.#open.has(infohash) || this.#removing.has(infohash)) {
      throw new TorrentError('ERR_TORRENTFS_STORAGE', `torrent ${infohash} is open already`)
    }
  }

  async #openNew(torrent: StorageTorrent): Promise<PieceTorrentStorage> {
    const { infohash, geometry } = torrent
    const pieces = await this.#backend.open(torrent)
    try {
      const own = this.#completion === undefined ? pieces.completion : undefined
      const completion = own ?? (await (this.#completion ?? this.#fallback).open(torrent))
      if (completion.stored.length !== geometry.pieceCount) {
        const what = `${completion.stored.length} marks for ${geometry.pieceCount} pieces of ${infohash}`
        throw new TorrentError('ERR_TORRENTFS_STORAGE', `the completion returned ${what}`)
      }
      return new PieceTorrentStorage({
        torrent,
        pieces,
        completion,
        own: own !== undefined,
        logger: this.#logger,
        closed: () => this.#open.delete(infohash),
      })
    } catch (thrown) {
      await pieces.close?.()
      throw thrown
    }
  }

  /** The marks first: bytes without a mark are only wasted, a mark without bytes is a lie. */
  async #remove(torrent: StorageTorrent): Promise<void> {
    await this.#completion?.remove(torrent)
    await this.#fallback.remove(torrent)
    if (this.#backend.remove !== undefined) return this.#backend.remove(torrent)
    const pieces = await this.#backend.open(torrent)
    try {
      for (let piece = 0; piece < torrent.geometry.pieceCount; piece++) await pieces.remove(piece)
    } finally {
      await pieces.close?.()
    }
  }

  async #close(): Promise<void> {
    const opened = await Promise.allSettled(this.#open.values())
    await Promise.allSettled(this.#removing.values())
    for (const result of opened) if (result.status === 'fulfilled') await result.value.close()
    for (const part of [this.#backend, this.#completion, this.#fallback]) {
      try {
        await part?.close?.()
      } catch (thrown) {
        this.#logger.warn({ error: messageOf(thrown) }, 'closing the storage failed')
      }
    }
  }
}
