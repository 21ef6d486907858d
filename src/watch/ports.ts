/**
 * What the watcher needs of the engine, and what it is told to leave alone: the shapes that bind the two.
 *
 * Must not import the engine's classes.
 */

/** What a file of the folder holds. `metainfo`: the bytes of a `.torrent`; the receiver may keep them. */
export type MetainfoSource = { readonly metainfo: Uint8Array } | { readonly magnet: string }

/** Where a source came from. */
export interface SourceOrigin {
  /** Absolute path of the metainfo file, as text. */
  readonly file: string
  /** When that file was last modified, in ms since the epoch. */
  readonly modified: number
}

/** Where torrents go: to a `Client` of the engine, by its `addNow` and `remove`. */
export interface TorrentPort {
  /**
   * Adds a torrent, or more knowledge of one that is there already: a `.torrent` for what was known by a magnet only.
   *
   * @throws any error that says what is wrong with the source; nothing is added then
   */
  add(source: MetainfoSource, origin: SourceOrigin): { readonly infohash: string }
  /** Takes a torrent out and keeps its data. */
  remove(infohash: string): Promise<void>
}
