/** Whole downloads without a filesystem: libtorrent's, and our library's. */
import { rmSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Content } from './content.js'
import { COMPILED, LIBRARY, PYTHON, RESULTS, SCRIPTS, freshFolder } from './places.js'
import { run } from './processes.js'

/** One download. */
export interface Download {
  readonly seconds: number
  /** seconds from adding the torrent until the clock was started */
  readonly connect: number
  readonly cpuSeconds: number
  /** bytes */
  readonly peakRss: number
  readonly bytes: number
}

async function download(name: string, folder: string, command: readonly string[]): Promise<Download> {
  const outcome = await run(command[0] as string, command.slice(1))
  rmSync(folder, { recursive: true, force: true })
  if (outcome.code !== 0) throw new Error(`${name}: ${outcome.stdout.trim()} ${outcome.stderr.trim()}`)
  return JSON.parse(outcome.stdout) as Download
}

/** libtorrent in a process of its own, set for speed, or with the settings it comes with. */
export function libtorrentDownload(
  content: Content,
  peer: string,
  settings: 'fast' | 'defaults' = 'fast',
): Promise<Download> {
  const folder = freshFolder('libtorrent')
  const script = join(SCRIPTS, 'libtorrent_download.py')
  return download('libtorrent', folder, [
    PYTHON,
    '-W',
    'ignore',
    script,
    content.torrent,
    folder,
    peer,
    settings,
  ])
}

/** Our library, in a process of its own. @param profile writes a CPU profile named after it */
export function libraryDownload(content: Content, peer: string, profile?: string): Promise<Download> {
  const folder = freshFolder('library')
  const program = join(COMPILED, 'scripts', 'benchmark', 'library-download.js')
  const node: string[] = []
  if (profile !== undefined) {
    const out = join(RESULTS, `profile-${profile}`)
    mkdirSync(out, { recursive: true })
    node.push('--cpu-prof', `--cpu-prof-dir=${out}`)
  }
  return download('library', folder, [
    process.execPath,
    ...node,
    program,
    LIBRARY,
    content.torrent,
    folder,
    peer,
  ])
}
