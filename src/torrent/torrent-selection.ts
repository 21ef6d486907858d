/**
 * What of a torrent is to be fetched whether anyone reads it or not.
 *
 * Owns the wishes for all, for files and for pieces, which may come before the metadata is known. What a piece is worth is
 * derived from them: the most that its own wish and those for its files ask. What is not started is the core's.
 */
import type { SelectionPriority } from './core/selection.js'
import { TorrentError } from './errors.js'
import type { FileRange } from './metainfo/select-only.js'
import type { Info } from './metainfo/info.js'
import type { TorrentEngine } from './torrent-engine.js'

/**
 * How much bytes are wanted that nobody reads: not at all, after what readers want, or before all else that nobody reads.
 * What a reader wants goes before all of these.
 */
export type Priority = 'none' | 'normal' | 'high'

/** What is known of the torrent by now. */
export interface Selectable {
  readonly info: Info | undefined
  readonly engine: TorrentEngine | undefined
}

const RANK: Readonly<Record<Priority, number>> = { none: 0, normal: 1, high: 2 }

export class TorrentSelection {
  /** The files that are meant when all are asked for (BEP 53); undefined for all. */
  only: readonly FileRange[] | undefined
  readonly #torrent: () => Selectable
  #all = false
  #inOrder = false
  /** Wishes for single files and pieces, by index. */
  readonly #files = new Map<number, Priority>()
  readonly #pieces = new Map<number, SelectionPriority>()

  constructor(torrent: () => Selectable) {
    this.#torrent = torrent
  }

  /** Selects everything that is meant, now or once it is known, but for files with a wish of their own. */
  all(): void {
    this.#all = true
    this.begin()
  }

  /** Takes pieces by index from now on, or the rarest first. */
  set inOrder(inOrder: boolean) {
    this.#inOrder = inOrder
    this.#torrent().engine?.post({ type: 'order', inOrder })
  }

  /** The engine is there: what was wished before is selected now. */
  begin(): void {
    const { info, engine } = this.#torrent()
    if (info === undefined || engine === undefined) return
    if (this.#inOrder) engine.post({ type: 'order', inOrder: true })
    if (this.#all || this.#files.size > 0 || this.#pieces.size > 0) this.#apply(0, info.geometry.pieceCount)
  }

  fileOf(file: number): Priority {
    return this.#files.get(file) ?? (this.#all && this.#isMeant(file) ? 'normal' : 'none')
  }

  setFile(file: number, priority: Priority): void {
    checkPriority(priority)
    this.#files.set(file, priority)
    const { info } = this.#torrent()
    if (info === undefined) return
    const { offset, length } = info.files[file]!
    const { begin, end } = info.geometry.piecesIn(offset, offset + length)
    this.#apply(begin, end)
  }

  pieceOf(piece: number): Priority {
    const { info } = this.#torrent()
    let most: Priority = this.#pieces.get(piece) ?? 'none'
    if (info === undefined) return most
    const offset = info.geometry.pieceOffset(piece)
    for (const { file, pad } of info.geometry.segments(offset, offset + info.geometry.pieceSize(piece))) {
      const priority = pad ? 'none' : this.fileOf(file)
      if (RANK[priority] > RANK[most]) most = priority
    }
    return most
  }

  /** The piece's own wish: `none` takes it back, and leaves what its files ask. */
  setPiece(piece: number, priority: Priority): void {
    checkPriority(priority)
    if (priority === 'none') this.#pieces.delete(piece)
    else this.#pieces.set(piece, priority)
    this.#apply(piece, piece + 1)
  }

  #isMeant(file: number): boolean {
    return this.only?.some(({ begin, end }) => begin <= file && file < end) ?? true
  }

  /** Tells the engine what the pieces [begin, end) are worth, a run at a time. */
  #apply(begin: number, end: number): void {
    const { engine } = this.#torrent()
    if (engine === undefined) return
    if (this.#all && this.only === undefined && this.#files.size === 0 && this.#pieces.size === 0) {
      engine.post({ type: 'select', begin, end })
      return
    }
    for (let from = begin; from < end;) {
      const priority = this.pieceOf(from)
      let to = from + 1
      while (to < end && this.pieceOf(to) === priority) to++
      if (priority === 'none') engine.post({ type: 'deselect', begin: from, end: to })
      else engine.post({ type: 'select', begin: from, end: to, priority })
      from = to
    }
  }
}

/** @throws ERR_TORRENTFS_ARGUMENT */
function checkPriority(priority: Priority): void {
  if (Object.hasOwn(RANK, priority)) return
  const words = Object.keys(RANK).join(', ')
  throw new TorrentError(
    'ERR_TORRENTFS_ARGUMENT',
    `priority: ${JSON.stringify(priority)} is none of ${words}`,
  )
}
