/**
 * Torrents in one SQLite database: bytes and mark of a piece in one transaction.
 *
 * Owns the database while it is open: one storage at a time may use it. What is freed is used again; the file does not shrink.
 */
import { resolve } from 'node:path'
import { DatabasePieces } from '../database/database-pieces.js'
import { DatabaseThread } from '../database/database-thread.js'
import { PieceStorage } from '../pieces/piece-storage.js'
import type { PieceStorageOptions } from '../pieces/piece-storage.js'

/** A `Storage` in a database. Needs Node.js 22.13, or the package `@photostructure/sqlite`. */
export class SqliteStorage extends PieceStorage {
  /** @param path the file; made by the first write, with its folder. `-wal` lies beside it while it is open */
  constructor(path: string, o: PieceStorageOptions = {}) {
    const worker = new URL('./sqlite-worker.js', import.meta.url)
    super(new DatabasePieces(new DatabaseThread(resolve(path), { worker, exclusive: true })), o)
  }
}
