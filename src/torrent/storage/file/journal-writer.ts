/**
 * The resume state of one open torrent on disk: which journal is written to, and how journals are folded into checkpoints.
 *
 * Owns the generations, the operations that hold a journal, and the records that this thread still has to append. Must not
 * know where the torrent's files are, nor read resume files.
 */
import { TorrentError } from '../../errors.js'
import { encodeCheckpoint, encodeJournalHeader } from './resume-file.js'
import type { ResumeSnapshot, ResumeState } from './resume-state.js'
import type { StateFolder } from './state-folder.js'
import type { JournalPlace } from '../storage.js'

/** What a journal writer needs. */
export interface JournalWriterOptions {
  readonly infohash: string
  readonly state: ResumeState
  readonly folder: StateFolder
  readonly bootId: string
  /** The highest generation on disk; 0 when there is none. */
  readonly generation: number
  /** The state on disk must become a checkpoint before the first journal: there are journals, or things only known in memory. */
  readonly fold: boolean
  /** Called before anything is written: makes the torrent's name its own. */
  readonly claim: () => Promise<void>
  /** Records could not be appended; the operator should look. The next checkpoint makes up for it. */
  readonly onFailure: (error: unknown) => void
}

/** Writes the resume files of one torrent. */
export class JournalWriter {
  readonly #o: JournalWriterOptions
  #generation: number
  #prepared = false
  #preparing: Promise<void> | undefined
  #fold: boolean
  #closed = false
  /** Operations under way, by the generation they journal to. */
  readonly #held = new Map<number, number>()
  /** Called, synchronously, when nothing holds a generation below the current one any more. */
  #whenReleased: (() => void) | undefined
  #queue: Uint8Array[] = []
  #appending: Promise<void> | undefined
  /** Checkpoints and preparation, one after the other. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(o: JournalWriterOptions) {
    this.#o = o
    this.#generation = o.generation
    this.#fold = o.fold
  }

  /**
   * Holds the current journal for an operation. Records that this thread made before are appended first, so that the journal
   * tells things in the order they happened.
   *
   * @throws ERR_TORRENTFS_CLOSED after `close`; what creating the journal throws
   */
  async hold(): Promise<JournalPlace> {
    if (this.#closed) throw new TorrentError('ERR_TORRENTFS_CLOSED', 'the storage of this torrent is closed')
    if (!this.#prepared) await this.#prepare()
    while (this.#appending !== undefined) await this.#appending
    if (this.#closed) throw new TorrentError('ERR_TORRENTFS_CLOSED', 'the storage of this torrent is closed')
    return this.#hold()
  }

  /** Ends what `hold` began. What the operation did to the state must be in the state by now. */
  release(place: JournalPlace): void {
    const left = this.#held.get(place.generation)! - 1
    if (left > 0) this.#held.set(place.generation, left)
    else this.#held.delete(place.generation)
    if (this.#whenReleased !== undefined && !this.#holdsOld()) {
      const released = this.#whenReleased
      this.#whenReleased = undefined
      released()
    }
  }

  /** Appends a record soon; the state has it already. */
  queue(record: Uint8Array): void {
    this.#queue.push(record)
    this.#appending ??= this.#flush()
  }

  /**
   * Folds the journals into a checkpoint: operations from now on go to a new journal; when those of the old ones have ended, the state
   * of that moment is written, and the old journals are deleted.
   *
   * @param sync makes the stored pieces of `snapshot` survive a crash of the machine, and returns the snapshot as it then is; without
   *   it the checkpoint says which pieces are not synced
   * @throws ERR_TORRENTFS_DISK_FULL, ERR_TORRENTFS_STORAGE; nothing is lost then
   */
  async checkpoint(sync?: (snapshot: ResumeSnapshot) => Promise<ResumeSnapshot>): Promise<void> {
    while (this.#appending !== undefined) await this.#appending
    await this.#inTurn(() => this.#checkpoint(sync))
  }

  /** Waits for operations under way and appends what is queued; then nothing can be written any more. Never rejects. */
  async close(): Promise<void> {
    this.#closed = true
    while (this.#appending !== undefined) await this.#appending
    await this.#turn.catch(() => {})
    if (this.#held.size > 0) {
      this.#generation++
      await new Promise<void>(resolve => (this.#whenReleased = resolve))
    }
  }

  #hold(): JournalPlace {
    const generation = this.#generation
    this.#held.set(generation, (this.#held.get(generation) ?? 0) + 1)
    return { path: this.#o.folder.journalPath(this.#o.infohash, generation), generation }
  }

  #holdsOld(): boolean {
    for (const generation of this.#held.keys()) if (generation < this.#generation) return true
    return false
  }

  #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(action, action)
    this.#turn = result.catch(() => {})
    return result
  }

  #prepare(): Promise<void> {
    this.#preparing ??= this.#inTurn(async () => {
      const { infohash, folder } = this.#o
      if (this.#fold) {
        await this.#o.claim()
        await this.#checkpoint(undefined)
        this.#fold = false
      }
      const next = this.#generation + 1
      // Side by side: each step waits for a turn of an event loop that may be busy with what is to be stored.
      const [claimed, created] = await Promise.allSettled([
        this.#o.claim(),
        folder.createJournal(infohash, next, this.#header(next)),
      ])
      if (claimed.status === 'rejected') throw claimed.reason
      if (created.status === 'rejected') throw created.reason
      this.#generation++
      this.#prepared = true
    }).finally(() => (this.#preparing = undefined))
    return this.#preparing
  }

  async #checkpoint(
    sync: ((snapshot: ResumeSnapshot) => Promise<ResumeSnapshot>) | undefined,
  ): Promise<void> {
    const { infohash, folder, state, bootId } = this.#o
    const next = this.#generation + 1
    if (this.#prepared) await folder.createJournal(infohash, next, this.#header(next))
    this.#generation = next
    const { snapshot, unsynced } = await new Promise<{
      snapshot: ResumeSnapshot
      unsynced: ReturnType<ResumeState['takeUnsynced']>
    }>(resolve => {
      // Synchronously in the release of the last old operation: a record of the new journal must not be in the snapshot,
      // for it would be applied to it a second time.
      const take = (): void =>
        resolve({
          snapshot: state.snapshot(),
          unsynced: sync === undefined ? undefined : state.takeUnsynced(),
        })
      if (this.#holdsOld()) this.#whenReleased = take
      else take()
    })
    try {
      const kept = sync === undefined ? snapshot : { ...(await sync(snapshot)), unsynced: undefined }
      await folder.writeCheckpoint(infohash, encodeCheckpoint(infohash, { generation: next, bootId }, kept))
    } catch (thrown) {
      if (unsynced !== undefined) state.unsync(unsynced)
      throw thrown
    }
    await folder.dropJournals(infohash, next)
    this.#fold = false
  }

  async #flush(): Promise<void> {
    try {
      if (!this.#prepared) await this.#prepare()
      while (this.#queue.length > 0) {
        const records = Buffer.concat(this.#queue)
        this.#queue = []
        const place = this.#hold()
        try {
          await this.#o.folder.append(this.#o.infohash, place.generation, records)
        } finally {
          this.release(place)
        }
      }
    } catch (thrown) {
      this.#queue = []
      this.#o.onFailure(thrown)
    } finally {
      this.#appending = undefined
    }
  }

  #header(generation: number): Uint8Array {
    return encodeJournalHeader(this.#o.infohash, { generation, bootId: this.#o.bootId })
  }
}
