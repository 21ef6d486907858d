/**
 * A database as a place for pieces, or for marks alone: what is asked of its thread.
 *
 * Owns the thread.
 */
import { Bitfield } from '../../pieces/bitfield.js'
import type { Geometry } from '../../pieces/geometry.js'
import type { TorrentCompletion } from '../completion/completion.js'
import type { MarksPlace } from '../completion/kept-completion.js'
import type { PieceBackend, TorrentPieces } from '../pieces/piece-backend.js'
import type { StorageTorrent } from '../storage.js'
import { RecentPieces } from '../pieces/recent-pieces.js'
import { forMessage, type DatabaseThread } from './database-thread.js'

/** Bytes of pieces kept in memory: asking the thread costs a message each way, and the copy. */
const RECENT_BYTES = 16 * 1024 * 1024

/** The pieces in a database, which it owns. */
export class DatabasePieces implements PieceBackend {
  readonly #thread: DatabaseThread
  readonly #recent = new RecentPieces(RECENT_BYTES)

  constructor(thread: DatabaseThread) {
    this.#thread = thread
  }

  async open({ infohash, geometry }: StorageTorrent): Promise<TorrentPieces> {
    const { pieceCount: pieces, pieceLength } = geometry
    const bits = await this.#thread.perform({ kind: 'open', infohash, pieces, pieceLength })
    const stored = bits === undefined ? new Bitfield(pieces) : Bitfield.fromWire(bits, pieces)
    return new DatabaseTorrentPieces({
      thread: this.#thread,
      recent: this.#recent,
      infohash,
      geometry,
      stored,
    })
  }

  async remove({ infohash }: StorageTorrent): Promise<void> {
    let more: Uint8Array | undefined
    do more = await this.#thread.perform({ kind: 'removeTorrent', infohash })
    while (more?.[0] === 1)
  }

  close(): Promise<void> {
    return this.#thread.close()
  }
}

class DatabaseTorrentPieces implements TorrentPieces {
  readonly durable = true
  readonly completion: TorrentCompletion
  readonly #thread: DatabaseThread
  readonly #recent: RecentPieces
  readonly #infohash: string
  readonly #geometry: Geometry

  constructor(o: {
    thread: DatabaseThread
    recent: RecentPieces
    infohash: string
    geometry: Geometry
    stored: Bitfield
  }) {
    const { thread, infohash, stored } = o
    this.#thread = thread
    this.#recent = o.recent
    this.#infohash = infohash
    this.#geometry = o.geometry
    this.completion = {
      stored,
      sure: true,
      set: async (piece, marked) => {
        await thread.perform({ kind: 'mark', infohash, piece, stored: marked })
      },
      close: () => Promise.resolve(),
    }
  }

  async read(piece: number, begin: number, target: Uint8Array): Promise<number> {
    const now = this.readNow(piece, begin, target)
    if (now !== undefined) return now
    const infohash = this.#infohash
    const size = this.#geometry.pieceSize(piece)
    const { length } = target
    const bytes = await this.#thread.perform({ kind: 'read', infohash, piece, size, begin, length })
    if (bytes === undefined) return 0
    target.set(bytes)
    return bytes.length
  }

  readNow(piece: number, begin: number, target: Uint8Array): number | undefined {
    return this.#recent.read(this.#infohash, piece, begin, target)
  }

  write(piece: number, bytes: Uint8Array): Promise<void> {
    return this.#write(piece, bytes, false)
  }

  store(piece: number, bytes: Uint8Array): Promise<void> {
    return this.#write(piece, bytes, true)
  }

  async remove(piece: number): Promise<void> {
    this.#recent.delete(this.#infohash, piece)
    await this.#thread.perform({ kind: 'remove', infohash: this.#infohash, piece })
  }

  close(): Promise<void> {
    this.#recent.deleteTorrent(this.#infohash)
    return Promise.resolve()
  }

  async #write(piece: number, bytes: Uint8Array, stored: boolean): Promise<void> {
    const infohash = this.#infohash
    this.#recent.delete(infohash, piece)
    await this.#thread.perform({ kind: 'write', infohash, piece, bytes: forMessage(bytes), stored })
    this.#recent.add(infohash, piece, bytes)
  }
}

/** Keeps the marks of torrents whose bytes lie elsewhere. */
export class DatabaseMarks implements MarksPlace {
  readonly #thread: DatabaseThread

  constructor(thread: DatabaseThread) {
    this.#thread = thread
  }

  load(infohash: string, size: number): Promise<Uint8Array | undefined> {
    return this.#thread.perform({ kind: 'loadMarks', infohash, size })
  }

  async save(infohash: string, bytes: Uint8Array, sync: boolean): Promise<void> {
    await this.#thread.perform({ kind: 'saveMarks', infohash, bytes, sync })
  }

  async remove(infohash: string): Promise<void> {
    await this.#thread.perform({ kind: 'removeMarks', infohash })
  }

  close(): Promise<void> {
    return this.#thread.close()
  }
}
