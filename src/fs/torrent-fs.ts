/**
 * The filesystem: what can be asked of the tree and of open files, without any FUSE binding.
 *
 * Shaped for two kinds of backend: one that is given paths (`resolve`) and one that speaks the kernel's protocol
 * (`lookup` in a folder, nodes kept by the backend under ids of its own). Expected failures are values: `undefined` for
 * no such node, a negative errno for the rest. Only `read` waits.
 */
import { constants } from 'node:fs'
import {
  type Logger,
  messageOf,
  silentLogger,
  TorrentError,
  type TorrentErrorCode,
} from '../torrent/index.js'
import { EBADF, EINTR, EIO, EISDIR, EROFS, errnoOf } from './errno.js'
import { NAME_MAX } from './names.js'
import { OpenFile, type ReadSettings } from './open-file.js'
import type { FilePort, TorrentPort } from './ports.js'
import { TorrentTree, type DirectoryNode, type FileNode, type TreeEntry, type TreeNode } from './tree.js'

/** What `stat` tells of a node. */
export interface Attributes {
  ino: number
  /** Type and permission bits. */
  mode: number
  nlink: number
  uid: number
  gid: number
  /** Bytes. */
  size: number
  /** Stored bytes, in units of 512, so that `du` shows progress. */
  blocks: number
  /** ms since the epoch. */
  mtimeMs: number
}

/** What `statfs` tells. */
export interface FilesystemStatistics {
  /** Bytes of one block. */
  blockSize: number
  /** Blocks of all files; none is free. */
  blocks: number
  /** Nodes; none is free. */
  files: number
  nameMax: number
}

/** Whose the nodes are, and how files are read. */
export interface TorrentFsOptions extends ReadSettings {
  logger?: Logger | undefined
  /** Owner of every node; the user of this process by default. */
  uid?: number | undefined
  gid?: number | undefined
}

const S_IFDIR = 0o040000
const S_IFREG = 0o100000
const O_ACCMODE = 3
const O_DIRECT = constants.O_DIRECT ?? 0
/** fuse-native passes handles on as 32-bit signed integers. */
const HANDLE_MAX = 2 ** 31 - 1
/**
 * The kernel retries a failed readahead page by page, unkillably: a failure is answered again at once for so long (ms)
 * instead of waiting out another deadline for each of 32 pages.
 */
const FAILURE_STICKS_MS = 2000
/** How many recent failures are remembered. */
const FAILURES_MAX = 256

/** Someone ended the torrent, which is no failure of it. */
const ENDINGS: ReadonlySet<string> = new Set<TorrentErrorCode>([
  'ERR_TORRENTFS_REMOVED',
  'ERR_TORRENTFS_CLOSED',
  'ERR_TORRENTFS_READER_CLOSED',
])

/** Told of what changes in the tree, as it changes. */
export interface TreeObserver {
  /** A torrent shows. Those whose names it takes were renamed before. */
  shown(entry: TreeEntry<FilePort>, torrent: TorrentPort): void
  /** A torrent has another name in the root. */
  renamed(entry: TreeEntry<FilePort>): void
  /** A torrent shows no longer. Those who get its name are renamed after. */
  removed(entry: TreeEntry<FilePort>): void
}

interface Failure {
  infohash: string
  file: FilePort
  begin: number
  end: number
  errno: number
  until: number
}

interface Shown {
  torrent: TorrentPort
  /** Undoes the listening for `ready` and `removed`. */
  leave(): void
}

/** The filesystem that a backend serves. */
export class TorrentFs {
  readonly tree = new TorrentTree<FilePort>({ renamed: entry => this.#renamed(entry) })
  readonly #logger: Logger
  readonly #settings: ReadSettings
  readonly #uid: number
  readonly #gid: number
  readonly #torrents = new Map<string, Shown>()
  readonly #open = new Map<number, OpenFile>()
  readonly #nodes = new WeakMap<OpenFile, FileNode<FilePort>>()
  #nextHandle = 1
  #failures: Failure[] = []
  readonly #observers = new Set<TreeObserver>()
  #rootMtimeMs = Date.now()
  #bytes = 0
  #closed = false

  constructor(options: TorrentFsOptions = {}) {
    this.#logger = options.logger ?? silentLogger
    this.#settings = { readaheadBytes: options.readaheadBytes, readTimeoutMs: options.readTimeoutMs }
    this.#uid = options.uid ?? process.getuid?.() ?? 0
    this.#gid = options.gid ?? process.getgid?.() ?? 0
  }

  /** Owner of every node. */
  get owner(): { readonly uid: number; readonly gid: number } {
    return { uid: this.#uid, gid: this.#gid }
  }

  /** Tells `observer` of changes from now on; what is in the tree already it sees there. @returns ends it */
  watch(observer: TreeObserver): () => void {
    this.#observers.add(observer)
    return () => this.#observers.delete(observer)
  }

  /** The torrent of that infohash, if it was added. */
  torrent(infohash: string): TorrentPort | undefined {
    return this.#torrents.get(infohash)?.torrent
  }

  /**
   * Shows `torrent` as soon as it is ready and until it is removed. Adding it again changes nothing.
   *
   * @param options.mtimeMs the time to show if the torrent names no creation date: its metainfo file's, say
   */
  add(torrent: TorrentPort, options: { mtimeMs?: number | undefined } = {}): void {
    if (this.#closed || this.#torrents.has(torrent.infohash)) return
    const onReady = (): void => this.#show(torrent, options.mtimeMs)
    const onRemoved = (): void => this.remove(torrent.infohash)
    torrent.on('ready', onReady)
    torrent.on('removed', onRemoved)
    this.#torrents.set(torrent.infohash, {
      torrent,
      leave() {
        torrent.off('ready', onReady)
        torrent.off('removed', onRemoved)
      },
    })
    if (torrent.ready) onReady()
  }

  /** Takes a torrent out of the tree. Reads of its open files end with EIO, now and later. */
  remove(infohash: string): void {
    this.#torrents.get(infohash)?.leave()
    this.#torrents.delete(infohash)
    const leaving = this.tree.get(infohash)
    if (leaving) for (const observer of this.#observers) observer.removed(leaving)
    const entry = this.tree.remove(infohash)
    if (entry) {
      this.#rootMtimeMs = Date.now()
      for (const file of entry.torrent.files) if (!file.pad) this.#bytes -= file.length
    }
    for (const open of this.#open.values()) if (open.infohash === infohash) open.end(EIO)
    this.#failures = this.#failures.filter(failure => failure.infohash !== infohash)
  }

  /** The node at an absolute path. For backends that are given paths. */
  resolve(path: string): TreeNode<FilePort> | undefined {
    return this.tree.resolve(path)
  }

  /** The child of that name. For backends that are given folders. */
  lookup(folder: DirectoryNode<FilePort>, name: string): TreeNode<FilePort> | undefined {
    return folder.children.get(name)
  }

  /** What `stat` tells of a node, as of now. */
  attributes(node: TreeNode<FilePort>): Attributes {
    const isFile = node.kind === 'file'
    return {
      ino: node.ino,
      mode: isFile ? S_IFREG | 0o444 : S_IFDIR | 0o555,
      nlink: isFile ? 1 : 2 + node.subdirectories,
      uid: this.#uid,
      gid: this.#gid,
      size: isFile ? node.file.length : 0,
      blocks: isFile ? Math.ceil(node.file.storedBytes / 512) : 0,
      mtimeMs: node.entry?.mtimeMs ?? this.#rootMtimeMs,
    }
  }

  /** What `statfs` tells, as of now. */
  statistics(): FilesystemStatistics {
    const blockSize = 4096
    return {
      blockSize,
      blocks: Math.ceil(this.#bytes / blockSize),
      files: this.tree.nodeCount,
      nameMax: NAME_MAX,
    }
  }

  /**
   * Opens a file.
   *
   * @param flags of open(2)
   * @returns a handle >= 1, to be given to {@link release}, or a negative errno
   */
  open(node: TreeNode<FilePort>, flags: number): number {
    if (node.kind === 'directory') return -EISDIR
    if ((flags & O_ACCMODE) !== 0) return -EROFS
    if (this.#closed || this.tree.get(node.entry.torrent.infohash) !== node.entry) return -EIO
    const handle = this.#freeHandle()
    const open = new OpenFile({
      file: node.file,
      infohash: node.entry.torrent.infohash,
      name: node.name,
      direct: (flags & O_DIRECT) !== 0,
      settings: this.#settings,
      onFailure: (failed, position, length, error) => this.#failed(failed, position, length, error),
    })
    this.#open.set(handle, open)
    this.#nodes.set(open, node)
    return handle
  }

  /**
   * Fills `target` from `position` of an open file. Never rejects; resolves, once nothing will write into `target` any
   * more, with the number of bytes (short only at the end of the file) or a negative errno.
   */
  read(handle: number, target: Uint8Array, position: number, signal?: AbortSignal): Promise<number> {
    const open = this.#readable(handle, position)
    return typeof open === 'number' ? Promise.resolve(open) : open.read(target, position, signal)
  }

  /**
   * Resolves with 0 when those bytes of an open file are stored, without reading them, or with a negative errno. Never
   * rejects. Counts as a read that waits.
   *
   * @param signal aborting it ends this wait alone, with EINTR
   */
  available(handle: number, position: number, length: number, signal?: AbortSignal): Promise<number> {
    const open = this.#readable(handle, position)
    return typeof open === 'number' ? Promise.resolve(open) : open.available(position, length, signal)
  }

  /** Stored bytes of an open file were read by someone else: what comes next is fetched ahead. */
  note(handle: number, position: number, length: number): void {
    this.#open.get(handle)?.note(position, length)
  }

  /** One descriptor of the handle was closed; others may be open still. */
  flush(handle: number): void {
    this.#open.get(handle)?.flush()
  }

  /** The handle is gone. */
  release(handle: number): void {
    const open = this.#open.get(handle)
    this.#open.delete(handle)
    open?.end(EINTR)
  }

  /**
   * Names of the files on which a read has waited for at least `ms` without progress, and whether the caller of one of
   * them cannot be killed before it is answered. Names are those the files were opened by, without their folders.
   */
  blockedNames(ms: number): Map<string, boolean> {
    const since = performance.now() - ms
    const names = new Map<string, boolean>()
    for (const open of this.#open.values()) {
      if (open.waiting === 0 || open.waitingSince > since) continue
      names.set(open.name, names.get(open.name) === true || open.waitsUnkillably())
    }
    return names
  }

  /**
   * Ends with EINTR the reads in flight of files of that name: no process is left to take the answers.
   *
   * @param from only those of handles on which an unkillable caller waits for a read from a position in [begin, end)
   * @returns how many handles had any
   */
  interrupt(name: string, from?: { begin: number; end: number }): number {
    let count = 0
    for (const open of this.#open.values()) {
      if (open.name !== name || open.waiting === 0) continue
      if (from && !open.waitsUnkillably(from.begin, from.end)) continue
      open.interrupt()
      count++
    }
    return count
  }

  /** Ends every read, now and later, with EIO and resolves when all have been answered. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true
    for (const shown of this.#torrents.values()) shown.leave()
    this.#torrents.clear()
    const open = [...this.#open.values()]
    for (const each of open) each.end(EIO)
    await Promise.all(open.map(each => each.idle()))
  }

  #show(torrent: TorrentPort, mtimeMs: number | undefined): void {
    if (this.tree.get(torrent.infohash)) return
    const time = torrent.creationDate ?? mtimeMs ?? Date.now()
    const entry = this.tree.add({
      infohash: torrent.infohash,
      name: torrent.name,
      multiFile: torrent.info?.multiFile ?? torrent.files.length !== 1,
      files: torrent.files,
      // Anyone may write anything into a metainfo file; 2^53 ms and times before 1970 do not fit a stat.
      mtimeMs: Number.isFinite(time) ? Math.floor(Math.min(Math.max(time, 0), 8.64e15)) : 0,
    })
    if (!entry) return
    this.#rootMtimeMs = Date.now()
    for (const file of torrent.files) if (!file.pad) this.#bytes += file.length
    for (const observer of this.#observers) observer.shown(entry, torrent)
  }

  #renamed(entry: TreeEntry<FilePort>): void {
    for (const observer of this.#observers) observer.renamed(entry)
  }

  /** The open file, or the negative errno a read of it ends with at once. */
  #readable(handle: number, position: number): OpenFile | number {
    const open = this.#open.get(handle)
    if (!open) return -EBADF
    const failure = this.#failures.length > 0 ? this.#recentFailure(open, position) : undefined
    return failure ? -failure.errno : open
  }

  #freeHandle(): number {
    while (this.#open.has(this.#nextHandle)) this.#nextHandle = (this.#nextHandle % HANDLE_MAX) + 1
    const handle = this.#nextHandle
    this.#nextHandle = (handle % HANDLE_MAX) + 1
    return handle
  }

  #failed(open: OpenFile, position: number, length: number, error: unknown): void {
    const errno = errnoOf(error)
    const ended = errno === EINTR || (error instanceof TorrentError && ENDINGS.has(error.code))
    this.#logger[ended ? 'debug' : 'warn'](
      { file: open.name, infohash: open.infohash, position, length, err: error },
      `read of "${open.name}" at ${position} failed: ${messageOf(error)}`,
    )
    const node = this.#nodes.get(open)
    if (!node || ended) return
    if (this.#failures.length >= FAILURES_MAX) this.#failures.shift()
    const until = performance.now() + FAILURE_STICKS_MS
    const range = { begin: position, end: position + length }
    this.#failures.push({ infohash: open.infohash, file: node.file, ...range, errno, until })
  }

  #recentFailure(open: OpenFile, position: number): Failure | undefined {
    const now = performance.now()
    if (this.#failures[0]!.until <= now)
      this.#failures = this.#failures.filter(failure => failure.until > now)
    const file = this.#nodes.get(open)?.file
    return this.#failures.find(f => f.file === file && f.begin <= position && position < f.end)
  }
}
