/**
 * Completion that lasts as long as the process: for what is not to be found again, or lies in memory itself.
 *
 * Owns one bitfield for each torrent that was opened.
 */
import { Bitfield } from '../../pieces/bitfield.js'
import type { StorageTorrent } from '../storage.js'
import type { Completion, TorrentCompletion } from './completion.js'

/** A {@link Completion} in memory. A torrent that is closed and opened again has what it had. */
export class MemoryCompletion implements Completion {
  readonly #torrents = new Map<string, Bitfield>()

  open({ infohash, geometry }: StorageTorrent): Promise<TorrentCompletion> {
    let kept = this.#torrents.get(infohash)
    if (kept?.length !== geometry.pieceCount) {
      kept = new Bitfield(geometry.pieceCount)
      this.#torrents.set(infohash, kept)
    }
    return Promise.resolve(new MemoryTorrentCompletion(kept))
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

class MemoryTorrentCompletion implements TorrentCompletion {
  readonly stored: Bitfield
  readonly sure = true
  readonly #kept: Bitfield

  constructor(kept: Bitfield) {
    this.#kept = kept
    this.stored = kept.clone()
  }

  set(piece: number, stored: boolean): Promise<void> {
    if (stored) this.#kept.set(piece)
    else this.#kept.clear(piece)
    return Promise.resolve()
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}
