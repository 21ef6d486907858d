/**
 * Where this checkout and its compiled output lie, and which outside programs this machine has.
 * Compiled tests run from any build folder (`dist`, `.build/x`): everything is found from this module's own place.
 */

import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder the compiler wrote to: the one that holds `src` and `test` of the running code. */
export const buildRoot: string =
  process.env['TORRENTFS_BUILD'] ?? fileURLToPath(new URL('../../', import.meta.url)).replace(/\/$/, '')

/** The root of the checkout (where package.json lies). */
export const projectRoot: string = findProjectRoot(fileURLToPath(new URL('.', import.meta.url)))

function findProjectRoot(from: string): string {
  for (let folder = from; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder
    if (folder === dirname(folder)) throw new Error(`no package.json above ${from}`)
  }
}

/** A script beside the sources of the support, which the compiler does not copy. */
export function supportScript(name: string): string {
  return join(projectRoot, 'test', 'support', name)
}

/** The daemon's entry in the build under test. */
export const daemonEntry: string = join(buildRoot, 'bundle', 'cli', 'torrentfs.cjs')

/**
 * The entry of the `torrent` command in the build under test; of its modules one by one while coverage is measured, for in its one file
 * V8 tells of a module that has not run as of one stretch, which no source map leads back.
 */
export const torrentEntry: string = join(
  buildRoot,
  process.env['NODE_V8_COVERAGE'] === undefined ? 'bundle' : 'src',
  'cli',
  'torrent.cjs',
)

/** The Python that has Debian's bindings (a version manager's `python3` earlier in PATH has not). */
export const systemPython = '/usr/bin/python3'

const probes: Record<string, () => boolean> = {
  root: () => process.getuid?.() === 0,
  fuse: () => readable('/dev/fuse') && (onPath('fusermount3') || onPath('fusermount')),
  namespaces: () => process.getuid?.() === 0 && onPath('ip') && onPath('nsenter') && onPath('setpriv'),
  libtorrent: () => spawnSync(systemPython, ['-c', 'import libtorrent']).status === 0,
  transmission: () => onPath('transmission-daemon') && onPath('transmission-create'),
  mktorrent: () => onPath('mktorrent'),
  zsh: () => onPath('zsh'),
  fish: () => onPath('fish'),
  aria2c: () => onPath('aria2c'),
  opentracker: () => onPath('opentracker'),
  ffmpeg: () => onPath('ffmpeg') && onPath('ffprobe'),
  nginx: () => onPath('nginx'),
  lighttpd: () => onPath('lighttpd'),
  tcpdump: () => onPath('tcpdump'),
  microsocks: () => onPath('microsocks'),
  tinyproxy: () => onPath('tinyproxy'),
  miniupnpd: () => onPath('miniupnpd') && onPath('nft'),
  daemon: () => existsSync(daemonEntry),
}

/** What a test may depend on that a machine may lack. */
export type Requirement =
  | 'root'
  | 'fuse'
  | 'namespaces'
  | 'libtorrent'
  | 'transmission'
  | 'mktorrent'
  | 'zsh'
  | 'fish'
  | 'aria2c'
  | 'opentracker'
  | 'ffmpeg'
  | 'nginx'
  | 'lighttpd'
  | 'tcpdump'
  | 'microsocks'
  | 'tinyproxy'
  | 'miniupnpd'
  | 'daemon'

const known = new Map<Requirement, boolean>()

/** Whether this machine has it. Asked once. */
export function has(requirement: Requirement): boolean {
  let answer = known.get(requirement)
  if (answer === undefined) {
    answer = probes[requirement]?.() ?? false
    known.set(requirement, answer)
  }
  return answer
}

/**
 * The `skip` of a test that needs all of these: false when they are here, else a reason that starts with SKIP and
 * names what is missing, so that CI can count it as a failure.
 */
export function skipWithout(...requirements: readonly Requirement[]): string | false {
  const missing = requirements.filter(requirement => !has(requirement))
  return missing.length === 0 ? false : `SKIP: this machine has no ${missing.join(', ')}`
}

/** Whether a command is found on PATH (sbin included: a login shell of an ordinary user may leave it out). */
function onPath(command: string): boolean {
  const folders = `${process.env['PATH'] ?? ''}${delimiter}/usr/sbin${delimiter}/sbin`.split(delimiter)
  return folders.some(folder => {
    try {
      accessSync(join(folder, command), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

function readable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}

/** The state letter of a process (`R`, `S`, `D`, `Z`...), or undefined when there is none of that id. */
export function processState(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return stat[stat.lastIndexOf(')') + 2]
  } catch {
    return undefined
  }
}
