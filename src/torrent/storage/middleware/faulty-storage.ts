/**
 * A storage that fails by plan: full disks, unreadable sectors, reads that end early, slow ones. For tests of what lies above.
 *
 * Owns the counting of operations. The plan decides; everything it says nothing of goes to the real storage behind.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { storageFailure } from '../failure.js'
import type { Storage, StorageTorrent, TorrentStorage } from '../storage.js'
import { StorageLayer, TorrentStorageLayer } from './layer.js'

/** One operation, before it happens. */
export interface PlannedOperation {
  readonly kind: 'read' | 'write'
  readonly infohash: string
  /** First byte, in the torrent. */
  readonly offset: number
  /** Bytes; a write of a piece is one operation. */
  readonly length: number
  /** How many of this kind there were before, over all torrents. */
  readonly index: number
}

/** What goes wrong with an operation: all of what is given, in this order. */
export interface Fault {
  /** It takes this much longer, in ms. */
  readonly delayMs?: number
  /** Only the first so many bytes are read or written. A write that is short and does not fail loses the rest in silence. */
  readonly short?: number
  /** It fails with this errno (`ENOSPC`, `EIO`, ...), as a disk's own failure would be told. */
  readonly fail?: string
}

/** Decides on each operation; undefined lets it be. Called synchronously, in the order they are asked for. */
export type FaultPlan = (operation: PlannedOperation) => Fault | undefined

/** Fails by plan. `plan` may be replaced at any time. */
export class FaultyStorage extends StorageLayer {
  plan: FaultPlan
  readonly #counts = { read: 0, write: 0 }

  constructor(inner: Storage, plan: FaultPlan = () => undefined) {
    super(inner)
    this.plan = plan
  }

  /** How many reads and writes there were. */
  get operations(): { readonly read: number; readonly write: number } {
    return { ...this.#counts }
  }

  protected override wrap(torrent: StorageTorrent, inner: TorrentStorage): TorrentStorage {
    return new FaultyTorrentStorage(inner, torrent.infohash, operation =>
      this.plan({ ...operation, infohash: torrent.infohash, index: this.#counts[operation.kind]++ }),
    )
  }
}

class FaultyTorrentStorage extends TorrentStorageLayer {
  readonly #infohash: string
  readonly #plan: (operation: Omit<PlannedOperation, 'infohash' | 'index'>) => Fault | undefined

  constructor(
    inner: TorrentStorage,
    infohash: string,
    plan: (operation: Omit<PlannedOperation, 'infohash' | 'index'>) => Fault | undefined,
  ) {
    super(inner)
    this.#infohash = infohash
    this.#plan = plan
  }

  override async readAt(target: Uint8Array, offset: number): Promise<number> {
    const fault = this.#plan({ kind: 'read', offset, length: target.length })
    if (fault?.delayMs !== undefined) await sleep(fault.delayMs)
    const part = fault?.short === undefined ? target : target.subarray(0, fault.short)
    const count = fault?.fail === undefined || part !== target ? await super.readAt(part, offset) : 0
    if (fault?.fail !== undefined) throw this.#failure(fault.fail, 'read')
    return count
  }

  override async writeAt(source: Uint8Array, offset: number): Promise<void> {
    const fault = this.#plan({ kind: 'write', offset, length: source.length })
    if (fault?.delayMs !== undefined) await sleep(fault.delayMs)
    const part = fault?.short === undefined ? source : source.subarray(0, fault.short)
    if (fault?.fail === undefined || part !== source) await super.writeAt(part, offset)
    if (fault?.fail !== undefined) throw this.#failure(fault.fail, 'write')
  }

  #failure(errno: string, doing: string): Error {
    return storageFailure(
      Object.assign(new Error(`${errno}, by plan`), { code: errno }),
      doing,
      this.#infohash,
    )
  }
}
