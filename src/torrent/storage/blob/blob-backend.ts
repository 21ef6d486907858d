/**
 * Pieces as objects that are named by their hash. A piece is stored when there is an object of its name: nothing else is kept.
 *
 * Owns which torrents are open, since an object may be a piece of several (or twice of one): it is removed when no open torrent
 * has it stored any more. One that is not open finds out what is left when it is opened. Bytes that do not match the
 * piece's hash never get a name: they are kept in memory until the rest of the piece comes, or the torrent is closed.
 */
import { TorrentError } from '../../errors.js'
import { Bitfield } from '../../pieces/bitfield.js'
import type { TorrentCompletion } from '../completion/completion.js'
import type { PieceBackend, TorrentPieces } from '../pieces/piece-backend.js'
import type { StorageTorrent } from '../storage.js'
import { CheckedObjects, hashOf } from './checked-objects.js'
import { inParallel, ObjectIndex } from './object-index.js'
import type { ObjectStore } from './object-store.js'

const DIGEST = 20
/** Of bytes that match no hash, over all torrents. The engine never writes such. */
const MOST_UNMATCHED = 64 * 1024 * 1024

/** What the torrents of one backend share. */
interface Shared {
  readonly index: ObjectIndex
  readonly objects: CheckedObjects
  readonly open: Set<BlobPieces>
  unmatchedBytes: number
}

/** A {@link PieceBackend} of objects. */
export class BlobBackend implements PieceBackend {
  readonly #store: ObjectStore
  readonly #shared: Shared

  /** @param o.cacheBytes of whole objects in memory */
  constructor(store: ObjectStore, o: { readonly cacheBytes: number }) {
    this.#store = store
    this.#shared = {
      index: new ObjectIndex(store),
      objects: new CheckedObjects(store, o.cacheBytes),
      open: new Set(),
      unmatchedBytes: 0,
    }
  }

  async open(torrent: StorageTorrent): Promise<TorrentPieces> {
    const pieces = new BlobPieces(torrent, this.#shared)
    await pieces.find()
    this.#shared.open.add(pieces)
    return pieces
  }

  async remove(torrent: StorageTorrent): Promise<void> {
    const pieces = new BlobPieces(torrent, this.#shared)
    await pieces.find()
    await inParallel([...Array(torrent.geometry.pieceCount).keys()], piece => pieces.remove(piece))
  }

  close(): Promise<void> {
    return this.#store.close()
  }
}

class BlobPieces implements TorrentPieces {
  readonly durable = true
  readonly completion: TorrentCompletion
  /** Live: the storage's own. */
  readonly stored: Bitfield
  readonly #torrent: StorageTorrent
  readonly #hashes: Buffer
  readonly #shared: Shared
  readonly #unmatched = new Map<number, Uint8Array>()

  constructor(torrent: StorageTorrent, shared: Shared) {
    this.#torrent = torrent
    const { buffer, byteOffset, length } = torrent.pieceHashes
    this.#hashes = Buffer.from(buffer, byteOffset, length)
    this.#shared = shared
    this.stored = new Bitfield(torrent.geometry.pieceCount)
    this.completion = {
      stored: this.stored,
      // Whatever lies there is hashed before it is given out.
      sure: true,
      set: (piece, stored) => this.#set(piece, stored),
      close: () => Promise.resolve(),
    }
  }

  /** Sees which pieces are there. */
  async find(): Promise<void> {
    const { index } = this.#shared
    const count = this.#torrent.geometry.pieceCount
    await index.know(Array.from({ length: count }, (_, piece) => this.#name(piece).slice(0, 2)))
    for (let piece = 0; piece < count; piece++) {
      if (index.has(this.#name(piece), this.#size(piece))) this.stored.set(piece)
    }
  }

  async read(piece: number, begin: number, target: Uint8Array): Promise<number> {
    const unmatched = this.#unmatched.get(piece)
    if (unmatched !== undefined) {
      const part = unmatched.subarray(begin, begin + target.length)
      target.set(part)
      return part.length
    }
    const name = this.#name(piece)
    const size = this.#size(piece)
    const part = target.subarray(0, Math.max(0, size - begin))
    if (!this.#shared.index.has(name, size)) return 0
    if (await this.#shared.objects.read(name, size, begin, part)) return part.length
    this.#shared.index.delete(name)
    return 0
  }

  async write(piece: number, bytes: Uint8Array): Promise<void> {
    if ((await hashOf(bytes)) === this.#name(piece)) {
      this.#forgetUnmatched(piece)
      await this.#put(piece, bytes)
      return
    }
    const more = bytes.length - (this.#unmatched.get(piece)?.length ?? 0)
    if (this.#shared.unmatchedBytes + more > MOST_UNMATCHED) {
      throw new TorrentError(
        'ERR_TORRENTFS_STORAGE',
        `cannot keep more parts of pieces: piece ${piece} of ${this.#torrent.infohash} does not match its hash`,
      )
    }
    this.#shared.unmatchedBytes += more
    this.#unmatched.set(piece, bytes.slice())
  }

  /** The hash was compared by the caller. */
  async store(piece: number, bytes: Uint8Array): Promise<void> {
    this.#forgetUnmatched(piece)
    await this.#put(piece, bytes)
  }

  async remove(piece: number): Promise<void> {
    this.#forgetUnmatched(piece)
    if (!this.#isShared(piece)) await this.#removeObject(piece)
  }

  close(): Promise<void> {
    for (const piece of [...this.#unmatched.keys()]) this.#forgetUnmatched(piece)
    this.#shared.open.delete(this)
    return Promise.resolve()
  }

  async #set(piece: number, stored: boolean): Promise<void> {
    // It was found wrong: it is so for everybody.
    if (!stored) await this.#removeObject(piece)
    else if (this.#unmatched.has(piece)) {
      throw new TorrentError('ERR_TORRENTFS_STORAGE', `piece ${piece} does not match its hash`)
    }
  }

  async #put(piece: number, bytes: Uint8Array): Promise<void> {
    await this.#shared.objects.put(this.#name(piece), bytes)
    this.#shared.index.add(this.#name(piece), bytes.length)
  }

  async #removeObject(piece: number): Promise<void> {
    this.#shared.index.delete(this.#name(piece))
    await this.#shared.objects.remove(this.#name(piece))
  }

  /** Whether an open torrent has another piece of this hash stored. The bit of this one is clear by now. */
  #isShared(piece: number): boolean {
    const hash = this.#hashes.subarray(piece * DIGEST, (piece + 1) * DIGEST)
    for (const other of this.#shared.open) if (other.#hasStored(hash)) return true
    return false
  }

  #hasStored(hash: Buffer): boolean {
    if (this.stored.empty) return false
    for (let at = this.#hashes.indexOf(hash); at >= 0; at = this.#hashes.indexOf(hash, at + 1)) {
      if (at % DIGEST === 0 && this.stored.get(at / DIGEST)) return true
    }
    return false
  }

  #forgetUnmatched(piece: number): void {
    this.#shared.unmatchedBytes -= this.#unmatched.get(piece)?.length ?? 0
    this.#unmatched.delete(piece)
  }

  #name(piece: number): string {
    return this.#hashes.toString('hex', piece * DIGEST, (piece + 1) * DIGEST)
  }

  #size(piece: number): number {
    return this.#torrent.geometry.pieceSize(piece)
  }
}
