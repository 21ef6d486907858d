/**
 * Torrents as files in a download folder: `<name>/<path>`, sparse, with the state to resume from in `.torrentfs`.
 *
 * Owns who has which name, the open files, and when checkpoints are written. Creates nothing before the first write. One
 * process at a time may use a download folder.
 */
import { resolve } from 'node:path'
import { TorrentError } from '../../errors.js'
import { silentLogger } from '../../logger.js'
import type { Logger } from '../../logger.js'
import { Bitfield } from '../../pieces/bitfield.js'
import { readBootId } from '../boot-id.js'
import { DirectFiles } from './direct-files.js'
import { DirectPieces } from './direct-pieces.js'
import { BY_CALLS, type FileAccess } from './file-access.js'
import { filesPresent, stampsOf } from './existing-files.js'
import { FileNames } from './file-names.js'
import { deleteFiles } from './file-removal.js'
import type { Layout } from './layout.js'
import { FileTorrentStorage } from './file-torrent-storage.js'
import type { FileStorageParts } from './file-torrent-storage.js'
import { reconcile, replay } from './resume-load.js'
import type { Stamp } from './resume-record.js'
import type { ResumeState } from './resume-state.js'
import { StateFolder } from './state-folder.js'
import type { Storage, StorageTorrent } from '../storage.js'

/** How a {@link FileStorage} is made. */
export interface FileStorageOptions {
  /** The download folder; created with the first write. */
  readonly root: string
  readonly logger?: Logger
  /**
   * Whether a file lies as `NAME.part` until it is complete. Files that are there already keep their place; without it, those of
   * an earlier run get their names back when their torrent is opened. Default: false.
   */
  readonly partFiles?: boolean
  /** Files kept open for reading. */
  readonly maxOpenFiles?: number
  /** How often checkpoints are considered, in ms. */
  readonly checkpointMs?: number
  /** How long a torrent must be quiet before its files are synced, in ms. */
  readonly quietMs?: number
  /** The running kernel's id, where it is not the system's own. */
  readonly bootId?: string
}

/** How long a busy torrent may go without a synced checkpoint. A crash of the machine costs re-hashing that much, not re-downloading. */
const LATEST_SYNC_MS = 5 * 60_000

/** A {@link Storage} of real files. */
export class FileStorage implements Storage {
  readonly #parts: FileStorageParts
  readonly #checkpointMs: number
  readonly #quietMs: number
  readonly #open = new Map<string, FileTorrentStorage>()
  /** Torrents that are being opened or removed. */
  readonly #inWork = new Set<string>()
  readonly #names: FileNames
  readonly #changed = new Set<FileTorrentStorage>()
  #timer: NodeJS.Timeout | undefined
  #closed = false

  /** @param access how bytes get in and out of the files */
  constructor(o: FileStorageOptions, access: FileAccess = BY_CALLS) {
    const root = resolve(o.root)
    this.#checkpointMs = o.checkpointMs ?? 30_000
    this.#quietMs = o.quietMs ?? 30_000
    this.#parts = {
      root,
      folder: new StateFolder(root),
      readFiles: access.reads(o.maxOpenFiles),
      direct: new DirectPieces(new DirectFiles({ maxOpen: 64, writer: access.writer() })),
      mapped: access.mapped,
      bootId: o.bootId ?? readBootId(),
      logger: o.logger ?? silentLogger,
      changed: storage => this.#noteChange(storage),
      closed: storage => this.#forget(storage),
    }
    this.#names = new FileNames(root, this.#parts.folder, o.partFiles === true)
  }

  /** Absolute path of the download folder. */
  get root(): string {
    return this.#parts.root
  }

  async open(torrent: StorageTorrent): Promise<FileTorrentStorage> {
    const { infohash } = torrent
    this.#checkUnused(infohash)
    this.#inWork.add(infohash)
    try {
      const storage = await this.#openNew(torrent)
      if (this.#closed) throw new TorrentError('ERR_TORRENTFS_CLOSED', 'the storage is closed')
      this.#open.set(infohash, storage)
      return storage
    } finally {
      this.#inWork.delete(infohash)
    }
  }

  /**
   * Deletes the torrent's files, the folders that are empty then, its resume state, and its claim on the name; in this
   * order, so that a kill in between leaves nothing that nobody owns. Files it never wrote to nor verified stay.
   */
  async remove(torrent: StorageTorrent): Promise<void> {
    const { infohash } = torrent
    this.#checkUnused(infohash)
    this.#inWork.add(infohash)
    try {
      const { folder, root } = this.#parts
      await folder.list()
      const layout = await this.#names.take(torrent)
      try {
        if (folder.owner(layout.name) === infohash) await deleteFiles(torrent, layout, root)
        await folder.forget(infohash)
      } finally {
        this.#names.release(layout)
      }
    } finally {
      this.#inWork.delete(infohash)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await Promise.all([...this.#open.values()].map(storage => storage.close()))
    this.#parts.readFiles.close()
    this.#parts.direct.close()
  }

  /** @throws unless the torrent may be opened or removed now */
  #checkUnused(infohash: string): void {
    if (this.#closed) throw new TorrentError('ERR_TORRENTFS_CLOSED', 'the storage is closed')
    if (!/^[0-9a-f]{40}$/.test(infohash)) {
      throw new TorrentError('ERR_TORRENTFS_ARGUMENT', `not an infohash: ${infohash}`)
    }
    if (this.#open.has(infohash) || this.#inWork.has(infohash)) {
      throw new TorrentError('ERR_TORRENTFS_STORAGE', `torrent ${infohash} is open already`)
    }
  }

  async #openNew(torrent: StorageTorrent): Promise<FileTorrentStorage> {
    const { infohash, geometry } = torrent
    const { folder, bootId, logger } = this.#parts
    await folder.list()
    const loaded = replay(infohash, geometry, await folder.read(infohash), bootId)
    if (loaded.damage.length > 0) {
      logger.warn(
        { infohash, damage: loaded.damage },
        'resume state is damaged: what is there will be hashed again',
      )
    }
    const layout = await this.#names.take(torrent)
    try {
      const inUse = loaded.state.filesInUse()
      const changed = reconcile(loaded.state, inUse, await stampsIn(layout, inUse))
      if (changed > 0) {
        logger.info(
          { infohash, files: changed },
          'files changed since they were stored: they will be hashed again',
        )
      }
      // Data without sound state: from another client, or left when the state was lost.
      const lost = !loaded.found || loaded.damage.length > 0
      const supposed = lost && layout.exists ? await supposePresent(torrent, layout, loaded.state) : false
      return new FileTorrentStorage({ torrent, parts: this.#parts, layout, loaded, supposed })
    } catch (thrown) {
      this.#names.release(layout)
      throw thrown
    }
  }

  #noteChange(storage: FileTorrentStorage): void {
    this.#changed.add(storage)
    if (this.#timer !== undefined || this.#closed) return
    this.#timer = setTimeout(() => void this.#sweep(), this.#checkpointMs)
    this.#timer.unref()
  }

  #forget(storage: FileTorrentStorage): void {
    this.#changed.delete(storage)
    this.#open.delete(storage.torrent.infohash)
    this.#names.release(storage.layout)
  }

  /** One after the other: syncing is the disk's hardest work. */
  async #sweep(): Promise<void> {
    const changed = [...this.#changed]
    this.#changed.clear()
    const again: FileTorrentStorage[] = []
    for (const storage of changed) {
      if (this.#closed) return
      if (!this.#open.has(storage.torrent.infohash)) continue
      if (!(await storage.checkpoint(this.#quietMs, LATEST_SYNC_MS))) again.push(storage)
    }
    this.#timer = undefined
    for (const storage of again) if (this.#open.has(storage.torrent.infohash)) this.#changed.add(storage)
    const [first] = this.#changed
    if (first !== undefined) this.#noteChange(first)
  }
}

/** The stamps of files, wherever they lie: at their own places, or their parts'. */
async function stampsIn(layout: Layout, files: readonly number[]): Promise<Stamp[]> {
  const stamps = await stampsOf(files.map(file => layout.own(file)))
  const parts = layout.findParts(files.filter((_, index) => stamps[index]!.size < 0))
  const found = await stampsOf(parts.map(file => layout.absolute(file)))
  for (const [index, file] of parts.entries()) stamps[files.indexOf(file)] = found[index]!
  return stamps
}

/** Makes the pieces that lie wholly in files that exist suspect; returns whether there are any. */
async function supposePresent(torrent: StorageTorrent, layout: Layout, state: ResumeState): Promise<boolean> {
  const { files, pieceCount } = torrent.geometry
  const kept = files.flatMap((file, index) => (file.pad || file.length === 0 ? [] : [index]))
  layout.findParts(kept)
  const present = new Set(
    await filesPresent(kept.map(file => ({ path: layout.absolute(file), length: files[file]!.length }))),
  )
  if (present.size === 0) return false
  const pieces = new Bitfield(pieceCount)
  pieces.fill()
  for (const [position, file] of kept.entries()) {
    if (present.has(position)) continue
    const { offset, length } = files[file]!
    const { begin, end } = torrent.geometry.piecesIn(offset, offset + length)
    for (let piece = begin; piece < end; piece++) pieces.clear(piece)
  }
  for (let piece = pieces.next(0); piece !== -1; piece = pieces.next(piece + 1)) state.suppose(piece)
  return !pieces.empty
}
