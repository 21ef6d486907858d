/**
 * One LMDB file with the pieces of torrents: what the thread does. Synchronous.
 *
 *     parts    infohash 20, piece 4, part 4 -> up to PART_LENGTH bytes
 *     stored   infohash 20, piece 4         -> one byte
 *     marks    infohash 20                  -> see `completion/marks`
 *
 * Numbers are big-endian, for keys to be in order. A transaction is on disk when it ends (but for which is the last one: a crash of
 * the machine may undo it, whole). The package's own asynchronous writes are not used: a full disk ends the process there.
 *
 * Owns the layout. The package must not be given shared memory: it stores zeros.
 */
import { closeSync, openSync, readSync, statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Database, RootDatabase } from 'lmdb'
import { messageOf, TorrentError } from '../../errors.js'
import { Bitfield } from '../../pieces/bitfield.js'
import { PART_LENGTH } from '../database/database-protocol.js'
import { errnoOf } from '../failure.js'
import type { DatabaseKind, DatabaseOperation, PieceDatabase } from '../database/database-protocol.js'

/** Keys that are deleted at a time: 16 MiB. */
const SLICE = 256

/** Less free space than this on the disk of a failed write means that it is full: LMDB says only that a write was short. */
const FULL_BELOW = 1024 * 1024

/** Where a file of LMDB says that it is one, in the byte order of the machine: ours are all little-endian. */
const MAGIC = 0xbeefc0de
const MAGIC_AT = 24
const HEAD = 28

const MARK = Uint8Array.of(1)

type Table = Database<Uint8Array, Uint8Array>

class KvDatabase implements PieceDatabase {
  readonly #root: RootDatabase<Uint8Array, Uint8Array>
  readonly #parts: Table
  readonly #stored: Table
  readonly #marks: Table

  constructor(root: RootDatabase<Uint8Array, Uint8Array>) {
    const table = (name: string): Table =>
      root.openDB<Uint8Array, Uint8Array>({ name, encoding: 'binary', keyEncoding: 'binary' })
    this.#root = root
    this.#parts = table('parts')
    this.#stored = table('stored')
    this.#marks = table('marks')
  }

  perform(operation: DatabaseOperation): Uint8Array | undefined {
    const { kind } = operation
    switch (kind) {
      case 'open':
        return this.#marked(operation.infohash, operation.pieces)
      case 'read':
        return this.#read(operation)
      case 'write':
        return void this.atOnce(() => this.#write(operation))
      case 'mark':
        return this.#mark(operation.infohash, operation.piece, operation.stored)
      case 'remove':
        return void this.atOnce(() => this.#remove(operation.infohash, operation.piece))
      case 'removeTorrent':
        return this.#removeTorrent(operation.infohash)
      case 'loadMarks': {
        const found = this.#marks.getBinary(key(operation.infohash))
        return found === undefined
          ? undefined
          : found.length === operation.size
            ? found.slice()
            : new Uint8Array(0)
      }
      case 'saveMarks':
        this.#marks.putSync(key(operation.infohash), Buffer.from(operation.bytes))
        return undefined
      case 'removeMarks':
        this.#marks.removeSync(key(operation.infohash))
        return undefined
      case 'close':
        return undefined
    }
  }

  atOnce(action: () => void): void {
    this.#root.transactionSync(action)
  }

  async close(): Promise<void> {
    await this.#root.close()
  }

  #marked(infohash: string, pieces: number): Uint8Array {
    const bits = new Bitfield(pieces)
    for (const found of this.#stored.getKeys({ start: key(infohash, 0), end: key(infohash, pieces) })) {
      if (found.length === 24) bits.set(Buffer.from(found).readUInt32BE(20))
    }
    return bits.bytes
  }

  #read(o: Extract<DatabaseOperation, { kind: 'read' }>): Uint8Array {
    const bytes = new Uint8Array(o.length)
    let done = 0
    while (done < o.length) {
      const part = Math.floor((o.begin + done) / PART_LENGTH)
      const size = Math.min(PART_LENGTH, o.size - part * PART_LENGTH)
      const found = this.#parts.getBinaryFast(key(o.infohash, o.piece, part))
      if (found?.length !== size) break
      const from = o.begin + done - part * PART_LENGTH
      const count = Math.min(o.length - done, size - from)
      bytes.set(found.subarray(from, from + count), done)
      done += count
    }
    return bytes.subarray(0, done)
  }

  #write({ infohash, piece, bytes, stored }: Extract<DatabaseOperation, { kind: 'write' }>): void {
    const own = Buffer.from(bytes)
    for (let part = 0; part * PART_LENGTH < own.length; part++) {
      const from = part * PART_LENGTH
      this.#parts.putSync(key(infohash, piece, part), own.subarray(from, from + PART_LENGTH))
    }
    this.#mark(infohash, piece, stored)
  }

  #mark(infohash: string, piece: number, stored: boolean): undefined {
    if (stored) this.#stored.putSync(key(infohash, piece), MARK)
    else this.#stored.removeSync(key(infohash, piece))
  }

  #remove(infohash: string, piece: number): void {
    this.#mark(infohash, piece, false)
    const keys = this.#parts.getKeys({ start: key(infohash, piece, 0), end: key(infohash, piece + 1, 0) })
    for (const found of [...keys]) this.#parts.removeSync(found)
  }

  /** Takes the marks of a torrent, then some of its bytes. @returns 1 as long as there is more of it, then 0 */
  #removeTorrent(infohash: string): Uint8Array {
    const range = { start: key(infohash), end: key(infohash, 0xffffffff, 0xffffffff), limit: SLICE }
    for (const table of [this.#stored, this.#parts]) {
      const keys = [...table.getKeys(range)]
      if (keys.length === 0) continue
      this.atOnce(() => {
        for (const found of keys) table.removeSync(found)
      })
      return Uint8Array.of(1)
    }
    return Uint8Array.of(0)
  }
}

function key(infohash: string, ...numbers: readonly number[]): Uint8Array {
  const bytes = Buffer.alloc(20 + 4 * numbers.length)
  bytes.write(infohash, 0, 20, 'hex')
  for (const [index, number] of numbers.entries()) bytes.writeUInt32BE(number, 20 + 4 * index)
  return bytes
}

/**
 * Whether a file is none, empty, or begins as LMDB's do. The package does not ask: what is none of its files ends the process.
 *
 * @throws when it is another file
 */
function checkFile(path: string): void {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return
    throw thrown
  }
  try {
    const head = Buffer.alloc(HEAD)
    const count = readSync(file, head, 0, HEAD, 0)
    if (count !== 0 && (count < HEAD || head.readUInt32LE(MAGIC_AT) !== MAGIC))
      throw new Error('it is no LMDB file')
  } finally {
    closeSync(file)
  }
}

/** LMDB as a kind of database. Others may use the file at the same time. */
export const kv: DatabaseKind = {
  async open(path) {
    let lmdb: typeof import('lmdb')
    try {
      lmdb = await import('lmdb')
    } catch (thrown) {
      throw new Error(`the package lmdb is needed: ${messageOf(thrown)}`, { cause: thrown })
    }
    checkFile(path)
    return new KvDatabase(
      lmdb.open<Uint8Array, Uint8Array>({
        path,
        noSubdir: true,
        maxDbs: 3,
        encoding: 'binary',
        keyEncoding: 'binary',
        overlappingSync: false,
        noMetaSync: true,
      }),
    )
  },
  failure(thrown, doing, path) {
    if (doing === 'write' && isFull(path)) {
      return new TorrentError('ERR_TORRENTFS_DISK_FULL', `disk full: cannot write ${path}`)
    }
    return new TorrentError('ERR_TORRENTFS_STORAGE', `cannot ${doing} ${path}: ${messageOf(thrown)}`)
  },
}

function isFull(path: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(dirname(path))
    return bavail * bsize < FULL_BELOW
  } catch {
    return false
  }
}
