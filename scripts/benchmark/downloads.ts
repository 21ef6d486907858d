/** Whole downloads without a filesystem: libtorrent's, and our library's. */
import { rmSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Content } from './content.js'
import { keepsDownloads } from './memory.js'
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

let serial = 0

async function download(name: string, folder: string, command: readonly string[]): Promise<Download> {
  const outcome = await run(command[0] as string, command.slice(1))
  if (!keepsDownloads) rmSync(folder, { recursive: true, force: true })
  if (outcome.code !== 0) throw new Error(`${name}: ${outcome.stdout.trim()} ${outcome.stderr.trim()}`)
  return JSON.parse(outcome.stdout) as Download
}

/** How a download flows: over TCP in the open, over uTP alone, or over TCP with RC4 alone. */
export type Flow = 'tcp' | 'utp' | 'rc4'

/** libtorrent in a process of its own, set for speed in one of three flows, or with the settings it comes with. */
export function libtorrentDownload(
  content: Content,
  peer: string,
  settings: 'fast' | 'defaults' | 'utp' | 'rc4' = 'fast',
): Promise<Download> {
  const folder = freshFolder(`libtorrent-${++serial}`)
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
export function libraryDownload(
  content: Content,
  peer: string,
  profile?: string,
  flow: Flow = 'tcp',
): Promise<Download> {
  const folder = freshFolder(`library-${++serial}`)
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
    flow,
  ])
}

/** Times from adding a torrent to its first byte, ms. */
export interface FirstBytes {
  /** With uTP switched off. */
  readonly tcpAlone: readonly number[]
  /** With TCP and uTP. */
  readonly both: readonly number[]
}

/** Our library, which connects anew each time, in turns with and without uTP. */
export async function libraryFirstBytes(content: Content, peer: string, runs: number): Promise<FirstBytes> {
  const program = join(COMPILED, 'scripts', 'benchmark', 'library-first-byte.js')
  const folder = freshFolder(`first-byte-${++serial}`)
  const outcome = await run(process.execPath, [program, LIBRARY, content.torrent, folder, peer, String(runs)])
  rmSync(folder, { recursive: true, force: true })
  if (outcome.code !== 0) throw new Error(`first byte: ${outcome.stdout.trim()} ${outcome.stderr.trim()}`)
  return JSON.parse(outcome.stdout) as FirstBytes
}
