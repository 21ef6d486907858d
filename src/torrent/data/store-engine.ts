/**
 * The work of a store worker: hashes slabs, writes good pieces, verifies pieces on disk. Synchronous.
 *
 * Owns what the worker knows of slabs and torrents. Must not know threads or messages' timing. Never throws.
 */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { TorrentError, messageOf } from '../errors.js'
import { BLOCK_LENGTH, Geometry } from '../pieces/geometry.js'
import { DirectFiles } from '../storage/file/direct-files.js'
import { DirectPieces } from '../storage/file/direct-pieces.js'
import type { DirectResult, DirectTorrent } from '../storage/file/direct-pieces.js'
import { MappedWriter } from '../storage/mmap/mapped-writer.js'
import type { StoreOperation, StoreReply, StoreRequest, TorrentIntroduction } from './store-protocol.js'

const DIGEST = 20
/** Bytes read at a time while verifying: enough to make calls cheap, little enough to stay in the cache. */
const READ_LENGTH = 256 * 1024

class KnownTorrent implements DirectTorrent {
  readonly geometry: Geometry
  readonly pieceHashes: Uint8Array
  readonly root: string
  readonly direct: boolean
  readonly mapped: boolean
  /** The journal last written to, whose file is open. */
  journal: string | undefined
  readonly #paths: readonly (readonly string[])[]
  readonly #parts: readonly (readonly string[] | undefined)[]

  constructor(introduction: TorrentIntroduction) {
    const { length, pieceLength, files, pieceHashes, direct } = introduction
    this.geometry = new Geometry({ length, pieceLength, files })
    this.pieceHashes = pieceHashes
    this.direct = direct !== undefined
    this.mapped = direct?.mapped === true
    this.root = direct?.root ?? ''
    this.#paths = direct?.paths ?? []
    this.#parts = direct?.parts ?? []
  }

  path(file: number): readonly string[] {
    return this.#paths[file]!
  }

  part(file: number): readonly string[] | undefined {
    return this.#parts[file]
  }

  matches(piece: number, digest: Uint8Array): boolean {
    const at = piece * DIGEST
    return Buffer.compare(digest, this.pieceHashes.subarray(at, at + DIGEST)) === 0
  }
}

/** One worker's state. */
export class StoreEngine {
  readonly #slabs = new Map<number, Uint8Array>()
  readonly #torrents = new Map<number, KnownTorrent>()
  readonly #called = new DirectPieces()
  #mapped: DirectPieces | undefined
  #buffer: Uint8Array | undefined

  /** Takes the introductions of a request. Call `finish` after its operations. */
  begin(request: StoreRequest): void {
    for (const { id, memory } of request.slabs) this.#slabs.set(id, new Uint8Array(memory))
    for (const torrent of request.torrents) this.#torrents.set(torrent.id, new KnownTorrent(torrent))
  }

  /** Performs one operation. */
  perform(operation: StoreOperation): StoreReply {
    try {
      const torrent = this.#torrents.get(operation.torrent)
      if (torrent === undefined)
        throw new TorrentError('ERR_TORRENTFS_STORAGE', 'the store does not know this torrent')
      if (operation.journal !== undefined && operation.journal !== torrent.journal) {
        if (torrent.journal !== undefined) this.#of(torrent).closeBelow(torrent.journal)
        torrent.journal = operation.journal
      }
      if (operation.kind === 'free') return this.#free(operation, torrent)
      if (operation.kind === 'verify') return this.#verify(operation, torrent)
      return this.#store(operation, torrent)
    } catch (thrown) {
      return { id: operation.id, kind: 'failed', error: plain(thrown) }
    }
  }

  /** Forgets what a request says to forget. */
  finish(request: StoreRequest): void {
    for (const id of request.forget) {
      const torrent = this.#torrents.get(id)
      this.#torrents.delete(id)
      if (torrent === undefined || !torrent.direct || torrent.geometry.files.length === 0) continue
      this.#of(torrent).closeBelow(join(torrent.root, torrent.path(0)[0]!))
      if (torrent.journal !== undefined) this.#of(torrent).closeBelow(torrent.journal)
    }
    for (const id of request.drop) this.#slabs.delete(id)
  }

  /** Closes every file. */
  close(): void {
    this.#called.close()
    this.#mapped?.close()
  }

  #of({ mapped }: KnownTorrent): DirectPieces {
    if (!mapped) return this.#called
    return (this.#mapped ??= new DirectPieces(new DirectFiles({ writer: new MappedWriter() })))
  }

  #store(operation: StoreOperation, torrent: KnownTorrent): StoreReply {
    const { id, piece } = operation
    const slab = this.#slabs.get(operation.slab)
    const size = torrent.geometry.pieceSize(piece)
    if (slab === undefined || size === 0 || slab.length < size) {
      throw new TorrentError('ERR_TORRENTFS_STORAGE', `no slab with piece ${piece}`)
    }
    const bytes = slab.subarray(0, size)
    const offset = torrent.geometry.pieceOffset(piece)
    if (torrent.geometry.hasPad(piece)) zeroPads(torrent.geometry, bytes, offset)
    if (!torrent.matches(piece, createHash('sha1').update(bytes).digest())) {
      return { id, kind: 'bad', digests: blockDigests(bytes) }
    }
    const digests = operation.digests ? { digests: blockDigests(bytes) } : {}
    if (operation.kind === 'hash') return { id, kind: 'good', ...digests }
    const result = this.#of(torrent).write(torrent, bytes, offset, piece, operation.journal ?? '')
    return { ...reply(id, result), ...digests }
  }

  #free({ id, range, journal }: StoreOperation, torrent: KnownTorrent): StoreReply {
    if (range === undefined) throw new TorrentError('ERR_TORRENTFS_STORAGE', 'nothing to free was named')
    return reply(id, this.#of(torrent).free(torrent, range.begin, range.end, journal ?? ''))
  }

  #verify(operation: StoreOperation, torrent: KnownTorrent): StoreReply {
    const { id, piece, journal } = operation
    const begin = torrent.geometry.pieceOffset(piece)
    const end = begin + torrent.geometry.pieceSize(piece)
    const hash = createHash('sha1')
    this.#buffer ??= new Uint8Array(READ_LENGTH)
    const touched = this.#of(torrent).read(torrent, begin, end, this.#buffer, bytes => hash.update(bytes))
    if (touched === undefined || !torrent.matches(piece, hash.digest())) return { id, kind: 'bad' }
    // A failure to journal is no failure to verify: the next start verifies again.
    const { record } = this.#of(torrent).found(piece, touched, journal)
    return record === undefined ? { id, kind: 'good' } : { id, kind: 'good', record }
  }
}

function reply(id: number, result: DirectResult): StoreReply {
  const record = result.record === undefined ? {} : { record: result.record }
  if (result.error === undefined) return { id, kind: 'good', ...record }
  return { id, kind: 'failed', ...record, error: plain(result.error) }
}

/** An error as data: errors lose their class on the way between threads. */
function plain(thrown: unknown): NonNullable<StoreReply['error']> {
  if (thrown instanceof TorrentError) return { code: thrown.code, message: thrown.message }
  return { code: 'ERR_TORRENTFS_STORAGE', message: messageOf(thrown) }
}

function zeroPads(geometry: Geometry, bytes: Uint8Array, offset: number): void {
  for (const segment of geometry.segments(offset, offset + bytes.length)) {
    if (!segment.pad) continue
    bytes.fill(0, segment.offset - offset, segment.offset - offset + segment.length)
  }
}

/** SHA-1 of each block, 20 bytes each. */
function blockDigests(bytes: Uint8Array): Uint8Array {
  const count = Math.ceil(bytes.length / BLOCK_LENGTH)
  const digests = new Uint8Array(count * DIGEST)
  for (let block = 0; block < count; block++) {
    const part = bytes.subarray(block * BLOCK_LENGTH, (block + 1) * BLOCK_LENGTH)
    digests.set(createHash('sha1').update(part).digest(), block * DIGEST)
  }
  return digests
}
