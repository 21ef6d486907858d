/**
 * Gives each open torrent a place of its own in the download folder.
 *
 * Owns who has which name while torrents are open; who owns one for good is the state folder's. The rule is file-name's.
 */
import { TorrentError } from '../../errors.js'
import { isForeign } from './existing-files.js'
import { chooseName } from './file-name.js'
import { Layout } from './layout.js'
import { listFolder } from './state-folder.js'
import type { StateFolder } from './state-folder.js'
import type { StorageTorrent } from '../storage.js'

/** How old the list of the download folder may be, in ms: one listing serves thousands of torrents opened at a start. */
const LISTING_MS = 1000

/** The names in one download folder. */
export class FileNames {
  readonly #root: string
  readonly #folder: StateFolder
  readonly #parts: boolean
  /** The infohash of the torrent that has a name now. */
  readonly #taken = new Map<string, string>()
  #listing: { readonly at: number; readonly names: Promise<Set<string>> } | undefined

  /** @param parts whether files are begun as parts */
  constructor(root: string, folder: StateFolder, parts: boolean) {
    this.#root = root
    this.#folder = folder
    this.#parts = parts
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
      const part = `${chosen}.part`
      const alone = torrent.files.length === 1 && (this.#taken.get(part) ?? this.#folder.owner(part))
      const layout = new Layout({
        root: this.#root,
        torrent,
        skip,
        name: chosen,
        exists: exists || listing.has(part),
        // Another torrent may have just that name.
        parts: this.#parts && (typeof alone !== 'string' || alone === infohash),
      })
      if (exists && this.#folder.owner(chosen) !== infohash && !seen.has(chosen)) {
        seen.add(chosen)
        const wanted = torrent.files.flatMap((file, index) =>
          file.pad ? [] : [{ path: layout.own(index), length: file.length }],
        )
        const foreigner = await isForeign(layout.top, chosen.startsWith('.'), wanted)
        if (foreigner) foreign.add(chosen)
        // Another torrent may have taken the name meanwhile: choose again.
        continue
      }
      this.#taken.set(chosen, infohash)
      if (layout.parts && torrent.files.length === 1) this.#taken.set(part, infohash)
      return layout
    }
  }

  /** Gives a name up. A torrent that wrote something still owns it on disk. */
  release(layout: Layout): void {
    const owner = this.#taken.get(layout.name)
    this.#taken.delete(layout.name)
    const part = `${layout.name}.part`
    if (layout.begins && this.#taken.get(part) === owner) this.#taken.delete(part)
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
