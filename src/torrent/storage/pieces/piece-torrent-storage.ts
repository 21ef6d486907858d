/**
 * One torrent over a place that holds whole pieces: ranges, pads, parts of pieces, and which are stored.
 *
 * Owns the live bitfields and the order of what is done to one piece. Must not know how pieces are kept.
 */
import { messageOf, TorrentError } from '../../errors.js'
import type { Logger } from '../../logger.js'
import { Bitfield } from '../../pieces/bitfield.js'
import type { Geometry } from '../../pieces/geometry.js'
import type { TorrentCompletion } from '../completion/completion.js'
import { storageFailure } from '../failure.js'
import type { StorageTorrent, TorrentStorage } from '../storage.js'
import type { TorrentPieces } from './piece-backend.js'

const NOTHING = new Bitfield(0)

/** The part of one piece that a range covers. */
interface Part {
  readonly piece: number
  /** First byte within the piece. */
  readonly begin: number
  readonly length: number
}

/** Made by `PieceStorage.open`. */
export class PieceTorrentStorage implements TorrentStorage {
  readonly stored: Bitfield
  onDoubt: ((pieces: readonly number[]) => void) | undefined
  readonly readNow?: (target: Uint8Array, offset: number) => number | undefined
  readonly #geometry: Geometry
  readonly #infohash: string
  readonly #pieces: TorrentPieces
  readonly #completion: TorrentCompletion
  /** The completion is the backend's own: what it stores and removes it marks as well. */
  readonly #own: boolean
  readonly #logger: Logger
  readonly #closed: () => void
  #suspect: Bitfield
  /** What was last begun on each piece, by piece: one thing after another. */
  readonly #last = new Map<number, Promise<void>>()
  readonly #reading = new Set<Promise<number>>()
  #failing = false
  #closing: Promise<void> | undefined

  constructor(o: {
    torrent: StorageTorrent
    pieces: TorrentPieces
    completion: TorrentCompletion
    own: boolean
    logger: Logger
    closed: () => void
  }) {
    this.#geometry = o.torrent.geometry
    this.#infohash = o.torrent.infohash
    this.#pieces = o.pieces
    this.#completion = o.completion
    this.#own = o.own
    this.#logger = o.logger
    this.#closed = o.closed
    if (o.pieces.readNow !== undefined) this.readNow = (target, offset) => this.#readNow(target, offset)
    const found = o.completion.stored
    const trusted = o.completion.sure || o.pieces.durable === true
    this.stored = trusted ? found : new Bitfield(found.length)
    this.#suspect = trusted ? NOTHING : found
  }

  get suspect(): Bitfield {
    return this.#suspect
  }

  async readAt(target: Uint8Array, offset: number): Promise<number> {
    let done = 0
    for (const segment of this.#geometry.segments(offset, offset + target.length)) {
      if (segment.pad) {
        target.fill(0, done, done + segment.length)
        done += segment.length
        continue
      }
      for (const { piece, begin, length } of this.#parts(segment.offset, segment.offset + segment.length)) {
        const count = await this.#read(piece, begin, target.subarray(done, done + length))
        done += count
        if (count < length) return done
      }
    }
    return done
  }

  async writeAt(source: Uint8Array, offset: number): Promise<void> {
    const end = offset + source.length
    if (!(offset >= 0 && end <= this.#geometry.length)) {
      const what = `cannot write ${source.length} bytes at ${offset} of a torrent of ${this.#geometry.length}`
      throw new TorrentError('ERR_TORRENTFS_STORAGE', what)
    }
    let done = 0
    for (const { piece, begin, length } of this.#parts(offset, end)) {
      this.#checkOpen()
      const part = source.subarray(done, done + length)
      await this.#next(piece, 'write', async () => {
        await this.#pieces.write(piece, await this.#whole(piece, begin, part))
      })
      done += length
    }
  }

  async store(piece: number, bytes: Uint8Array): Promise<void> {
    this.#checkOpen()
    const size = this.#geometry.pieceSize(piece)
    if (size === 0 || bytes.length !== size) {
      const what = `cannot store ${bytes.length} bytes as piece ${piece} (${size} bytes) of ${this.#infohash}`
      throw new TorrentError('ERR_TORRENTFS_STORAGE', what)
    }
    await this.#next(piece, 'write', async () => {
      if (this.#own && this.#pieces.store !== undefined) return this.#pieces.store(piece, bytes)
      await this.#pieces.write(piece, bytes)
      await this.#completion.set(piece, true)
    })
    this.#mark(piece)
  }

  markStored(piece: number): void {
    if (this.#closing !== undefined || this.stored.get(piece) || piece >= this.#geometry.pieceCount) return
    this.#mark(piece)
    this.#keep(piece, true)
  }

  markMissing(piece: number): void {
    if (this.#closing !== undefined || !this.#forget(piece)) return
    this.#keep(piece, false)
  }

  async evict(piece: number): Promise<void> {
    this.#checkOpen()
    this.#forget(piece)
    await this.#next(piece, 'remove', async () => {
      if (!this.#own) await this.#completion.set(piece, false)
      await this.#pieces.remove(piece)
    })
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async #close(): Promise<void> {
    await Promise.allSettled([...this.#last.values(), ...this.#reading])
    try {
      await this.#pieces.close?.()
      await this.#completion.close()
    } catch (thrown) {
      this.#logger.warn({ infohash: this.#infohash, error: messageOf(thrown) }, 'closing a torrent failed')
    }
    this.#closed()
  }

  #checkOpen(): void {
    if (this.#closing === undefined) return
    throw new TorrentError('ERR_TORRENTFS_CLOSED', `the storage of torrent ${this.#infohash} is closed`)
  }

  *#parts(from: number, to: number): Generator<Part, void, undefined> {
    for (let at = from; at < to;) {
      const piece = Math.floor(at / this.#geometry.pieceLength)
      const begin = at - this.#geometry.pieceOffset(piece)
      const length = Math.min(to - at, this.#geometry.pieceSize(piece) - begin)
      yield { piece, begin, length }
      at += length
    }
  }

  async #read(piece: number, begin: number, target: Uint8Array): Promise<number> {
    this.#checkOpen()
    const reading = this.#pieces.read(piece, begin, target)
    this.#reading.add(reading)
    let count: number
    try {
      count = await reading
    } catch (thrown) {
      throw storageFailure(thrown, 'read', this.#nameOf(piece))
    } finally {
      this.#reading.delete(reading)
    }
    if (Number.isInteger(count) && count >= 0 && count <= target.length) return count
    const what = `reading ${this.#nameOf(piece)} returned ${count} of ${target.length} bytes`
    throw new TorrentError('ERR_TORRENTFS_STORAGE', what)
  }

  #readNow(target: Uint8Array, offset: number): number | undefined {
    if (this.#closing !== undefined) return undefined
    let done = 0
    for (const segment of this.#geometry.segments(offset, offset + target.length)) {
      if (segment.pad) target.fill(0, done, done + segment.length)
      if (segment.pad) done += segment.length
      else {
        for (const { piece, begin, length } of this.#parts(segment.offset, segment.offset + segment.length)) {
          const count = this.#pieces.readNow!(piece, begin, target.subarray(done, done + length))
          if (count === undefined) return undefined
          done += count
          if (count < length) return done
        }
      }
    }
    return done
  }

  /** A whole piece with `part` at `begin`, and zeros where it has pads or nothing was written yet. */
  async #whole(piece: number, begin: number, part: Uint8Array): Promise<Uint8Array> {
    const size = this.#geometry.pieceSize(piece)
    const pads = this.#geometry.hasPad(piece)
    if (part.length === size && !pads) return part
    const whole = new Uint8Array(size)
    if (part.length < size) await this.#read(piece, 0, whole)
    whole.set(part, begin)
    if (!pads) return whole
    const offset = this.#geometry.pieceOffset(piece)
    for (const segment of this.#geometry.segments(offset, offset + size)) {
      if (segment.pad) whole.fill(0, segment.offset - offset, segment.offset - offset + segment.length)
    }
    return whole
  }

  /** Does something to a piece when what was begun before it has ended, well or not. */
  async #next(piece: number, doing: string, action: () => Promise<void>): Promise<void> {
    const before = this.#last.get(piece)
    const now = before === undefined ? action() : before.catch(() => undefined).then(action)
    this.#last.set(piece, now)
    try {
      await now
    } catch (thrown) {
      throw storageFailure(thrown, doing, this.#nameOf(piece))
    } finally {
      if (this.#last.get(piece) === now) this.#last.delete(piece)
    }
  }

  #mark(piece: number): void {
    this.stored.set(piece)
    this.#clearSuspect(piece)
  }

  /** @returns whether that changed anything */
  #forget(piece: number): boolean {
    const wasStored = this.stored.clear(piece)
    return this.#clearSuspect(piece) || wasStored
  }

  #clearSuspect(piece: number): boolean {
    const changed = this.#suspect.clear(piece)
    if (this.#suspect.empty) this.#suspect = NOTHING
    return changed
  }

  /** Keeps a mark; one that is lost costs fetching or hashing a piece again. */
  #keep(piece: number, stored: boolean): void {
    this.#next(piece, 'mark', () => this.#completion.set(piece, stored)).then(
      () => (this.#failing = false),
      (thrown: unknown) => {
        if (!this.#failing)
          this.#logger.warn({ error: messageOf(thrown) }, 'cannot keep which pieces are stored')
        this.#failing = true
      },
    )
  }

  #nameOf(piece: number): string {
    return `piece ${piece} of ${this.#infohash}`
  }
}
