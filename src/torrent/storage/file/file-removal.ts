/**
 * Deletes the files of one torrent from the download folder, and the folders that are empty then.
 *
 * Owns nothing. Must not delete what the torrent does not name, nor follow symbolic links: they lead to what is not ours.
 */
import { lstat, rmdir, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { StorageTorrent } from '../storage.js'
import { errnoOf, storageFailure } from '../failure.js'
import type { Layout } from './layout.js'

/** What `rmdir` says of a folder that is not empty, not there, or no folder: each is left as it is. */
const NOT_EMPTY = new Set(['ENOTEMPTY', 'EEXIST', 'ENOENT', 'ENOTDIR', 'EBUSY'])

/**
 * Deletes all files of a torrent that is not open. Those that are gone already are no error.
 *
 * @param root absolute path of the download folder; it stays
 * @throws ERR_TORRENTFS_STORAGE naming the first file that could not be deleted
 */
export async function deleteFiles(torrent: StorageTorrent, layout: Layout, root: string): Promise<void> {
  const folders = new RealFolders(root)
  for (const [index, file] of torrent.files.entries()) {
    if (file.pad || !(await folders.has(dirname(layout.own(index))))) continue
    const part = layout.part(index)
    if (!(await deleteFile(layout.own(index))) && part !== undefined) await deleteFile(part)
  }
  for (const folder of folders.deepestFirst()) {
    try {
      await rmdir(folder)
    } catch (thrown) {
      if (!NOT_EMPTY.has(errnoOf(thrown) ?? '')) throw storageFailure(thrown, 'delete', folder)
    }
  }
}

/** @returns whether there was a file. @throws ERR_TORRENTFS_STORAGE */
async function deleteFile(path: string): Promise<boolean> {
  try {
    await unlink(path)
    return true
  } catch (thrown) {
    const errno = errnoOf(thrown)
    if (errno === 'ENOENT') return false
    // What became a folder holds what others put there.
    const folder = errno === 'EISDIR' || (errno === 'EPERM' && (await lstat(path)).isDirectory())
    if (!folder) throw storageFailure(thrown, 'delete', path)
    return true
  }
}

/** The folders below a root that are reached without a symbolic link. */
class RealFolders {
  readonly #root: string
  readonly #known = new Map<string, boolean>()

  constructor(root: string) {
    this.#root = root
  }

  async has(folder: string): Promise<boolean> {
    if (folder === this.#root) return true
    const known = this.#known.get(folder)
    if (known !== undefined) return known
    const real = (await this.has(dirname(folder))) && (await isFolder(folder))
    this.#known.set(folder, real)
    return real
  }

  deepestFirst(): string[] {
    const real = [...this.#known].filter(([, isReal]) => isReal).map(([folder]) => folder)
    return real.sort((a, b) => b.length - a.length)
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isDirectory()
  } catch (thrown) {
    const errno = errnoOf(thrown)
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return false
    throw storageFailure(thrown, 'look at', path)
  }
}
