/**
 * The pieces that were kept last, in memory: what was just stored is what a reader wants next.
 *
 * Owns copies of their bytes. Whoever changes a piece elsewhere must say so here first.
 */

/** Pieces of several torrents, up to a number of bytes; the oldest go first. */
export class RecentPieces {
  readonly #maxBytes: number
  /** By infohash and piece, in order of coming. */
  readonly #pieces = new Map<string, Uint8Array>()
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Takes a copy, unless that would be more than half of all. */
  add(infohash: string, piece: number, bytes: Uint8Array): void {
    this.delete(infohash, piece)
    if (bytes.length > this.#maxBytes / 2) return
    this.#pieces.set(`${infohash}/${piece}`, bytes.slice())
    this.#bytes += bytes.length
    for (const name of this.#pieces.keys()) {
      if (this.#bytes <= this.#maxBytes) break
      this.#drop(name)
    }
  }

  /** Copies bytes of a piece from `begin` on. @returns how many; undefined when the piece is not here */
  read(infohash: string, piece: number, begin: number, target: Uint8Array): number | undefined {
    const part = this.#pieces.get(`${infohash}/${piece}`)?.subarray(begin, begin + target.length)
    if (part === undefined) return undefined
    target.set(part)
    return part.length
  }

  delete(infohash: string, piece: number): void {
    this.#drop(`${infohash}/${piece}`)
  }

  deleteTorrent(infohash: string): void {
    for (const name of this.#pieces.keys()) if (name.startsWith(infohash)) this.#drop(name)
  }

  #drop(name: string): void {
    this.#bytes -= this.#pieces.get(name)?.length ?? 0
    this.#pieces.delete(name)
  }
}
