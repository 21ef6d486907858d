/**
 * Completion that is kept somewhere as one short run of bytes for each torrent.
 *
 * Owns when they are written, and what is believed of them. Where they are is a {@link MarksPlace}.
 */
import { silentLogger } from '../../logger.js'
import type { Logger } from '../../logger.js'
import { Bitfield } from '../../pieces/bitfield.js'
import { readBootId } from '../boot-id.js'
import type { StorageTorrent } from '../storage.js'
import type { Completion, TorrentCompletion } from './completion.js'
import { decodeMarks, encodeMarks, marksSize } from './marks.js'

/** A place for the marks of torrents. */
export interface MarksPlace {
  /** The bytes kept for a torrent if there are exactly `size`, none if there are others, undefined if there is nothing. */
  load(infohash: string, size: number): Promise<Uint8Array | undefined>
  /**
   * Replaces them as a whole: a kill leaves the old or the new ones.
   *
   * @param sync whether they must survive a crash of the machine when this resolves
   */
  save(infohash: string, bytes: Uint8Array, sync: boolean): Promise<void>
  remove(infohash: string): Promise<void>
  close?(): Promise<void>
}

/** How a kept {@link Completion} is made. */
export interface KeptCompletionOptions {
  /** Default: silent. */
  readonly logger?: Logger
  /** The running kernel's id, where it is not the system's own. */
  readonly bootId?: string
}

/** A {@link Completion} in a place, which it owns. */
export class KeptCompletion implements Completion {
  readonly #place: MarksPlace
  readonly #logger: Logger
  readonly #bootId: string

  constructor(place: MarksPlace, o: KeptCompletionOptions = {}) {
    this.#place = place
    this.#logger = o.logger ?? silentLogger
    this.#bootId = o.bootId ?? readBootId()
  }

  /** @throws ERR_TORRENTFS_STORAGE when something is there but cannot be read */
  async open({ infohash, geometry: { pieceCount } }: StorageTorrent): Promise<TorrentCompletion> {
    const bytes = await this.#place.load(infohash, marksSize(pieceCount))
    const found = bytes === undefined ? undefined : decodeMarks(bytes, infohash, pieceCount)
    if (bytes !== undefined && found === undefined) {
      this.#logger.warn(
        { infohash },
        'what says which pieces are stored is damaged: they will be fetched again',
      )
    }
    const sure =
      found === undefined || found.endedWell || (found.bootId === this.#bootId && found.bootId !== '')
    return new KeptTorrentCompletion({
      place: this.#place,
      infohash,
      bootId: this.#bootId,
      earlierBootId: found?.bootId ?? '',
      kept: found?.stored ?? new Bitfield(pieceCount),
      endedWell: found?.endedWell ?? true,
      sure,
    })
  }

  async remove({ infohash }: StorageTorrent): Promise<void> {
    await this.#place.remove(infohash)
  }

  async close(): Promise<void> {
    await this.#place.close?.()
  }
}

interface Parts {
  readonly place: MarksPlace
  readonly infohash: string
  readonly bootId: string
  readonly earlierBootId: string
  readonly kept: Bitfield
  readonly endedWell: boolean
  readonly sure: boolean
}

class KeptTorrentCompletion implements TorrentCompletion {
  readonly stored: Bitfield
  readonly sure: boolean
  readonly #o: Parts
  readonly #kept: Bitfield
  /** Marks of an earlier run of the machine that nobody has hashed yet: while there are any, what is kept stays of that run. */
  readonly #unsure: Bitfield
  /** What the place says. */
  #endedWell: boolean
  #writing: Promise<void> | undefined
  /** The write after that: all that is set meanwhile is in it. */
  #next: Promise<void> | undefined

  constructor(o: Parts) {
    this.#o = o
    this.#kept = o.kept
    this.#endedWell = o.endedWell
    this.stored = o.kept.clone()
    this.sure = o.sure
    this.#unsure = o.sure ? new Bitfield(0) : o.kept.clone()
  }

  set(piece: number, stored: boolean): Promise<void> {
    this.#unsure.clear(piece)
    if (stored) this.#kept.set(piece)
    else this.#kept.clear(piece)
    // Also when that changed nothing: an earlier write of it may have failed.
    return this.#flush()
  }

  async close(): Promise<void> {
    await Promise.allSettled([this.#writing, this.#next])
    if (!this.#endedWell && this.#unsure.empty) await this.#write(true)
  }

  #flush(): Promise<void> {
    this.#next ??= (this.#writing ?? Promise.resolve())
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined
        const now = this.#write(false)
        this.#writing = now
        const ended = (): void => {
          if (this.#writing === now) this.#writing = undefined
        }
        now.then(ended, ended)
        return now
      })
    return this.#next
  }

  async #write(endedWell: boolean): Promise<void> {
    const { place, infohash, earlierBootId } = this.#o
    const bootId = this.#unsure.empty ? this.#o.bootId : earlierBootId
    this.#endedWell = false
    await place.save(infohash, encodeMarks(infohash, { stored: this.#kept, bootId, endedWell }), endedWell)
    this.#endedWell = endedWell
  }
}
