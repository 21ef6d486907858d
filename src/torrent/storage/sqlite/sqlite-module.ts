/**
 * Which SQLite is used: Node's own where there is one without a flag (22.13 and later), else the package of the same interface.
 *
 * Owns the part of that interface we use, and the importing: never before a database is opened.
 */
import { getBuiltinModule } from 'node:process'
import { messageOf, TorrentError } from '../../errors.js'

/** A value of a column. */
export type SqliteValue = null | number | bigint | string | Uint8Array

export interface SqliteStatement {
  run(...values: SqliteValue[]): { readonly changes: number | bigint }
  get(...values: SqliteValue[]): Record<string, SqliteValue> | undefined
  all(...values: SqliteValue[]): Record<string, SqliteValue>[]
}

export interface SqliteConnection {
  exec(sql: string): void
  prepare(sql: string): SqliteStatement
  close(): void
}

interface SqliteModule {
  DatabaseSync: new (path: string) => SqliteConnection
}

/** Loads SQLite. @throws ERR_TORRENTFS_STORAGE when there is none */
export async function loadSqlite(): Promise<SqliteModule> {
  const own = getBuiltinModule('node:sqlite') as SqliteModule | undefined
  if (own !== undefined) return own
  try {
    return await import('@photostructure/sqlite')
  } catch (thrown) {
    const what = `SQLite needs Node.js 22.13 or the package @photostructure/sqlite: ${messageOf(thrown)}`
    throw new TorrentError('ERR_TORRENTFS_STORAGE', what, { cause: thrown })
  }
}

/** SQLite's own number of an error, without the extended part; undefined for what is none of SQLite's. */
export function sqliteCode(thrown: unknown): number | undefined {
  if (typeof thrown !== 'object' || thrown === null || !('errcode' in thrown)) return undefined
  return typeof thrown.errcode === 'number' ? thrown.errcode & 0xff : undefined
}
