/**
 * The folder of the file storage's own state, `.torrentfs` in the download folder: checkpoints, journals, and who owns which name.
 *
 *     <infohash>.resume                  the checkpoint
 *     <infohash>.<generation>.journal    what happened since
 *     names                              a line for each name in the download folder: its owner's infohash, the name as JSON;
 *                                        one more with a minus before it when the owner gave it up
 *
 * Owns these files. Lists the folder once, so that a torrent without state costs no system call. Other files there (kept by
 * others) are left alone.
 */
import { close, constants, fstat, open, read } from 'node:fs'
import {
  appendFile,
  mkdir,
  open as openHandle,
  readdir,
  rename,
  rm,
  unlink,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { errnoOf, storageFailure } from '../failure.js'
import { STATE_FOLDER } from './file-name.js'

const RESUME = /^([0-9a-f]{40})\.resume$/
const JOURNAL = /^([0-9a-f]{40})\.(\d{1,10})\.journal$/
/** Above this a resume file is nonsense: 64 Mi pieces and a million files fit. */
const LARGEST = 1024 ** 3

interface Known {
  checkpoint: boolean
  readonly generations: Set<number>
}

/** What lies on disk for one torrent. Bytes are not checked yet. */
export interface ResumeFiles {
  readonly checkpoint: Uint8Array | undefined
  /** In order of generation. */
  readonly journals: readonly { readonly generation: number; readonly bytes: Uint8Array }[]
}

/** The state folder of one download folder. */
export class StateFolder {
  /** Absolute path. */
  readonly path: string
  readonly #names: string
  readonly #known = new Map<string, Known>()
  readonly #owners = new Map<string, string>()
  #listing: Promise<void> | undefined

  /** @param root absolute path of the download folder */
  constructor(root: string) {
    this.path = join(root, STATE_FOLDER)
    this.#names = join(this.path, 'names')
  }

  /** Absolute path of a torrent's journal. */
  journalPath(infohash: string, generation: number): string {
    return join(this.path, `${infohash}.${generation}.journal`)
  }

  /** Lists the folder, the first time. @throws ERR_TORRENTFS_STORAGE when it is there but cannot be read */
  async list(): Promise<void> {
    this.#listing ??= this.#list()
    try {
      await this.#listing
    } catch (thrown) {
      this.#listing = undefined
      throw thrown
    }
  }

  /** The infohash that owns `name` according to the disk; undefined when nobody does. Call `list` before. */
  owner(name: string): string | undefined {
    return this.#owners.get(name)
  }

  /** Whether there is state of a torrent. Call `list` before. */
  has(infohash: string): boolean {
    return this.#known.has(infohash)
  }

  /** Reads the state of a torrent. @throws ERR_TORRENTFS_STORAGE when a file is there but cannot be read */
  async read(infohash: string): Promise<ResumeFiles> {
    const known = this.#known.get(infohash)
    if (known === undefined) return { checkpoint: undefined, journals: [] }
    const checkpoint = known.checkpoint ? await readRegular(this.#resumePath(infohash)) : undefined
    const journals: { generation: number; bytes: Uint8Array }[] = []
    for (const generation of [...known.generations].sort((a, b) => a - b)) {
      const bytes = await readRegular(this.journalPath(infohash, generation))
      if (bytes !== undefined) journals.push({ generation, bytes })
    }
    return { checkpoint, journals }
  }

  /**
   * Creates the folder, and notes on disk that `infohash` owns `name`: before the first byte is written under that name.
   *
   * @throws ERR_TORRENTFS_DISK_FULL, ERR_TORRENTFS_STORAGE naming the path
   */
  async claim(infohash: string, name: string): Promise<void> {
    if (this.#owners.get(name) === infohash) return
    try {
      await mkdir(this.path, { recursive: true })
      // The line break in front ends a line that a crash or a full disk may have cut.
      await appendFile(this.#names, `\n${infohash} ${JSON.stringify(name)}\n`)
    } catch (thrown) {
      throw storageFailure(thrown, 'write', this.#names)
    }
    this.#owners.set(name, infohash)
  }

  /**
   * Deletes a torrent's state, and gives up the names it owns.
   *
   * @throws ERR_TORRENTFS_DISK_FULL, ERR_TORRENTFS_STORAGE naming the path; what is left may be deleted later
   */
  async forget(infohash: string): Promise<void> {
    for (const generation of this.#known.get(infohash)?.generations ?? []) {
      await removeFile(this.journalPath(infohash, generation))
    }
    await removeFile(this.#resumePath(infohash))
    this.#known.delete(infohash)
    const names = [...this.#owners].filter(([, owner]) => owner === infohash).map(([name]) => name)
    if (names.length === 0) return
    try {
      await appendFile(this.#names, names.map(name => `\n-${infohash} ${JSON.stringify(name)}\n`).join(''))
    } catch (thrown) {
      throw storageFailure(thrown, 'write', this.#names)
    }
    for (const name of names) this.#owners.delete(name)
  }

  /** Begins a journal with `header`. @throws ERR_TORRENTFS_DISK_FULL, ERR_TORRENTFS_STORAGE naming the path */
  async createJournal(infohash: string, generation: number, header: Uint8Array): Promise<string> {
    const path = this.journalPath(infohash, generation)
    try {
      await mkdir(this.path, { recursive: true })
      await writeFile(path, header)
    } catch (thrown) {
      await rm(path, { force: true }).catch(() => {})
      throw storageFailure(thrown, 'write', path)
    }
    this.#entry(infohash).generations.add(generation)
    return path
  }

  /** Appends records to a journal. @throws ERR_TORRENTFS_DISK_FULL, ERR_TORRENTFS_STORAGE; then a record may be torn */
  async append(infohash: string, generation: number, records: Uint8Array): Promise<void> {
    const path = this.journalPath(infohash, generation)
    try {
      const handle = await openHandle(path, constants.O_WRONLY | constants.O_APPEND)
      try {
        await handle.appendFile(records)
      } finally {
        await handle.close()
      }
    } catch (thrown) {
      throw storageFailure(thrown, 'write', path)
    }
  }

  /**
   * Replaces the checkpoint: written beside, synced, renamed, so that at any moment the old or the new one is there, whole.
   *
   * @throws ERR_TORRENTFS_DISK_FULL, ERR_TORRENTFS_STORAGE naming the path; the old one is then still there
   */
  async writeCheckpoint(infohash: string, bytes: Uint8Array): Promise<void> {
    const path = this.#resumePath(infohash)
    const temporary = `${path}.tmp`
    try {
      await mkdir(this.path, { recursive: true })
      const handle = await openHandle(temporary, 'w')
      try {
        await handle.writeFile(bytes)
        await handle.sync()
      } finally {
        await handle.close()
      }
      await rename(temporary, path)
      await this.#sync()
    } catch (thrown) {
      await rm(temporary, { force: true }).catch(() => {})
      throw storageFailure(thrown, 'write', path)
    }
    this.#entry(infohash).checkpoint = true
  }

  /** Deletes the journals of generations below `generation`; what cannot be deleted does no harm. */
  async dropJournals(infohash: string, generation: number): Promise<void> {
    const generations = this.#entry(infohash).generations
    for (const old of [...generations]) {
      if (old >= generation) continue
      try {
        await unlink(this.journalPath(infohash, old))
      } catch (thrown) {
        if (errnoOf(thrown) !== 'ENOENT') continue
      }
      generations.delete(old)
    }
  }

  async #list(): Promise<void> {
    for (const name of await listFolder(this.path)) {
      const infohash = RESUME.exec(name)?.[1]
      if (infohash !== undefined) this.#entry(infohash).checkpoint = true
      const journal = JOURNAL.exec(name)
      if (journal !== null) this.#entry(journal[1]!).generations.add(Number(journal[2]))
    }
    const names = await readRegular(this.#names)
    for (const line of names === undefined ? [] : Buffer.from(names).toString().split('\n')) {
      const given = line.startsWith('-') ? ownerIn(line.slice(1)) : undefined
      if (given !== undefined && this.#owners.get(given.name) === given.infohash) {
        this.#owners.delete(given.name)
      }
      const owner = ownerIn(line)
      // The first claim holds: it was made when the name was free.
      if (owner !== undefined && !this.#owners.has(owner.name)) this.#owners.set(owner.name, owner.infohash)
    }
  }

  #entry(infohash: string): Known {
    let entry = this.#known.get(infohash)
    if (entry === undefined) {
      entry = { checkpoint: false, generations: new Set() }
      this.#known.set(infohash, entry)
    }
    return entry
  }

  #resumePath(infohash: string): string {
    return join(this.path, `${infohash}.resume`)
  }

  async #sync(): Promise<void> {
    const handle = await openHandle(this.path, constants.O_RDONLY)
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  }
}

/** The names in a folder; none when there is no such folder. @throws ERR_TORRENTFS_STORAGE when it cannot be read */
export async function listFolder(path: string): Promise<string[]> {
  try {
    return await readdir(path)
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return []
    throw storageFailure(thrown, 'read', path)
  }
}

async function removeFile(path: string): Promise<void> {
  try {
    await rm(path, { force: true })
  } catch (thrown) {
    throw storageFailure(thrown, 'delete', path)
  }
}

/** What a line of the names file says; undefined when it is no whole line of ours. */
function ownerIn(line: string): { infohash: string; name: string } | undefined {
  if (!/^[0-9a-f]{40} "/.test(line)) return undefined
  try {
    const name: unknown = JSON.parse(line.slice(41))
    return typeof name === 'string' ? { infohash: line.slice(0, 40), name } : undefined
  } catch {
    return undefined
  }
}

/**
 * The bytes of a file; undefined when there is none, none at all when it is no regular file. With callbacks, for it is done for
 * thousands of torrents at a start and promises take twice the time.
 *
 * @throws ERR_TORRENTFS_STORAGE when it cannot be read
 */
function readRegular(path: string): Promise<Uint8Array | undefined> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => reject(storageFailure(error, 'read', path))
    open(path, constants.O_RDONLY | constants.O_NONBLOCK, (error, fd) => {
      if (error !== null) {
        if (errnoOf(error) === 'ENOENT') resolve(undefined)
        else fail(error)
        return
      }
      const end = (settle: () => void): void => close(fd, settle)
      fstat(fd, (failure, stats) => {
        if (failure !== null) return end(() => fail(failure))
        if (!stats.isFile() || stats.size > LARGEST) return end(() => resolve(new Uint8Array(0)))
        const bytes = Buffer.allocUnsafe(stats.size)
        const more = (done: number): void =>
          read(fd, bytes, done, bytes.length - done, done, (problem, count) => {
            if (problem !== null) end(() => fail(problem))
            else if (count === 0 || done + count === bytes.length) {
              end(() => resolve(bytes.subarray(0, done + count)))
            } else more(done + count)
          })
        more(0)
      })
    })
  })
}
