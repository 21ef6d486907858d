/**
 * Where the bench finds and leaves things: the checkout, the compiled tree it runs from, the cache of made
 * content, and one folder a run that is removed at the end. Owns no process.
 */
import { accessSync, constants, existsSync, mkdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))

/** The compiled tree this file runs from: `dist`, or whatever folder the compiler was pointed at. */
export const COMPILED = join(here, '..', '..')

/** The checkout: the nearest folder above that holds `package.json`. */
export const CHECKOUT = (() => {
  let folder = here
  while (!existsSync(join(folder, 'package.json'))) {
    const above = dirname(folder)
    if (above === folder) throw new Error(`no package.json above ${here}`)
    folder = above
  }
  return folder
})()

/** Scripts that are not compiled (python, CommonJS preloads). */
export const SCRIPTS = join(CHECKOUT, 'scripts', 'benchmark')

/** The daemon's entry. */
export const DAEMON = join(COMPILED, 'bundle', 'cli', 'torrentfs.cjs')

/** The entry of the `torrent` command. */
export const COMMAND = join(COMPILED, 'bundle', 'cli', 'torrent.cjs')

/** The library's public surface. */
export const LIBRARY = join(COMPILED, 'bundle', 'torrent.js')

/** Results and profiles. */
export const RESULTS = join(CHECKOUT, 'bench-results')

/** Content that is expensive to make and the same for every run. */
export const CACHE = join(tmpdir(), 'torrentfs-bench')

/** Downloads, mounts and metainfo folders of this run; on the same disk as the cache. */
export const RUN = join(CACHE, `run-${process.pid}`)

/** Makes an empty folder of that name for one measurement. */
export function freshFolder(name: string): string {
  const folder = join(RUN, name)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  return folder
}

/** The path of a program, or undefined when it is not installed. */
export function findProgram(name: string, also: readonly string[] = []): string | undefined {
  for (const folder of [...also, ...(process.env['PATH'] ?? '').split(delimiter)]) {
    const path = join(folder, name)
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      // not here
    }
  }
  return undefined
}

/** A python that has libtorrent. Debian's own is asked first: its package is not seen by other pythons. */
export const PYTHON = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3'

/** The Go torrentfs, where scripts/bench put it or anyone else did. */
export function goTorrentfs(): string | undefined {
  return findProgram('torrentfs', [join(CACHE, 'go', 'bin')])
}
