/**
 * What became known of magnets, kept for the next start: the info dictionary, which came from peers, in
 * `<downloadDir>/.torrentfs/<infohash>.info`; the torrent file, which a magnet link led to, in `<infohash>.torrent`, since
 * it names trackers and web seeds that the link does not.
 *
 * Owns those files. What it reads is checked against the infohash: a damaged file counts as none.
 */
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

import { MAX_METADATA_LENGTH } from './core/metadata-exchange.js'
import { STATE_FOLDER } from './metainfo/info.js'
import { parseMetainfo } from './metainfo/metainfo.js'

/** More than any torrent file that was fetched. */
const MAX_METAINFO_LENGTH = 64 * 1024 * 1024

export class SavedMetadata {
  /** Undefined: nothing is kept. */
  readonly #folder: string | undefined
  readonly #writing = new Set<Promise<void>>()

  constructor(downloadDir: string | undefined) {
    this.#folder = downloadDir === undefined ? undefined : join(downloadDir, STATE_FOLDER)
  }

  /** The dictionary with this infohash, if it was kept. Never rejects. */
  async load(infohash: string): Promise<Uint8Array | undefined> {
    const raw = await readAtMost(this.#path(infohash, 'info'), MAX_METADATA_LENGTH)
    if (raw === undefined) return undefined
    return createHash('sha1').update(raw).digest('hex') === infohash ? raw : undefined
  }

  /** The torrent file with this infohash, if it was kept. Never rejects. */
  async loadMetainfo(infohash: string): Promise<Uint8Array | undefined> {
    const bytes = await readAtMost(this.#path(infohash, 'torrent'), MAX_METAINFO_LENGTH)
    try {
      return bytes !== undefined && parseMetainfo(bytes).info.infohash === infohash ? bytes : undefined
    } catch {
      return undefined
    }
  }

  /** Keeps a dictionary, atomically. @throws system errors */
  save(infohash: string, raw: Uint8Array): Promise<void> {
    return this.#keep(this.#path(infohash, 'info'), raw)
  }

  /** Keeps a torrent file, atomically. @throws system errors */
  saveMetainfo(infohash: string, bytes: Uint8Array): Promise<void> {
    return this.#keep(this.#path(infohash, 'torrent'), bytes)
  }

  /** Forgets what was kept of a torrent. @throws system errors */
  async remove(infohash: string): Promise<void> {
    // What is being written would be there afterwards.
    await Promise.allSettled(this.#writing)
    for (const kind of ['info', 'torrent'] as const) {
      const path = this.#path(infohash, kind)
      if (path !== undefined) await rm(path, { force: true })
    }
  }

  #keep(path: string | undefined, bytes: Uint8Array): Promise<void> {
    const writing = this.#write(path, bytes).finally(() => this.#writing.delete(writing))
    this.#writing.add(writing)
    return writing
  }

  async #write(path: string | undefined, bytes: Uint8Array): Promise<void> {
    if (path === undefined) return
    await mkdir(dirname(path), { recursive: true })
    const temporary = `${path}.${randomBytes(4).toString('hex')}.tmp`
    try {
      await writeFile(temporary, bytes)
      await rename(temporary, path)
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    }
  }

  #path(infohash: string, kind: 'info' | 'torrent'): string | undefined {
    return this.#folder && join(this.#folder, `${infohash}.${kind}`)
  }
}

async function readAtMost(path: string | undefined, bytes: number): Promise<Uint8Array | undefined> {
  if (path === undefined) return undefined
  try {
    return (await stat(path)).size > bytes ? undefined : await readFile(path)
  } catch {
    return undefined
  }
}
