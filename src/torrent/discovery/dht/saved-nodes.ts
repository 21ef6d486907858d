/**
 * The DHT's nodes kept for the next start: `<downloadDir>/.torrentfs/dht`, bencoded, some kilobytes.
 *
 * Owns that file. What is read is checked and capped like anything from outside: a damaged file counts as none.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, open, rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'

import { messageOf } from '../../errors.js'
import type { Logger } from '../../logger.js'
import { encodeBencode } from '../../metainfo/bencode.js'
import { BencodeNode } from '../../metainfo/bencode-node.js'
import { decodeContacts, encodeContacts, type Contact, type Family } from './contact.js'
import { ID_LENGTH } from './node-id.js'

/** What is kept of one node of ours. */
export interface SavedTable {
  /** 20 bytes. */
  readonly id: Uint8Array
  readonly contacts: readonly Contact[]
}

export type SavedTables = Partial<Record<Family, SavedTable>>

/** Contacts kept of a family: those of a full table. */
const MAX_CONTACTS = 400
const MAX_BYTES = 64 * 1024
const FAMILIES: readonly Family[] = [4, 6]

export class SavedNodes {
  readonly #path: string
  readonly #logger: Logger
  #saving: Promise<void> = Promise.resolve()

  /** @param path of the file; its folder is made when something is saved */
  constructor(path: string, logger: Logger) {
    this.#path = path
    this.#logger = logger
  }

  /** What was kept; nothing when there is no file, and with a warning when it is damaged. Never rejects. */
  async load(): Promise<SavedTables> {
    let bytes: Uint8Array | undefined
    try {
      bytes = await readSmall(this.#path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
        this.#logger.warn({ path: this.#path }, `the saved DHT nodes cannot be read: ${messageOf(error)}`)
      return {}
    }
    const tables = bytes === undefined ? undefined : decodeTables(bytes)
    if (tables !== undefined) return tables
    this.#logger.warn({ path: this.#path }, 'the saved DHT nodes are damaged: the DHT begins anew')
    return {}
  }

  /** Keeps tables, atomically, one after the other; those without contacts are left out. Never rejects. */
  save(tables: SavedTables): Promise<void> {
    return (this.#saving = this.#saving.then(() => this.#save(tables)))
  }

  async #save(tables: SavedTables): Promise<void> {
    const bytes = encodeTables(tables)
    if (bytes === undefined) return
    const temporary = `${this.#path}.${randomBytes(4).toString('hex')}.tmp`
    try {
      await mkdir(dirname(this.#path), { recursive: true })
      await writeFile(temporary, bytes)
      await rename(temporary, this.#path)
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined)
      this.#logger.warn({ path: this.#path }, `the DHT nodes cannot be saved: ${messageOf(error)}`)
    }
  }
}

/** The bytes of the file; undefined when there is nothing to keep. */
export function encodeTables(tables: SavedTables): Uint8Array | undefined {
  const file: Record<string, { id: Uint8Array; nodes: Uint8Array }> = {}
  for (const family of FAMILIES) {
    const table = tables[family]
    if (table === undefined || table.contacts.length === 0) continue
    file[`n${family}`] = {
      id: table.id,
      nodes: encodeContacts(table.contacts.slice(0, MAX_CONTACTS), family),
    }
  }
  return Object.keys(file).length === 0 ? undefined : encodeBencode(file)
}

/** What the bytes of the file say; undefined when they are damaged. */
export function decodeTables(bytes: Uint8Array): SavedTables | undefined {
  let root: BencodeNode
  try {
    root = BencodeNode.scan(bytes, { maxDepth: 3 }).root
  } catch {
    return undefined
  }
  if (root.kind !== 'dictionary') return undefined
  const tables: SavedTables = {}
  for (const family of FAMILIES) {
    const keys = root.get(`n${family}`)?.pick(['id', 'nodes'])
    if (keys === undefined) continue
    const [id, nodes] = [keys.id?.bytes, keys.nodes?.bytes]
    if (id?.length !== ID_LENGTH || nodes === undefined) return undefined
    tables[family] = { id: Uint8Array.from(id), contacts: decodeContacts(nodes, family, MAX_CONTACTS) }
  }
  return tables
}

/** The bytes of a file of sensible size; undefined for a larger one. @throws system errors */
async function readSmall(path: string): Promise<Uint8Array | undefined> {
  const file = await open(path)
  try {
    if ((await file.stat()).size > MAX_BYTES) return undefined
    return await file.readFile()
  } finally {
    await file.close()
  }
}
