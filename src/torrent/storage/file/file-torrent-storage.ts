/**
 * One torrent in real files: sparse, at the torrent's own offsets, so that anyone may read them as they are.
 *
 * Owns the torrent's state while it is open. Must not choose names (file-storage does), nor hash.
 */
import { statSync, type BigIntStats } from 'node:fs'
import { TorrentError } from '../../errors.js'
import type { Logger } from '../../logger.js'
import type { Bitfield } from '../../pieces/bitfield.js'
import type { Geometry } from '../../pieces/geometry.js'
import { stampOf } from './direct-files.js'
import type { DirectPieces } from './direct-pieces.js'
import { storageFailure } from '../failure.js'
import type { Layout } from './layout.js'
import { JournalWriter } from './journal-writer.js'
import type { FileReads } from './read-files.js'
import { ABSENT, decodeRecord, encodeRecord, sameStamp } from './resume-record.js'
import type { ResumeRecord, Stamp, TouchedFile } from './resume-record.js'
import type { Loaded } from './resume-load.js'
import { ResumeState } from './resume-state.js'
import type { ResumeSnapshot } from './resume-state.js'
import type { StateFolder } from './state-folder.js'
import type {
  DirectWrites,
  StorageRange,
  FileStamp,
  JournalPlace,
  StorageTorrent,
  TorrentStorage,
} from '../storage.js'

/** What a file storage shares with its torrents. */
export interface FileStorageParts {
  /** Absolute path of the download folder. */
  readonly root: string
  readonly folder: StateFolder
  readonly readFiles: FileReads
  /** For writes from this thread. */
  readonly direct: DirectPieces
  /** See {@link DirectWrites.mapped}. */
  readonly mapped: boolean
  readonly bootId: string
  readonly logger: Logger
  /** A torrent has something that a checkpoint would make safer. */
  readonly changed: (storage: FileTorrentStorage) => void
  readonly closed: (storage: FileTorrentStorage) => void
}

/** Journal bytes above which folding them into a checkpoint pays: 50,000 pieces and more. */
const LONG_JOURNAL = 4 * 1024 * 1024

/** The storage of one torrent, made by `FileStorage.open`. */
export class FileTorrentStorage implements TorrentStorage, DirectWrites {
  readonly torrent: StorageTorrent
  onDoubt: ((pieces: readonly number[]) => void) | undefined
  readonly #parts: FileStorageParts
  /** Where its files are. */
  readonly layout: Layout
  readonly #state: ResumeState
  readonly #journal: JournalWriter
  /** Files to sync before the next synced checkpoint. */
  #dirty = new Set<number>()
  #journalBytes = 0
  #changedAt = 0
  #syncedAt: number
  #closing: Promise<void> | undefined

  /**
   * @param o.supposed whether the state holds pieces that no resume file knows
   */
  constructor(o: {
    torrent: StorageTorrent
    parts: FileStorageParts
    layout: Layout
    loaded: Loaded
    supposed: boolean
  }) {
    this.torrent = o.torrent
    this.#parts = o.parts
    this.layout = o.layout
    this.#state = o.loaded.state
    this.#syncedAt = performance.now()
    const infohash = o.torrent.infohash
    this.#journal = new JournalWriter({
      infohash,
      state: this.#state,
      folder: o.parts.folder,
      bootId: o.parts.bootId,
      generation: o.loaded.generation,
      fold: o.loaded.journals || o.supposed,
      claim: () => o.parts.folder.claim(infohash, o.layout.name),
      onFailure: error => this.#warn(error, 'cannot keep the resume state'),
    })
    if (this.layout.parts) this.#settleParts(o.torrent.files.keys())
    if (!this.#state.unsynced.empty) {
      for (const file of this.#state.filesInUse()) this.#dirty.add(file)
      o.parts.changed(this)
    }
  }

  get stored(): Bitfield {
    return this.#state.stored
  }

  get suspect(): Bitfield {
    return this.#state.suspect
  }

  get direct(): DirectWrites {
    return this
  }

  get root(): string {
    return this.#parts.root
  }

  get mapped(): boolean {
    return this.#parts.mapped
  }

  get geometry(): Geometry {
    return this.torrent.geometry
  }

  path(file: number): readonly string[] {
    return this.layout.components(file)
  }

  part(file: number): readonly string[] | undefined {
    return this.layout.mayBePart(file) ? this.layout.partComponents(file) : undefined
  }

  async readAt(target: Uint8Array, offset: number): Promise<number> {
    let done = 0
    for (const segment of this.geometry.segments(offset, offset + target.length)) {
      const part = target.subarray(done, done + segment.length)
      if (segment.pad) part.fill(0)
      else {
        const count = await this.#parts.readFiles.read(
          this.layout.absolute(segment.file),
          part,
          segment.fileOffset,
        )
        if (count < part.length) return done + count
      }
      done += part.length
    }
    return done
  }

  readNow(target: Uint8Array, offset: number): number | undefined {
    let done = 0
    for (const segment of this.geometry.segments(offset, offset + target.length)) {
      const part = target.subarray(done, done + segment.length)
      if (segment.pad) part.fill(0)
      else {
        const path = this.layout.absolute(segment.file)
        const count = this.#parts.readFiles.readNow(path, part, segment.fileOffset)
        if (count === undefined) return undefined
        if (count < part.length) return done + count
      }
      done += part.length
    }
    return done
  }

  async writeAt(source: Uint8Array, offset: number): Promise<void> {
    if (!(offset >= 0 && offset + source.length <= this.geometry.length)) {
      throw new TorrentError(
        'ERR_TORRENTFS_STORAGE',
        `cannot write ${source.length} bytes at ${offset} of a torrent of ${this.geometry.length}`,
      )
    }
    const place = await this.begin()
    const result = this.#parts.direct.write(this, source, offset, -1, place.path)
    this.end(place, result.record)
    if (result.error !== undefined) throw result.error
  }

  markStored(piece: number): void {
    if (this.stored.get(piece) || this.geometry.pieceSize(piece) === 0 || this.#closing !== undefined) return
    const files: TouchedFile[] = []
    for (const { file, pad } of this.#segmentsOf(piece)) {
      if (pad) continue
      const stamp = this.#state.stamp(file) ?? this.#stampNow(file)
      files.push({ file, before: stamp, after: stamp })
    }
    this.#record({ kind: 'stored', piece, files })
  }

  markMissing(piece: number): void {
    if (this.#closing !== undefined || (!this.stored.get(piece) && !this.suspect.get(piece))) return
    this.#record({ kind: 'missing', piece, files: [] })
  }

  async evict(piece: number): Promise<void> {
    if (this.#closing !== undefined)
      throw new TorrentError(
        'ERR_TORRENTFS_CLOSED',
        `the storage of torrent ${this.torrent.infohash} is closed`,
      )
    this.markMissing(piece)
    const begin = this.geometry.pieceOffset(piece)
    const place = await this.begin()
    const end = begin + this.geometry.pieceSize(piece)
    const result = this.#parts.direct.free(this, begin, end, place.path)
    this.end(place, result.record)
    if (result.error !== undefined) throw result.error
  }

  locate(begin: number, end: number): readonly StorageRange[] {
    const ranges: StorageRange[] = []
    for (const { file, fileOffset, offset, length, pad } of this.geometry.segments(begin, end)) {
      if (!pad) ranges.push({ path: this.layout.absolute(file), file, fileOffset, offset, length })
    }
    return ranges
  }

  intact(file: number): FileStamp | undefined {
    const path = this.layout.absolute(file)
    const known = this.#state.stamp(file)
    const now = lookAt(path)
    if (now !== undefined && known !== undefined && sameStamp(known, stampOf(now))) return now
    this.#parts.readFiles.forget(path)
    this.#tellDoubts(this.#state.doubtFile(file))
    return undefined
  }

  begin(): Promise<JournalPlace> {
    return this.#journal.hold()
  }

  end(place: JournalPlace, bytes: Uint8Array | undefined): void {
    if (bytes !== undefined) {
      const limits = { files: this.torrent.files.length, pieces: this.geometry.pieceCount }
      const decoded = decodeRecord(bytes, 0, limits)
      this.#journalBytes += bytes.length
      if (decoded !== undefined) this.#take(decoded.record)
    }
    this.#journal.release(place)
  }

  /**
   * Writes a checkpoint when it is time for one. What was written moments ago is not synced yet: the kernel writes it back
   * by itself within half a minute, and forcing it now would make the disk slow for readers, and a close slow as well.
   *
   * @param quietMs how long nothing must have changed
   * @param latestMs how long after the last synced checkpoint there must be one even so
   * @returns whether there is nothing left to do
   */
  async checkpoint(quietMs: number, latestMs: number): Promise<boolean> {
    const now = performance.now()
    const settled = now - this.#changedAt >= quietMs || now - this.#syncedAt >= latestMs
    try {
      if (settled) {
        await this.#journal.checkpoint(snapshot => this.#sync(snapshot))
        this.#syncedAt = performance.now()
        this.#journalBytes = 0
      } else if (this.#journalBytes > LONG_JOURNAL) {
        await this.#journal.checkpoint()
        this.#journalBytes = 0
      }
    } catch (thrown) {
      if (this.#closing === undefined) this.#warn(thrown, 'cannot write a checkpoint')
    }
    return this.#state.unsynced.empty && this.#changedAt <= this.#syncedAt
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      await this.#journal.close()
      this.#parts.readFiles.forgetBelow(this.layout.top)
      this.#parts.direct.closeBelow(this.layout.top)
      if (this.layout.parts) this.#parts.readFiles.forgetBelow(`${this.layout.top}.part`)
      this.#parts.closed(this)
    })()
    return this.#closing
  }

  /** Syncs the files changed until `snapshot`; pieces of those that cannot be synced become suspect, live and in the result. */
  async #sync(snapshot: ResumeSnapshot): Promise<ResumeSnapshot> {
    const dirty = this.#dirty
    this.#dirty = new Set()
    const failed: number[] = []
    for (const file of dirty) {
      if (this.#closing !== undefined) throw new TorrentError('ERR_TORRENTFS_CLOSED', 'closing')
      try {
        await this.#parts.readFiles.sync(this.layout.absolute(file))
      } catch (thrown) {
        this.#warn(thrown, 'cannot sync a file: it will be hashed again')
        failed.push(file)
      }
    }
    if (failed.length === 0) return snapshot
    const kept = new ResumeState(this.geometry, snapshot)
    const doubted = failed.flatMap(file => {
      kept.doubtFile(file)
      return this.#state.doubtFile(file)
    })
    if (doubted.length > 0) this.onDoubt?.(doubted)
    return kept.snapshot()
  }

  /** Applies a record made by this thread, and has it appended. */
  #record(record: ResumeRecord): void {
    this.#take(record)
    this.#journal.queue(encodeRecord(record))
  }

  #take(record: ResumeRecord): void {
    const { doubted, strangers } = this.#state.apply(record)
    for (const { file } of record.files) this.#dirty.add(file)
    // What is open under that path may be another file by now.
    for (const file of strangers) {
      this.#parts.readFiles.forget(this.layout.absolute(file))
      this.layout.forget(file)
      this.#parts.readFiles.forget(this.layout.absolute(file))
    }
    if (this.layout.parts && record.kind === 'stored') this.#settleParts(record.files.map(({ file }) => file))
    this.#changedAt = performance.now()
    this.#parts.changed(this)
    this.#tellDoubts(doubted)
  }

  /** Gives files their own names: those that are complete, or all if they are no longer begun as parts. */
  #settleParts(files: Iterable<number>): void {
    for (const file of files) {
      const { offset, length } = this.torrent.files[file]!
      const { begin, end } = this.geometry.piecesIn(offset, offset + length)
      if (this.layout.begins && this.stored.nextClear(begin, end) >= 0) continue
      try {
        const before = this.layout.complete(file)
        if (before !== undefined) this.#parts.readFiles.forget(before)
      } catch (thrown) {
        this.#warn(thrown, 'cannot give a file its name')
      }
    }
  }

  #tellDoubts(doubted: readonly number[]): void {
    if (doubted.length === 0) return
    this.#parts.logger.warn(
      { infohash: this.torrent.infohash, pieces: doubted.length },
      'files were changed by someone else: their pieces will be hashed again',
    )
    this.onDoubt?.(doubted)
  }

  #segmentsOf(piece: number): ReturnType<Geometry['segments']> {
    const offset = this.geometry.pieceOffset(piece)
    return this.geometry.segments(offset, offset + this.geometry.pieceSize(piece))
  }

  /** Only for pieces that are marked without a write of ours: then nothing is known of their files yet. */
  #stampNow(file: number): Stamp {
    try {
      return stampOf(statSync(this.layout.absolute(file), { bigint: true }))
    } catch {
      return ABSENT
    }
  }

  #warn(thrown: unknown, message: string): void {
    const error = storageFailure(thrown, 'keep the state of', this.torrent.infohash)
    const { infohash } = this.torrent
    this.#parts.logger.warn({ infohash, code: error.code, error: error.message }, message)
  }
}

/** The regular file at `path`, if there is one. */
function lookAt(path: string): BigIntStats | undefined {
  try {
    const stats = statSync(path, { bigint: true, throwIfNoEntry: false })
    return stats?.isFile() === true ? stats : undefined
  } catch {
    return undefined
  }
}
