/**
 * A torrent whose metadata is known and whose storage is open: what there is to read, and to fetch into.
 *
 * Owns the storage, its place in the store and the engine, from the opening to the end.
 */
import type { StoreTarget, VerifyOutcome } from './data/piece-store.js'
import { TorrentError } from './errors.js'
import type { Info } from './metainfo/info.js'
import { storageTorrentOf } from './storage-torrent.js'
import { StoredBytes } from './stored-bytes.js'
import { StoredFiles } from './stored-files.js'
import type { TorrentContext } from './torrent-context.js'
import { TorrentEngine, type EngineOwner } from './torrent-engine.js'

/** What came of hashing a piece on request. */
export type PieceCheck = VerifyOutcome

export class OpenedTorrent {
  readonly info: Info
  readonly engine: TorrentEngine
  readonly storedBytes: StoredBytes
  /** Undefined when the storage keeps no real files, or gives up pieces for others. */
  readonly storedFiles: StoredFiles | undefined
  readonly #context: TorrentContext
  readonly #target: StoreTarget
  /** Who waits for pieces to be hashed, by piece. */
  readonly #checks = new Map<number, (() => void)[]>()
  #stopped: TorrentError | undefined

  private constructor(info: Info, target: StoreTarget, context: TorrentContext, owner: EngineOwner) {
    const { store, budget, cache, logger, network } = context
    const { storage, torrent } = target
    this.info = info
    this.#context = context
    this.#target = target
    this.storedBytes = new StoredBytes(info.geometry, storage.stored)
    this.engine = new TorrentEngine({
      target,
      store,
      budget,
      cache,
      rates: network.rates,
      logger,
      owner,
    })
    // Who reads the files himself cannot be asked whether he is reading what is to be given up.
    if (cache === undefined) this.storedFiles = StoredFiles.of(torrent, storage, this.engine.stored)
  }

  /**
   * Opens the torrent's storage.
   *
   * @param ended - whether the torrent has ended meanwhile: then what was opened is closed again
   * @throws what the storage throws; ERR_TORRENTFS_ARGUMENT when it cannot give up pieces and has to
   */
  static async open(
    info: Info,
    context: TorrentContext,
    owner: EngineOwner,
    ended: () => boolean,
  ): Promise<OpenedTorrent | undefined> {
    const torrent = storageTorrentOf(info)
    const storage = await context.storage.open(torrent)
    try {
      context.cache?.checkStorage(info.name, storage)
      if (!ended()) return new OpenedTorrent(info, context.store.attach(torrent, storage), context, owner)
    } catch (error) {
      await storage.close()
      throw error
    }
    await storage.close()
    return undefined
  }

  /**
   * Hashes what the storage holds of a piece. `bad` also for one that is being fetched.
   *
   * @throws the error the torrent was stopped with
   */
  async check(piece: number): Promise<PieceCheck> {
    if (this.#stopped !== undefined) throw this.#stopped
    const { core } = this.engine
    const before = core.pieceState(piece)
    if (before === 'stored') {
      const outcome = await this.#context.store.verify(this.#target, piece)
      if (outcome === 'bad') this.engine.post({ type: 'doubt', pieces: [piece] })
      return outcome
    }
    if (before !== 'open') {
      this.engine.post({ type: 'check', piece })
      while (core.pieceState(piece) === 'verifying') await this.#nextChange(piece)
    }
    const after = core.pieceState(piece)
    if (after !== 'suspect') return after === 'stored' ? 'good' : 'bad'
    return {
      error: new TorrentError('ERR_TORRENTFS_STORAGE', `${this.info.name}: cannot read piece ${piece}`),
    }
  }

  /** The engine says that the state of a piece may have changed. */
  changed(piece: number): void {
    const waiting = this.#checks.get(piece)
    this.#checks.delete(piece)
    for (const resolve of waiting ?? []) resolve()
  }

  async #nextChange(piece: number): Promise<void> {
    await new Promise<void>(resolve => {
      const waiting = this.#checks.get(piece)
      if (waiting === undefined) this.#checks.set(piece, [resolve])
      else waiting.push(resolve)
    })
    if (this.#stopped !== undefined) throw this.#stopped
  }

  /** Ends waiting reads with `error`; nothing is fetched any more. */
  stop(error: TorrentError): void {
    this.#stopped = error
    this.engine.close(error)
    for (const piece of [...this.#checks.keys()]) this.changed(piece)
  }

  /** After {@link stop}: waits for what is being stored, gives back the memory and closes the storage. Never rejects. */
  async close(): Promise<void> {
    await this.#context.store.detach(this.#target)
    this.engine.releaseMemory()
    await this.#target.storage.close()
  }
}
