/** The storages that are one file, and what it is called in their tests. */
import { join } from 'node:path'
import { KvStorage } from '../../../src/torrent/storage/kv/kv-storage.js'
import type { PieceStorage } from '../../../src/torrent/storage/pieces/piece-storage.js'
import { SqliteStorage } from '../../../src/torrent/storage/sqlite/sqlite-storage.js'

export const KINDS = { sqlite: 'torrents.db', kv: 'torrents.kv' } as const
export type TransactionalKind = keyof typeof KINDS

export function storageAt(kind: TransactionalKind, folder: string): PieceStorage {
  const path = join(folder, KINDS[kind])
  return kind === 'sqlite' ? new SqliteStorage(path) : new KvStorage(path)
}
