/**
 * Torrents in one LMDB file: bytes and mark of a piece in one transaction.
 *
 * Owns the file while it is open. What is freed is used again; the file does not shrink.
 */
import { resolve } from 'node:path'
import { DatabasePieces } from '../database/database-pieces.js'
import { DatabaseThread } from '../database/database-thread.js'
import { PieceStorage } from '../pieces/piece-storage.js'
import type { PieceStorageOptions } from '../pieces/piece-storage.js'

/** A `Storage` in a key-value store. Needs the package `lmdb`. */
export class KvStorage extends PieceStorage {
  /** @param path the file; made by the first write, with its folder. `<path>-lock` lies beside it while it is open */
  constructor(path: string, o: PieceStorageOptions = {}) {
    const worker = new URL('./kv-worker.js', import.meta.url)
    super(new DatabasePieces(new DatabaseThread(resolve(path), { worker, exclusive: true })), o)
  }
}
