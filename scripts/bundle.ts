/**
 * Makes of `src/` what is shipped, in `dist/bundle/`: the package's entries, its commands and its worker threads, each with what
 * it needs in few files.
 *
 * Node takes 0.2 s to find and read some three hundred modules one by one, which every start of a command would pay. Other
 * packages stay outside: they are installed, and mended, by themselves.
 */
import { build } from 'esbuild'
import { chmodSync, copyFileSync, existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** This file runs from `dist/scripts/`. */
const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
const OUT = join(ROOT, 'dist', 'bundle')

/** What each file is made of. */
const ENTRIES: Readonly<Record<string, string>> = {
  torrent: 'torrent/index.ts',
  fs: 'fs/index.ts',
  watch: 'watch/index.ts',
  bencode: 'torrent/entries/bencode.ts',
  tracker: 'torrent/entries/tracker.ts',
  metainfo: 'torrent/entries/metainfo.ts',
  wire: 'torrent/entries/wire.ts',
  'cli/main': 'cli/main.ts',
  'cli/torrent/main': 'cli/torrent/main.ts',
}

/** They keep their names, and lie beside the files that start them by these. */
const WORKERS = [
  'fs/backends/kernel/session-worker.ts',
  'fs/backends/open-file-scan.ts',
  'torrent/data/store-worker.ts',
  'torrent/hashing/hash-worker.ts',
  'torrent/storage/kv/kv-worker.ts',
  'torrent/storage/sqlite/sqlite-worker.ts',
]

/** The commands as they are started; they load an entry. */
const LAUNCHERS = ['cli/torrent.cjs', 'cli/torrentfs.cjs']

/** @throws when a file starts a worker that does not lie beside it */
function checkWorkers(): void {
  for (const file of readdirSync(OUT, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.js')) continue
    const text = readFileSync(join(OUT, file), 'utf8')
    for (const [, worker = ''] of text.matchAll(/new URL\("([^"]+)", import\.meta\.url\)/g)) {
      if (existsSync(join(OUT, dirname(file), worker))) continue
      throw new Error(
        `dist/bundle/${file} starts ${worker}, which is not there: name it in scripts/bundle.ts`,
      )
    }
  }
}

rmSync(OUT, { recursive: true, force: true })
const entryPoints = Object.entries(ENTRIES).map(([out, path]) => ({ in: join(ROOT, 'src', path), out }))
for (const path of WORKERS) entryPoints.push({ in: join(ROOT, 'src', path), out: basename(path, '.ts') })
await build({
  absWorkingDir: ROOT,
  entryPoints,
  outdir: OUT,
  bundle: true,
  splitting: true,
  packages: 'external',
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  sourcemap: true,
  chunkNames: 'part-[hash]',
  legalComments: 'none',
  logLevel: 'warning',
})
for (const path of LAUNCHERS) {
  copyFileSync(join(ROOT, 'dist', 'src', path), join(OUT, path))
  chmodSync(join(OUT, path), 0o755)
}
checkWorkers()
