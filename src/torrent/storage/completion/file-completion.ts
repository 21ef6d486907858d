/**
 * Completion as one small file for each torrent, `<infohash>.pieces`.
 *
 * Owns these files. Each is replaced as a whole, written beside and renamed, so that a kill leaves the old or the new one; synced only
 * when all ends well. A file that does not check counts as none.
 */
import { constants } from 'node:fs'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { errnoOf, storageFailure } from '../failure.js'
import { KeptCompletion } from './kept-completion.js'
import type { KeptCompletionOptions, MarksPlace } from './kept-completion.js'

/** A `Completion` of files in one folder, which the first mark creates. */
export class FileCompletion extends KeptCompletion {
  constructor(folder: string, o: KeptCompletionOptions = {}) {
    super(new FileMarks(resolve(folder)), o)
  }
}

class FileMarks implements MarksPlace {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  load(infohash: string, size: number): Promise<Uint8Array | undefined> {
    return readExactly(this.#path(infohash), size)
  }

  async save(infohash: string, bytes: Uint8Array, sync: boolean): Promise<void> {
    const path = this.#path(infohash)
    const temporary = `${path}.tmp`
    try {
      await mkdir(this.#folder, { recursive: true })
      const handle = await open(temporary, 'w')
      try {
        await handle.writeFile(bytes)
        if (sync) await handle.sync()
      } finally {
        await handle.close()
      }
      await rename(temporary, path)
    } catch (thrown) {
      await rm(temporary, { force: true }).catch(() => {})
      throw storageFailure(thrown, 'write', path)
    }
  }

  async remove(infohash: string): Promise<void> {
    const path = this.#path(infohash)
    try {
      await rm(path, { force: true })
    } catch (thrown) {
      throw storageFailure(thrown, 'delete', path)
    }
  }

  #path(infohash: string): string {
    return join(this.#folder, `${infohash}.pieces`)
  }
}

/** The bytes of a file; none at all when it has another size or is no regular file; undefined when there is none. */
async function readExactly(path: string, size: number): Promise<Buffer | undefined> {
  try {
    const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      const stats = await handle.stat()
      if (!stats.isFile() || stats.size !== size) return Buffer.alloc(0)
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(size), 0, size, 0)
      return buffer.subarray(0, bytesRead)
    } finally {
      await handle.close()
    }
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return undefined
    throw storageFailure(thrown, 'read', path)
  }
}
