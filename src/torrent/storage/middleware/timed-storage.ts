/**
 * How long a storage takes: a histogram of each sort of operation.
 *
 * Owns the figures. Changes nothing, and keeps the capabilities, so that what is measured is what would happen without it.
 * Reads of others from real files (`locate`) are not seen.
 */
import type {
  DirectWrites,
  StorageRange,
  FileStamp,
  JournalPlace,
  Storage,
  StorageTorrent,
  TorrentStorage,
} from '../storage.js'
import { OperationTimes, type OperationFigures } from './operation-times.js'
import { StorageLayer, TorrentStorageLayer } from './layer.js'

/**
 * What is measured. `write` is also a piece that is written and marked in one step. `directWrite` is a piece that a worker thread writes itself, from the moment it may until it is journaled:
 * with the hashing, and with what stands before it in the worker's queue.
 */
export const TIMED_OPERATIONS = ['open', 'read', 'readNow', 'write', 'directWrite', 'close'] as const
/** One of {@link TIMED_OPERATIONS}. */
export type TimedOperation = (typeof TIMED_OPERATIONS)[number]

/** Measures the storage behind it. */
export class TimedStorage extends StorageLayer {
  readonly #times: Readonly<Record<TimedOperation, OperationTimes>>

  /** @param o.now the clock, in ms */
  constructor(inner: Storage, o: { readonly now?: () => number } = {}) {
    super(inner)
    const now = o.now ?? (() => performance.now())
    this.#times = {
      open: new OperationTimes(now),
      read: new OperationTimes(now),
      readNow: new OperationTimes(now),
      write: new OperationTimes(now),
      directWrite: new OperationTimes(now),
      close: new OperationTimes(now),
    }
  }

  /** What was measured so far, as plain data. */
  figures(): Record<TimedOperation, OperationFigures> {
    const { open, read, readNow, write, directWrite, close } = this.#times
    return {
      open: open.figures(),
      read: read.figures(),
      readNow: readNow.figures(),
      write: write.figures(),
      directWrite: directWrite.figures(),
      close: close.figures(),
    }
  }

  override open(torrent: StorageTorrent): Promise<TorrentStorage> {
    return this.#times.open.of(() => super.open(torrent))
  }

  protected override wrap(_torrent: StorageTorrent, inner: TorrentStorage): TorrentStorage {
    return new TimedTorrentStorage(inner, this.#times)
  }
}

class TimedTorrentStorage extends TorrentStorageLayer {
  readonly #times: Readonly<Record<TimedOperation, OperationTimes>>
  readonly store?: (piece: number, bytes: Uint8Array) => Promise<void>
  readonly readNow?: (target: Uint8Array, offset: number) => number | undefined
  readonly locate?: (begin: number, end: number) => readonly StorageRange[]
  readonly intact?: (file: number) => FileStamp | undefined
  readonly direct?: DirectWrites

  constructor(inner: TorrentStorage, times: Readonly<Record<TimedOperation, OperationTimes>>) {
    super(inner)
    this.#times = times
    if (inner.store !== undefined) {
      this.store = (piece, bytes) => times.write.of(() => inner.store!(piece, bytes), bytes.length)
    }
    if (inner.readNow !== undefined) {
      this.readNow = (target, offset) => times.readNow.ofNow(() => inner.readNow!(target, offset))
    }
    if (inner.locate !== undefined) this.locate = (begin, end) => inner.locate!(begin, end)
    if (inner.intact !== undefined) this.intact = file => inner.intact!(file)
    if (inner.direct !== undefined) this.direct = timedWrites(inner.direct, times.directWrite)
  }

  override readAt(target: Uint8Array, offset: number): Promise<number> {
    return this.#times.read.of(() => super.readAt(target, offset), target.length)
  }

  override writeAt(source: Uint8Array, offset: number): Promise<void> {
    return this.#times.write.of(() => super.writeAt(source, offset), source.length)
  }

  override close(): Promise<void> {
    return this.#times.close.of(() => super.close())
  }
}

function timedWrites(inner: DirectWrites, times: OperationTimes): DirectWrites {
  const begun = new WeakMap<JournalPlace, (failed: boolean) => void>()
  return {
    root: inner.root,
    mapped: inner.mapped,
    path: file => inner.path(file),
    part: file => inner.part(file),
    async begin() {
      const end = times.begin()
      const place = await inner.begin()
      begun.set(place, end)
      return place
    },
    end(place, record) {
      begun.get(place)?.(record === undefined)
      inner.end(place, record)
    },
  }
}
