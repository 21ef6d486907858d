/**
 * Files of a user, given to peers where they lie. They are read and never written: a file that is not what a torrent says is
 * left as it is, and its pieces are given to nobody.
 *
 * Owns the open files.
 */

import { open, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import {
  MemoryCompletion,
  type PieceBackend,
  type StorageFile,
  type StorageTorrent,
  type TorrentCompletion,
  type TorrentPieces,
} from '../../torrent/index.js'

/** Files kept open for a torrent; what comes after them is opened for each read. */
const MAX_OPEN = 128

/** Where the files of a torrent lie. */
export interface SharedPlace {
  /** Absolute path of the folder that holds the torrent's file or folder. */
  readonly folder: string
  /** The name there, if it is not the torrent's. */
  readonly name: string
  /** The torrent was made of these very files just now. Else they are hashed before a peer gets anything of them. */
  readonly isKnownGood: boolean
}

/** The backend of a storage of such files; the places are named before a torrent is opened. */
export class SharedFiles implements PieceBackend {
  readonly #places = new Map<string, SharedPlace>()
  readonly #completion = new MemoryCompletion()

  /** Says where a torrent lies. */
  put(infohash: string, place: SharedPlace): void {
    this.#places.set(infohash, place)
  }

  async open(torrent: StorageTorrent): Promise<TorrentPieces> {
    const place = this.#places.get(torrent.infohash)
    if (place === undefined) throw new Error('nobody said where it lies')
    const completion = await this.#completion.open(torrent)
    for (let piece = 0; piece < torrent.geometry.pieceCount; piece++) completion.stored.set(piece)
    return new SharedPieces(torrent, place, {
      stored: completion.stored,
      sure: place.isKnownGood,
      set: (piece, stored) => completion.set(piece, stored),
      close: () => completion.close(),
    })
  }
}

class SharedPieces implements TorrentPieces {
  readonly completion: TorrentCompletion
  readonly #torrent: StorageTorrent
  readonly #place: SharedPlace
  readonly #open = new Map<StorageFile, Promise<FileHandle>>()

  constructor(torrent: StorageTorrent, place: SharedPlace, completion: TorrentCompletion) {
    this.#torrent = torrent
    this.#place = place
    this.completion = completion
  }

  async read(piece: number, begin: number, target: Uint8Array): Promise<number> {
    const { files, geometry } = this.#torrent
    const from = geometry.pieceOffset(piece) + begin
    let done = 0
    for (const segment of geometry.segments(from, from + target.length)) {
      const part = target.subarray(done, done + segment.length)
      const file = files[segment.file]!
      const count = file.pad ? part.fill(0).length : await this.#readFile(file, part, segment.fileOffset)
      done += count
      if (count < part.length) break
    }
    return done
  }

  write(): Promise<void> {
    return Promise.reject(new Error('files that are served are not written'))
  }

  remove(): Promise<void> {
    return Promise.resolve()
  }

  async close(): Promise<void> {
    await Promise.all(
      [...this.#open.values()].map(opening =>
        opening.then(
          file => file.close(),
          () => undefined,
        ),
      ),
    )
  }

  /** How many bytes there are, up to the length of `target`: none of a file that is not there. */
  async #readFile(file: StorageFile, target: Uint8Array, offset: number): Promise<number> {
    let handle: FileHandle
    const known = this.#open.get(file)
    try {
      handle = await (known ?? this.#openFile(file))
    } catch (error) {
      this.#open.delete(file)
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0
      throw error
    }
    try {
      let done = 0
      while (done < target.length) {
        const { bytesRead } = await handle.read(target, done, target.length - done, offset + done)
        if (bytesRead === 0) break
        done += bytesRead
      }
      return done
    } finally {
      if (!this.#open.has(file)) await handle.close()
    }
  }

  #openFile(file: StorageFile): Promise<FileHandle> {
    const [, ...below] = file.path
    const opening = open(join(this.#place.folder, this.#place.name, ...below), 'r')
    if (this.#open.size < MAX_OPEN) this.#open.set(file, opening)
    return opening
  }
}
