/**
 * Open files, kept for use again: the least recently used one is closed when there are too many.
 *
 * Owns the descriptors. A descriptor is never closed under someone who uses it: its number could by then be another file's. Must
 * not know what the files are. The only importer of lru-cache.
 */
import { LRUCache } from 'lru-cache'

/** What a cache of open files must be told. */
export interface OpenFilesOptions<T> {
  /** Files kept open. */
  readonly max: number
  /** Closes a file. Must not throw. */
  readonly close: (file: T) => void
}

interface Entry<T> {
  readonly file: T
  uses: number
  dropped: boolean
}

/**
 * Open files by key, for one thread.
 *
 * @typeParam T what is kept of a file: its descriptor or mapping, and whatever else the user wants
 */
export class OpenFiles<T> {
  readonly #close: (file: T) => void
  readonly #entries: LRUCache<string, Entry<T>>

  constructor(o: OpenFilesOptions<T>) {
    this.#close = o.close
    this.#entries = new LRUCache({
      max: o.max,
      dispose: entry => {
        entry.dropped = true
        if (entry.uses === 0) this.#close(entry.file)
      },
    })
  }

  /** Number of files kept. */
  get size(): number {
    return this.#entries.size
  }

  /** The file kept under `key`, for synchronous use only: it may be closed by the next call of `keep`. */
  peek(key: string): T | undefined {
    return this.#entries.get(key)?.file
  }

  /** Keeps an open file, from now on this cache's to close; an earlier one of that key is closed. */
  keep(key: string, file: T): void {
    this.#entries.set(key, { file, uses: 0, dropped: false })
  }

  /** The file kept under `key` and the function that ends its use (call it once): until then it stays open. */
  use(key: string): { file: T; done: () => void } | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    entry.uses++
    return {
      file: entry.file,
      done: () => {
        if (--entry.uses === 0 && entry.dropped) this.#close(entry.file)
      },
    }
  }

  /** Forgets the file of `key`, and closes it when its last use ends. */
  drop(key: string): void {
    this.#entries.delete(key)
  }

  /** Forgets the files whose keys begin with `prefix`. Costs O(files kept). */
  dropAll(prefix = ''): void {
    for (const key of [...this.#entries.keys()]) if (key.startsWith(prefix)) this.#entries.delete(key)
  }
}
