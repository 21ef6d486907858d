/**
 * Objects as files of a folder: `<folder>/ab/cdef...`, the first two digits of the name and the rest.
 *
 * Owns what it writes there. A file appears under its name by a rename, so it is whole unless the machine crashed; nothing is
 * synced, for who reads it hashes it first.
 */
import { mkdir, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { constants } from 'node:fs'
import { join, resolve } from 'node:path'
import { errnoOf, storageFailure } from '../failure.js'
import type { FoundObject, ObjectStore } from './object-store.js'

// Without O_NONBLOCK, opening a named pipe that someone put there would never return.
const READ = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW
const REST = /^[0-9a-f]{38}$/
const TEMPORARY = 'tmp'

/** An {@link ObjectStore} in a folder. */
export class FolderObjects implements ObjectStore {
  readonly far: boolean = false
  readonly #folder: string
  readonly #made = new Set<string>()
  #next = 1
  #swept: Promise<void> | undefined

  /** @param folder created by the first write */
  constructor(folder: string) {
    this.#folder = resolve(folder)
  }

  async list(group: string): Promise<Map<string, undefined>> {
    const folder = join(this.#folder, group)
    try {
      const found = await readdir(folder)
      return new Map(found.filter(rest => REST.test(rest)).map(rest => [group + rest, undefined]))
    } catch (thrown) {
      if (isMissing(thrown)) return new Map()
      throw storageFailure(thrown, 'list', folder)
    }
  }

  async get(name: string, size: number): Promise<FoundObject | undefined> {
    return await this.#opened(name, async handle => {
      const stats = await handle.stat({ bigint: true })
      if (!stats.isFile() || stats.size !== BigInt(size)) return undefined
      const bytes = new Uint8Array(size)
      if (!(await fill(handle, bytes, 0))) return undefined
      return { bytes, version: versionOf(stats) }
    })
  }

  async read(name: string, begin: number, target: Uint8Array, version: string): Promise<boolean> {
    const read = await this.#opened(name, async handle => {
      if (versionOf(await handle.stat({ bigint: true })) !== version) return false
      return await fill(handle, target, begin)
    })
    return read ?? false
  }

  async put(name: string, bytes: Uint8Array): Promise<string> {
    const path = this.#path(name)
    const temporary = join(this.#folder, TEMPORARY, `${process.pid}-${this.#next++}`)
    try {
      await (this.#swept ??= this.#sweep())
      await this.#make(name.slice(0, 2))
      await writeFile(temporary, bytes, { flag: 'wx' })
      const version = versionOf(await stat(temporary, { bigint: true }))
      await rename(temporary, path)
      return version
    } catch (thrown) {
      // The folder may have been deleted meanwhile.
      this.#made.clear()
      this.#swept = undefined
      await rm(temporary, { force: true }).catch(() => {})
      throw storageFailure(thrown, 'write', path)
    }
  }

  async remove(name: string): Promise<void> {
    try {
      await rm(this.#path(name), { force: true })
    } catch (thrown) {
      throw storageFailure(thrown, 'delete', this.#path(name))
    }
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  #path(name: string): string {
    return join(this.#folder, name.slice(0, 2), name.slice(2))
  }

  async #opened<T>(name: string, use: (handle: FileHandle) => Promise<T>): Promise<T | undefined> {
    const path = this.#path(name)
    try {
      const handle = await open(path, READ)
      try {
        return await use(handle)
      } finally {
        await handle.close()
      }
    } catch (thrown) {
      if (isMissing(thrown)) return undefined
      throw storageFailure(thrown, 'read', path)
    }
  }

  async #make(group: string): Promise<void> {
    if (this.#made.has(group)) return
    await mkdir(join(this.#folder, group), { recursive: true })
    this.#made.add(group)
  }

  /** Deletes what processes that are gone left half written. */
  async #sweep(): Promise<void> {
    const folder = join(this.#folder, TEMPORARY)
    await mkdir(folder, { recursive: true })
    for (const name of await readdir(folder)) {
      const pid = /^(\d+)-\d+$/.exec(name)?.[1]
      if (pid === undefined || (Number(pid) !== process.pid && isAlive(Number(pid)))) continue
      await rm(join(folder, name), { force: true })
    }
  }
}

async function fill(handle: FileHandle, target: Uint8Array, position: number): Promise<boolean> {
  for (let done = 0; done < target.length;) {
    const { bytesRead } = await handle.read(target, done, target.length - done, position + done)
    if (bytesRead === 0) return false
    done += bytesRead
  }
  return true
}

function versionOf(stats: { size: bigint; mtimeNs: bigint; ino: bigint }): string {
  return `${stats.size} ${stats.mtimeNs} ${stats.ino}`
}

/** No such file, or a symbolic link, which is none of ours. */
function isMissing(thrown: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'ELOOP', 'EISDIR'].includes(errnoOf(thrown) ?? '')
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (thrown) {
    return errnoOf(thrown) === 'EPERM'
  }
}
