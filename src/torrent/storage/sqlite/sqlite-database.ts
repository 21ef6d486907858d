/**
 * One database with the pieces of torrents: what the thread does. Synchronous.
 *
 * A piece is rows of {@link PART_LENGTH} bytes, so that a part of it can be read alone. Its bytes and its mark are changed in one transaction
 * of the write-ahead log: after a kill, or a crash of the machine, both are there or neither.
 *
 * Owns the schema. Believes no size that the file claims: a row counts only with the length that it must have.
 */
import { Bitfield } from '../../pieces/bitfield.js'
import { messageOf, TorrentError } from '../../errors.js'
import { PART_LENGTH } from '../database/database-protocol.js'
import type { DatabaseKind, DatabaseOperation, PieceDatabase } from '../database/database-protocol.js'
import { loadSqlite, sqliteCode } from './sqlite-module.js'
import type { SqliteConnection, SqliteStatement, SqliteValue } from './sqlite-module.js'

/** SQLite's numbers: the file is in use, there is no space, it is no database. */
const BUSY = 5
const LOCKED = 6
const FULL = 13
const NOT_A_DATABASE = 26

/** "TFdb", in the header of the file. */
const APPLICATION = 0x54466462
const VERSION = 1

const SCHEMA = `
  CREATE TABLE torrent (
    id INTEGER PRIMARY KEY, infohash BLOB NOT NULL UNIQUE, pieces INTEGER NOT NULL, piece_length INTEGER NOT NULL
  );
  CREATE TABLE part (torrent INTEGER NOT NULL, piece INTEGER NOT NULL, part INTEGER NOT NULL, bytes BLOB NOT NULL,
    PRIMARY KEY (torrent, piece, part));
  CREATE TABLE stored (torrent INTEGER NOT NULL, piece INTEGER NOT NULL, PRIMARY KEY (torrent, piece)) WITHOUT ROWID;
  CREATE TABLE marks (infohash BLOB NOT NULL PRIMARY KEY, bytes BLOB NOT NULL) WITHOUT ROWID;
  PRAGMA application_id = ${APPLICATION};
  PRAGMA user_version = ${VERSION};
`

const STATEMENTS = {
  find: 'SELECT id, pieces, piece_length FROM torrent WHERE infohash = ?',
  add: 'INSERT INTO torrent (infohash, pieces, piece_length) VALUES (?, ?, ?) RETURNING id',
  stored: 'SELECT piece FROM stored WHERE torrent = ? AND piece >= 0 AND piece < ?',
  mark: 'INSERT OR IGNORE INTO stored VALUES (?, ?)',
  unmark: 'DELETE FROM stored WHERE torrent = ? AND piece = ?',
  put: 'INSERT OR REPLACE INTO part VALUES (?, ?, ?, ?)',
  // length() of a column reads no more than the row's head.
  get: "SELECT CASE WHEN typeof(bytes) = 'blob' AND length(bytes) = ?4 THEN bytes END AS bytes FROM part WHERE torrent = ?1 AND piece = ?2 AND part = ?3",
  drop: 'DELETE FROM part WHERE torrent = ? AND piece = ?',
  dropSome: 'DELETE FROM part WHERE rowid IN (SELECT rowid FROM part WHERE torrent = ? LIMIT ?)',
  unmarkTorrent: 'DELETE FROM stored WHERE torrent = ?',
  forget: 'DELETE FROM torrent WHERE id = ?',
  loadMarks:
    "SELECT CASE WHEN typeof(bytes) = 'blob' AND length(bytes) = ?2 THEN bytes END AS bytes FROM marks WHERE infohash = ?1",
  saveMarks: 'INSERT OR REPLACE INTO marks VALUES (?, ?)',
  removeMarks: 'DELETE FROM marks WHERE infohash = ?',
} as const

/** A torrent that was opened. */
interface KnownTorrent {
  /** Its number in the database; -1 before its first change. */
  id: number
  readonly pieces: number
  readonly pieceLength: number
}

/** Rows that are deleted at a time: 16 MiB. */
const SLICE = 256

/** An open database. */
class SqliteDatabase implements PieceDatabase {
  readonly #connection: SqliteConnection
  readonly #statements: Readonly<Record<keyof typeof STATEMENTS, SqliteStatement>>
  readonly #known = new Map<string, KnownTorrent>()
  /** Those that got their number in the transaction that is open. */
  #numbered: KnownTorrent[] = []
  #inTransaction = false

  /**
   * @param connection from now on this one's, also when this throws
   * @param exclusive whether nobody else may use the file meanwhile
   */
  constructor(connection: SqliteConnection, exclusive: boolean) {
    this.#connection = connection
    try {
      // The page size counts for a new file only. Large pages: the rows are.
      connection.exec('PRAGMA trusted_schema = OFF; PRAGMA busy_timeout = 3000; PRAGMA page_size = 65536')
      if (exclusive) connection.exec('PRAGMA locking_mode = EXCLUSIVE')
      this.#create()
      // 16 MiB between checkpoints: their syncs are what a read may have to wait for.
      connection.exec('PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 256')
      connection.exec('PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -8192')
      const prepared = Object.entries(STATEMENTS).map(([name, sql]) => [name, connection.prepare(sql)])
      this.#statements = Object.fromEntries(prepared) as Record<keyof typeof STATEMENTS, SqliteStatement>
    } catch (thrown) {
      connection.close()
      throw thrown
    }
  }

  /** Does what is asked, and returns the bytes it answers with. */
  perform(operation: DatabaseOperation): Uint8Array | undefined {
    switch (operation.kind) {
      case 'open':
        return this.#open(operation)
      case 'read':
        return this.#read(operation)
      case 'write':
        return void this.atOnce(() => this.#write(operation))
      case 'mark':
        return void this.#mark(this.#id(operation.infohash), operation.piece, operation.stored)
      case 'remove':
        return void this.atOnce(() => {
          const id = this.#id(operation.infohash)
          this.#mark(id, operation.piece, false)
          this.#statements.drop.run(id, operation.piece)
        })
      case 'removeTorrent':
        return this.#removeTorrent(operation.infohash)
      case 'loadMarks': {
        const row = this.#statements.loadMarks.get(key(operation.infohash), operation.size)
        if (row === undefined) return undefined
        return row['bytes'] instanceof Uint8Array ? row['bytes'] : new Uint8Array(0)
      }
      case 'saveMarks':
        this.#statements.saveMarks.run(key(operation.infohash), operation.bytes)
        if (operation.sync) this.#connection.exec('PRAGMA wal_checkpoint(FULL)')
        return undefined
      case 'removeMarks':
        return void this.#statements.removeMarks.run(key(operation.infohash))
      case 'close':
        return undefined
    }
  }

  /** All of what `action` changes, or nothing. Within another one it is part of that. */
  atOnce<T>(action: () => T): T {
    if (this.#inTransaction) return action()
    this.#numbered = []
    this.#inTransaction = true
    this.#connection.exec('BEGIN IMMEDIATE')
    try {
      const result = action()
      this.#connection.exec('COMMIT')
      return result
    } catch (thrown) {
      for (const known of this.#numbered) known.id = -1
      try {
        this.#connection.exec('ROLLBACK')
      } catch {
        // Some failures have rolled back already.
      }
      throw thrown
    } finally {
      this.#inTransaction = false
    }
  }

  close(): void {
    this.#connection.close()
  }

  #create(): void {
    const pragma = (name: string): SqliteValue | undefined =>
      Object.values(this.#connection.prepare(`PRAGMA ${name}`).get() ?? {})[0]
    if (pragma('application_id') !== APPLICATION) {
      const { tables } = this.#connection.prepare('SELECT count(*) AS tables FROM sqlite_schema').get()!
      if (tables !== 0) throw new TorrentError('ERR_TORRENTFS_STORAGE', 'the database of another program')
      this.#connection.exec('PRAGMA journal_mode = WAL')
      this.atOnce(() => this.#connection.exec(SCHEMA))
    }
    const version = pragma('user_version')
    if (version !== VERSION) {
      throw new TorrentError('ERR_TORRENTFS_STORAGE', `a database of version ${version}, not ${VERSION}`)
    }
    this.#connection.exec('PRAGMA journal_mode = WAL')
  }

  #open(o: Extract<DatabaseOperation, { kind: 'open' }>): Uint8Array {
    const bits = new Bitfield(o.pieces)
    const row = this.#statements.find.get(key(o.infohash))
    if (row !== undefined && (row['pieces'] !== o.pieces || row['piece_length'] !== o.pieceLength)) {
      // Nothing we wrote says so of this torrent.
      while (this.#removeTorrent(o.infohash)[0] === 1);
    } else if (row !== undefined) {
      for (const { piece } of this.#statements.stored.all(row['id']!, o.pieces)) bits.set(Number(piece))
    }
    const found = this.#statements.find.get(key(o.infohash))
    const id = found === undefined ? -1 : Number(found['id'])
    this.#known.set(o.infohash, { id, pieces: o.pieces, pieceLength: o.pieceLength })
    return bits.bytes
  }

  #read(o: Extract<DatabaseOperation, { kind: 'read' }>): Uint8Array {
    const bytes = new Uint8Array(o.length)
    const id = this.#known.get(o.infohash)?.id ?? -1
    let done = 0
    while (done < o.length) {
      const part = Math.floor((o.begin + done) / PART_LENGTH)
      const size = Math.min(PART_LENGTH, o.size - part * PART_LENGTH)
      const row = this.#statements.get.get(id, o.piece, part, size)?.['bytes']
      if (!(row instanceof Uint8Array)) break
      const from = o.begin + done - part * PART_LENGTH
      const count = Math.min(o.length - done, size - from)
      bytes.set(row.subarray(from, from + count), done)
      done += count
    }
    return bytes.subarray(0, done)
  }

  #write({ infohash, piece, bytes, stored }: Extract<DatabaseOperation, { kind: 'write' }>): void {
    const id = this.#id(infohash)
    for (let part = 0; part * PART_LENGTH < bytes.length; part++) {
      const from = part * PART_LENGTH
      this.#statements.put.run(id, piece, part, bytes.subarray(from, from + PART_LENGTH))
    }
    this.#mark(id, piece, stored)
  }

  #mark(id: number, piece: number, stored: boolean): void {
    this.#statements[stored ? 'mark' : 'unmark'].run(id, piece)
  }

  /** Takes the marks of a torrent, and the first of its bytes. @returns 1 as long as there are more of them, then 0 */
  #removeTorrent(infohash: string): Uint8Array {
    const row = this.#statements.find.get(key(infohash))
    this.#known.delete(infohash)
    if (row === undefined) return Uint8Array.of(0)
    const id = row['id']!
    return this.atOnce(() => {
      this.#statements.unmarkTorrent.run(id)
      const more = Number(this.#statements.dropSome.run(id, SLICE).changes) === SLICE
      if (!more) this.#statements.forget.run(id)
      return Uint8Array.of(more ? 1 : 0)
    })
  }

  /** The number of a torrent that was opened; it gets one with the first change. */
  #id(infohash: string): number {
    const known = this.#known.get(infohash)
    if (known === undefined)
      throw new TorrentError('ERR_TORRENTFS_STORAGE', `torrent ${infohash} is not open`)
    if (known.id >= 0) return known.id
    const row = this.#statements.add.get(key(infohash), known.pieces, known.pieceLength)!
    known.id = Number(row['id'])
    this.#numbered.push(known)
    return known.id
  }
}

function key(infohash: string): Uint8Array {
  return Buffer.from(infohash, 'hex')
}

/** SQLite as a kind of database. */
export const sqlite: DatabaseKind = {
  async open(path, exclusive) {
    const { DatabaseSync } = await loadSqlite()
    return new SqliteDatabase(new DatabaseSync(path), exclusive)
  },
  failure(thrown, doing, path) {
    const code = sqliteCode(thrown)
    if (code === FULL)
      return new TorrentError('ERR_TORRENTFS_DISK_FULL', `disk full: cannot ${doing} ${path}`)
    let why = messageOf(thrown)
    if (code === BUSY || code === LOCKED) why = 'another program uses it'
    if (code === NOT_A_DATABASE) why = 'it is no SQLite database'
    return new TorrentError('ERR_TORRENTFS_STORAGE', `cannot ${doing} ${path}: ${why}`)
  },
}
