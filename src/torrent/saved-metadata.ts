/**
 * Info dictionaries that came from peers, kept for the next start: `<downloadDir>/.torrentfs/<infohash>.info`.
 *
 * Owns those files. What it reads is checked against the infohash: a damaged file counts as none.
 */
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { MAX_METADATA_LENGTH } from './core/metadata-exchange.js'
import { STATE_FOLDER } from './metainfo/info.js'

export class SavedMetadata {
  readonly #folder: string

  constructor(downloadDir: string) {
    this.#folder = join(downloadDir, STATE_FOLDER)
  }

  /** The dictionary with this infohash, if it was kept. Never rejects. */
  async load(infohash: string): Promise<Uint8Array | undefined> {
    const path = this.#path(infohash)
    try {
      if ((await stat(path)).size > MAX_METADATA_LENGTH) return undefined
      const raw = await readFile(path)
      return createHash('sha1').update(raw).digest('hex') === infohash ? raw : undefined
    } catch {
      return undefined
    }
  }

  /** Keeps a dictionary, atomically. @throws system errors */
  async save(infohash: string, raw: Uint8Array): Promise<void> {
    await mkdir(this.#folder, { recursive: true })
    const path = this.#path(infohash)
    const temporary = `${path}.${randomBytes(4).toString('hex')}.tmp`
    try {
      await writeFile(temporary, raw)
      await rename(temporary, path)
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    }
  }

  #path(infohash: string): string {
    return join(this.#folder, `${infohash}.info`)
  }
}
