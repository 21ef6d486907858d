/**
 * What to do about a folder that changed: the pure comparison of what was known with what was seen.
 *
 * Must not touch a disk, a clock or the engine: the same two pictures always give the same actions.
 */

/**
 * A picture of the folder: file name to fingerprint. A fingerprint is opaque and changes whenever the file's content may
 * have changed. Names are byte strings (one UTF-16 unit a byte), so that names that are not UTF-8 stay apart.
 */
export type FolderPicture = ReadonlyMap<string, string>

/** `load`: the file is new or may have changed, read it. `forget`: the file is gone. */
export type Action =
  { readonly kind: 'load'; readonly name: string } | { readonly kind: 'forget'; readonly name: string }

/** What a file of the folder holds, by its name; `undefined` for a file that is none of our business. */
export type MetainfoKind = 'torrent' | 'magnet'

/** Tells what a file holds by its extension, in any case. */
export function metainfoKind(name: string): MetainfoKind | undefined {
  const lower = name.slice(-8).toLowerCase()
  if (lower.endsWith('.torrent')) return 'torrent'
  if (lower.endsWith('.magnet')) return 'magnet'
  return undefined
}

/**
 * The actions that lead from what is known to what was seen: first the `.torrent` files, then the `.magnet` files (a
 * `.torrent` beats a magnet of the same infohash), each by name, so that two runs over one folder do the same; what is
 * gone comes last, so that a renamed file's torrent is held by its new name before the old name lets go of it.
 */
export function plan(known: FolderPicture, seen: FolderPicture): Action[] {
  const torrents: string[] = []
  const magnets: string[] = []
  for (const [name, fingerprint] of seen) {
    if (known.get(name) === fingerprint) continue
    if (metainfoKind(name) === 'magnet') magnets.push(name)
    else torrents.push(name)
  }
  const gone: string[] = []
  for (const name of known.keys()) {
    if (!seen.has(name)) gone.push(name)
  }
  const loads = [...torrents.sort(), ...magnets.sort()].map((name): Action => ({ kind: 'load', name }))
  return loads.concat(gone.sort().map((name): Action => ({ kind: 'forget', name })))
}
