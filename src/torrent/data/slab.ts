/**
 * Slabs: the memory of one open piece each, shared with the store workers and used again and again.
 *
 * Owns the pool of free slabs. Must not decide how many may be in use: that is the memory budget's.
 */
import { TorrentError } from '../errors.js'
import { DEFAULT_MEMORY_BYTES } from './memory-budget.js'

/** Memory for one piece. Owned by who acquired it, until it is released. */
export interface Slab {
  /** Unique in its pool; never used again for other memory. */
  readonly id: number
  /** At least as long as was asked for, over a SharedArrayBuffer. Not zeroed: it holds bytes of earlier pieces. */
  readonly bytes: Uint8Array
}

const SMALLEST = 16384

/** Bytes a slab for `length` bytes takes: in steps of a quarter of a power of two, so that at most a fifth is unused. */
export function slabSize(length: number): number {
  if (length <= SMALLEST) return SMALLEST
  const step = 2 ** (Math.ceil(Math.log2(length)) - 3)
  return Math.ceil(length / step) * step
}

/** A pool of slabs, by size. */
export class SlabPool {
  readonly #keepBytes: number
  readonly #onDrop: ((slab: Slab) => void) | undefined
  /** Free slabs by size, the sizes in the order of their last release: the first is the one to drop from. */
  readonly #free = new Map<number, Slab[]>()
  readonly #inUse = new Set<Slab>()
  #bytes = 0
  #nextId = 1

  /**
   * @param o.keepBytes bytes above which free slabs are given up rather than kept
   * @param o.onDrop called with each slab that is given up, so that others who know it can forget it
   */
  constructor(o: { keepBytes?: number; onDrop?: (slab: Slab) => void } = {}) {
    this.#keepBytes = o.keepBytes ?? DEFAULT_MEMORY_BYTES
    this.#onDrop = o.onDrop
  }

  /** Bytes of all slabs, in use and free. */
  get bytes(): number {
    return this.#bytes
  }

  /** Number of slabs in use. */
  get inUse(): number {
    return this.#inUse.size
  }

  /** A slab of at least `length` bytes. @throws ERR_TORRENTFS_ARGUMENT when `length` is no positive number */
  acquire(length: number): Slab {
    if (!(length > 0)) throw new TorrentError('ERR_TORRENTFS_ARGUMENT', `a slab of ${length} bytes`)
    const size = slabSize(length)
    const stack = this.#free.get(size)
    let slab = stack?.pop()
    if (slab === undefined) {
      this.#dropUntil(this.#keepBytes - size)
      slab = { id: this.#nextId++, bytes: new Uint8Array(new SharedArrayBuffer(size)) }
      this.#bytes += size
    } else if (stack!.length === 0) this.#free.delete(size)
    this.#inUse.add(slab)
    return slab
  }

  /** Takes a slab back. @throws ERR_TORRENTFS_ARGUMENT when it is not in use here (released twice) */
  release(slab: Slab): void {
    if (!this.#inUse.delete(slab)) {
      throw new TorrentError('ERR_TORRENTFS_ARGUMENT', `slab ${slab.id} is not in use`)
    }
    const size = slab.bytes.length
    const stack = this.#free.get(size) ?? []
    stack.push(slab)
    this.#free.delete(size)
    this.#free.set(size, stack)
    this.#dropUntil(this.#keepBytes)
  }

  /** Gives up every free slab. */
  trim(): void {
    this.#dropUntil(0)
  }

  /** Gives up free slabs, least recently used sizes first, until all slabs take at most `bytes` or none is free. */
  #dropUntil(bytes: number): void {
    for (const [size, stack] of this.#free) {
      while (this.#bytes > bytes && stack.length > 0) {
        const slab = stack.pop()!
        this.#bytes -= size
        this.#onDrop?.(slab)
      }
      if (stack.length > 0) return
      this.#free.delete(size)
    }
  }
}
