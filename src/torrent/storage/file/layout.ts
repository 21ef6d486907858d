/**
 * Where the files of one torrent are, each at its own place or, while it is incomplete, beside it (part-name).
 *
 * Owns what is known of that while the torrent is open. Renames files; must not read or write them.
 */
import { renameSync } from 'node:fs'
import { join } from 'node:path'
import type { StorageTorrent } from '../storage.js'
import { isThere, partPaths } from './part-name.js'

/** What a {@link Layout} is made of. */
export interface LayoutOptions {
  /** Absolute path of the download folder. */
  readonly root: string
  readonly torrent: StorageTorrent
  /** Components of the torrent's paths that its own name stands for. */
  readonly skip: number
  /** The torrent's own file or folder in the download folder. */
  readonly name: string
  /** Whether something had that name, or that of an incomplete file, when the torrent was opened. */
  readonly exists: boolean
  /** Whether files are begun as parts. */
  readonly parts: boolean
}

export class Layout {
  readonly #o: LayoutOptions
  readonly name: string
  readonly exists: boolean
  #parts: (readonly string[] | undefined)[] | undefined
  #inUse: boolean
  /** Files of which it is known whether they lie at their part's place. */
  readonly #known = new Map<number, boolean>()

  constructor(o: LayoutOptions) {
    this.#o = o
    this.name = o.name
    this.exists = o.exists
    this.#inUse = o.parts
  }

  /** Absolute path of the torrent's own file or folder. */
  get top(): string {
    return join(this.#o.root, this.name)
  }

  /** Whether files may lie at their parts' places. */
  get parts(): boolean {
    return this.#inUse
  }

  /** Whether files are begun there. Otherwise those that lie there are of an earlier run. */
  get begins(): boolean {
    return this.#o.parts
  }

  /** Whether a file may lie at its part's place. */
  mayBePart(file: number): boolean {
    return this.#o.parts || this.#known.get(file) === true
  }

  /** Components of a file's own place, below the download folder. */
  components(file: number): readonly string[] {
    return [this.name, ...this.#o.torrent.files[file]!.path.slice(this.#o.skip)]
  }

  /** Absolute path of a file's own place. */
  own(file: number): string {
    return join(this.#o.root, ...this.components(file))
  }

  /** Components of where a file lies while it is incomplete; undefined when it has no such place. */
  partComponents(file: number): readonly string[] | undefined {
    const { files } = this.#o.torrent
    if (files[file]!.pad || files[file]!.length === 0) return undefined
    this.#parts ??= partPaths(files.map((_, index) => this.components(index)))
    return this.#parts[file]
  }

  /** Absolute path of that place. */
  part(file: number): string | undefined {
    const part = this.partComponents(file)
    return part && join(this.#o.root, ...part)
  }

  /** Absolute path of where a file lies, or will when it is begun. May look at the disk, blocking, until it is there. */
  absolute(file: number): string {
    const own = this.own(file)
    if (!this.#inUse) return own
    if (!this.#o.parts) return this.#known.get(file) === true ? this.part(file)! : own
    const part = this.part(file)
    if (part === undefined) return own
    const known = this.#known.get(file)
    if (known !== undefined) return known ? part : own
    if (isThere(own)) this.#known.set(file, false)
    else if (isThere(part)) this.#known.set(file, true)
    return this.#known.get(file) === false ? own : part
  }

  /**
   * Gives an incomplete file its own name, if nothing has that.
   *
   * @returns the path it had; undefined when it had its own name already
   * @throws what the system says; it is then where it was
   */
  complete(file: number): string | undefined {
    const part = this.part(file)
    if (!this.#inUse || part === undefined || this.absolute(file) !== part || !isThere(part)) return undefined
    if (isThere(this.own(file))) throw new Error(`something else has the name ${this.own(file)}`)
    renameSync(part, this.own(file))
    this.#known.set(file, false)
    return part
  }

  /** Another file may have come under one of a file's names: the next to ask has a look. */
  forget(file: number): void {
    if (this.#o.parts) this.#known.delete(file)
  }

  /** Finds the files that an earlier run left at their parts' places, of those given; returns them. Blocking. */
  findParts(files: readonly number[]): number[] {
    const found = files.filter(file => {
      const part = this.part(file)
      return part !== undefined && !isThere(this.own(file)) && isThere(part)
    })
    if (found.length > 0) this.#inUse = true
    for (const file of found) this.#known.set(file, true)
    return found
  }
}
