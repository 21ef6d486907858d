/**
 * Reads that could not be answered yet. A blocked read is this record and nothing else: no thread, no buffer.
 */
import type { OpenHandle } from './open-handles.js'
import type { SessionTorrent } from './session-tree.js'

export interface BlockedRead {
  readonly unique: number
  /** Thread that asked; 0 when unknown. */
  readonly pid: number
  readonly handle: OpenHandle
  /** Bytes from the start of the file. */
  readonly position: number
  readonly length: number
  /** What the engine's side was asked for it. */
  asked: 'need' | 'fetch' | undefined
}

interface TorrentReads {
  readonly reads: Set<BlockedRead>
  /** Version of the pieces when they were looked at. */
  version: number
}

export class BlockedReads {
  readonly #byUnique = new Map<number, BlockedRead>()
  readonly #byTorrent = new Map<SessionTorrent, TorrentReads>()

  get size(): number {
    return this.#byUnique.size
  }

  get(unique: number): BlockedRead | undefined {
    return this.#byUnique.get(unique)
  }

  [Symbol.iterator](): IterableIterator<BlockedRead> {
    return this.#byUnique.values()
  }

  add(read: BlockedRead): void {
    const { torrent } = read.handle.file
    this.#byUnique.set(read.unique, read)
    const of = this.#byTorrent.get(torrent)
    if (of) of.reads.add(read)
    else this.#byTorrent.set(torrent, { reads: new Set([read]), version: torrent.pieces?.version ?? -1 })
  }

  remove(read: BlockedRead): void {
    this.#byUnique.delete(read.unique)
    const { torrent } = read.handle.file
    const of = this.#byTorrent.get(torrent)
    if (of?.reads.delete(read) && of.reads.size === 0) this.#byTorrent.delete(torrent)
  }

  /** Reads of a torrent, the oldest first. */
  of(torrent: SessionTorrent): BlockedRead[] {
    return [...(this.#byTorrent.get(torrent)?.reads ?? [])]
  }

  /** Torrents with blocked reads whose pieces changed since the last call. */
  changed(): SessionTorrent[] {
    const changed: SessionTorrent[] = []
    for (const [torrent, of] of this.#byTorrent) {
      const version = torrent.pieces?.version ?? -1
      if (version === of.version) continue
      of.version = version
      changed.push(torrent)
    }
    return changed
  }
}
