/**
 * Gives each open torrent a place of its own in the download folder.
 *
 * Owns who has which name while torrents are open; who owns one for good is the state folder's. The rule is file-name's.
 */
import { join } from 'node:path'
import { TorrentError } from '../errors.js'
import { isForeign } from './existing-files.js'
import { chooseName } from './file-name.js'
import { listFolder } from './state-folder.js'
import type { StateFolder } from './state-folder.js'
import type { StorageTorrent } from './storage.js'

/** How old the list of the download folder may be, in ms: one listing serves thousands of torrents opened at a start. */
const LISTING_MS = 1000

/** Where the files of one torrent are. */
export class Layout {
  readonly #root: string
  readonly #torrent: StorageTorrent
  readonly #skip: number
  /** The torrent's own file or folder in the download folder. */
  readonly name: string
  /** Whether something had that name when the torrent was opened. */
  readonly exists: boolean

  constructor(o: { root: string; torrent: StorageTorrent; skip: number; name: string; exists: boolean }) {
    this.#root = o.root
    this.#torrent = o.torrent
    this.#skip = o.skip
    this.name = o.name
    this.exists = o.exists
  }

  /** Absolute path of the torrent's own file or folder. */
  get top(): string {
    return join(this.#root, this.name)
  }

  /** Components of a file's path below the download folder. */
  components(file: number): readonly string[] {
    return [this.name, ...this.#torrent.files[file]!.path.slice(this.#skip)]
  }

  /** Absolute path of a file. */
  absolute(file: number): string {
    return join(this.#root, ...this.components(file))
  }
}

/** The names in one download folder. */
export class FileNames {
  readonly #root: string
  readonly #folder: StateFolder
  /** The infohash of the torrent that has a name now. */
  readonly #taken = new Map<string, string>()
  #listing: { readonly at: number; readonly names: Promise<Set<string>> } | undefined

  constructor(root: string, folder: StateFolder) {
    this.#root = root
    this.#folder = folder
  }

  /**
   * Chooses a torrent's name and takes it until `release`. Creates nothing.
   *
   * @throws ERR_TORRENTFS_STORAGE when all names it could have belong to others
   */
  async take(torrent: StorageTorrent): Promise<Layout> {
    const { infohash } = torrent
    const first = torrent.files[0]?.path[0]
    const common = first !== undefined && torrent.files.every(file => file.path[0] === first)
    // Files without a common first component have a folder made for them.
    const name = common ? first : infohash
    const skip = common ? 1 : 0

    const listing = await this.#list()
    const seen = new Set<string>()
    const foreign = new Set<string>()
    for (;;) {
      const chosen = chooseName(name, infohash, candidate =>
        foreign.has(candidate) ? 'foreign' : (this.#taken.get(candidate) ?? this.#folder.owner(candidate)),
      )
      if (chosen === undefined) {
        throw new TorrentError('ERR_TORRENTFS_STORAGE', `no name is free for ${name} in ${this.#root}`)
      }
      const exists = listing.has(chosen)
      const layout = new Layout({ root: this.#root, torrent, skip, name: chosen, exists })
      if (exists && this.#folder.owner(chosen) !== infohash && !seen.has(chosen)) {
        seen.add(chosen)
        const wanted = torrent.files.flatMap((file, index) =>
          file.pad ? [] : [{ path: layout.absolute(index), length: file.length }],
        )
        const foreigner = await isForeign(layout.top, chosen.startsWith('.'), wanted)
        if (foreigner) foreign.add(chosen)
        // Another torrent may have taken the name meanwhile: choose again.
        continue
      }
      this.#taken.set(chosen, infohash)
      return layout
    }
  }

  /** Gives a name up. A torrent that wrote something still owns it on disk. */
  release(layout: Layout): void {
    this.#taken.delete(layout.name)
  }

  #list(): Promise<Set<string>> {
    const now = performance.now()
    if (this.#listing === undefined || now - this.#listing.at > LISTING_MS) {
      const names = listFolder(this.#root).then(found => new Set(found))
      names.catch(() => (this.#listing = undefined))
      this.#listing = { at: now, names }
    }
    return this.#listing.names
  }
}
