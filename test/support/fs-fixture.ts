/**
 * What the mount conformance suite needs of a source of torrents, and one such source: files on a disk whose bytes the
 * test withholds and releases, behind the same ports as the engine.
 */
import { createHash } from 'node:crypto'
import { EventEmitter, setMaxListeners } from 'node:events'
import { readSync } from 'node:fs'
import { mkdir, mkdtemp, open, rm, type FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { FilePort, ReaderPort, ReadPortOptions, TorrentPort } from '../../src/fs/index.js'
import { TorrentError } from '../../src/torrent/errors.js'

export interface FixtureFile {
  path: string[]
  content: Uint8Array
  pad?: boolean
}

export interface FixtureSpec {
  name: string
  multiFile: boolean
  files: FixtureFile[]
  /** ms since the epoch */
  creationDate?: number
  /** Whether all bytes are there from the start, or must be released. */
  stored: boolean
  /** Makes another infohash for the same name and files. */
  salt?: string
}

export interface FixtureTorrent {
  readonly port: TorrentPort
  /** Lets bytes [begin, end) of a file arrive; all of it by default. */
  release(file: number, begin?: number, end?: number): void
}

/** A source of torrents: an engine and where it gets its bytes. */
export interface MountFixture {
  add(spec: FixtureSpec): Promise<FixtureTorrent>
  remove(infohash: string): Promise<void>
  close(): Promise<void>
}

export type FixtureFactory = () => Promise<MountFixture>

/** Granularity of what is released. */
const UNIT = 16384

/** Reproducible bytes that differ at every offset and for every seed. */
export function testBytes(length: number, seed: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4))
  let x = (seed * 2654435761 + 88675123) >>> 0 || 1
  for (let i = 0; i < words.length; i++) {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    words[i] = x
  }
  return new Uint8Array(words.buffer, 0, length)
}

class DiskReader implements ReaderPort {
  readonly #file: DiskFile
  readonly #closed = new AbortController()

  constructor(file: DiskFile) {
    this.#file = file
    setMaxListeners(0, this.#closed.signal)
  }

  async readAt(target: Uint8Array, position: number, options: ReadPortOptions = {}): Promise<number> {
    await this.available(position, target.length, options)
    return this.#file.readStored(target, position)
  }

  available(position: number, length: number, options: ReadPortOptions = {}): Promise<void> {
    const { timeoutMs, signal } = options
    const ends = signal ? AbortSignal.any([this.#closed.signal, signal]) : this.#closed.signal
    return this.#file.available(position, position + length, ends, timeoutMs)
  }

  note(): void {}

  lowerPriority(): void {
    this.#file.torrent.lowered++
  }

  close(): void {
    this.#closed.abort(new TorrentError('ERR_TORRENTFS_READER_CLOSED', 'the reader was closed'))
  }
}

class DiskFile implements FilePort {
  readonly torrent: DiskTorrent
  readonly path: readonly string[]
  readonly length: number
  readonly pad: boolean
  storedBytes = 0
  readonly #units: Uint8Array
  readonly #waiters = new Set<() => void>()
  readonly #handle: FileHandle

  constructor(torrent: DiskTorrent, file: FixtureFile, handle: FileHandle) {
    this.torrent = torrent
    this.path = file.path
    this.length = file.content.length
    this.pad = file.pad ?? false
    this.#handle = handle
    this.#units = new Uint8Array(Math.ceil(this.length / UNIT))
  }

  createReader(): ReaderPort {
    return new DiskReader(this)
  }

  release(begin: number, end: number): void {
    for (let unit = Math.floor(begin / UNIT); unit < Math.ceil(end / UNIT); unit++) {
      if (this.#units[unit]) continue
      this.#units[unit] = 1
      this.storedBytes += Math.min(UNIT, this.length - unit * UNIT)
    }
    for (const check of [...this.#waiters]) check()
  }

  async available(begin: number, end: number, signal: AbortSignal, timeoutMs?: number): Promise<void> {
    signal.throwIfAborted()
    this.torrent.removed.signal.throwIfAborted()
    const there = (): boolean =>
      !this.#units.subarray(Math.floor(begin / UNIT), Math.ceil(end / UNIT)).includes(0)
    if (there()) return
    await new Promise<void>((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined
      const settle = (error?: Error): void => {
        clearTimeout(timer)
        this.#waiters.delete(check)
        signal.removeEventListener('abort', onAbort)
        this.torrent.removed.signal.removeEventListener('abort', onRemoved)
        if (error) reject(error)
        else resolve()
      }
      const check = (): void => {
        if (there()) settle()
      }
      const onAbort = (): void => settle(signal.reason as Error)
      const onRemoved = (): void => settle(this.torrent.removed.signal.reason as Error)
      signal.addEventListener('abort', onAbort)
      this.torrent.removed.signal.addEventListener('abort', onRemoved)
      this.#waiters.add(check)
      const late = new TorrentError('ERR_TORRENTFS_READ_TIMEOUT', 'no progress')
      if (timeoutMs !== undefined) timer = setTimeout(settle, timeoutMs, late)
    })
  }

  async readStored(target: Uint8Array, position: number): Promise<number> {
    if (DiskTorrents.synchronous) return readSync(this.#handle.fd, target, 0, target.length, position)
    return (await this.#handle.read(target, 0, target.length, position)).bytesRead
  }

  close(): Promise<void> {
    return this.#handle.close()
  }
}

class DiskTorrent extends EventEmitter implements TorrentPort {
  readonly infohash: string
  readonly name: string
  readonly info: { multiFile: boolean }
  files: DiskFile[] = []
  readonly ready = true
  readonly creationDate: number | undefined
  readonly removed = new AbortController()
  /** How often a reader was told that its handle was flushed. */
  lowered = 0

  constructor(spec: FixtureSpec) {
    super()
    setMaxListeners(0, this.removed.signal)
    this.name = spec.name
    this.info = { multiFile: spec.multiFile }
    this.creationDate = spec.creationDate
    const hash = createHash('sha1').update(JSON.stringify([spec.name, spec.multiFile, spec.salt ?? '']))
    for (const file of spec.files)
      hash.update(JSON.stringify(file.path)).update(file.content.subarray(0, 4096))
    this.infohash = hash.digest('hex')
  }
}

/** Torrents that are files on a disk. */
export class DiskTorrents implements MountFixture {
  /** Whether stored bytes are read by blocking calls; for measurements. */
  static synchronous = false
  readonly #root: string
  readonly #torrents = new Map<string, DiskTorrent>()

  private constructor(root: string) {
    this.#root = root
  }

  /** @param parent where to keep the files */
  static async create(parent = tmpdir()): Promise<DiskTorrents> {
    return new DiskTorrents(await mkdtemp(join(parent, 'torrentfs-fixture-')))
  }

  async add(spec: FixtureSpec): Promise<FixtureTorrent> {
    const torrent = new DiskTorrent(spec)
    torrent.setMaxListeners(0)
    for (const [index, file] of spec.files.entries()) {
      const path = join(this.#root, torrent.infohash, String(index))
      await mkdir(dirname(path), { recursive: true })
      const handle = await open(path, 'w+')
      await handle.writeFile(file.content)
      torrent.files.push(new DiskFile(torrent, file, handle))
    }
    this.#torrents.set(torrent.infohash, torrent)
    const release = (file: number, begin = 0, end = Infinity): void => {
      const target = torrent.files[file]!
      target.release(begin, Math.min(end, target.length))
    }
    if (spec.stored) torrent.files.forEach((_, index) => release(index))
    return { port: torrent, release }
  }

  async remove(infohash: string): Promise<void> {
    const torrent = this.#torrents.get(infohash)
    if (!torrent) return
    this.#torrents.delete(infohash)
    torrent.removed.abort(new TorrentError('ERR_TORRENTFS_REMOVED', 'the torrent was removed'))
    torrent.emit('removed')
    for (const file of torrent.files) await file.close()
  }

  async close(): Promise<void> {
    for (const infohash of [...this.#torrents.keys()]) await this.remove(infohash)
    await rm(this.#root, { recursive: true, force: true })
  }
}
