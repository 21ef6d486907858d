/** Where the programs of the matrix lie. */
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { projectRoot } from '../../test/support/project.js'

/** What `scripts/interop` has built and installed for the matrix. */
const CACHE = process.env['TORRENTFS_INTEROP'] ?? join(tmpdir(), 'torrentfs-interop')

export const GO_CLIENT = join(CACHE, 'go', 'bin', 'torrent')
export const WEBTORRENT = join(CACHE, 'npm', 'node_modules', 'webtorrent')
export const WEBTORRENT_PEER = join(projectRoot, 'scripts', 'interoperation', 'webtorrent_peer.mjs')

/** `why` when nothing lies at a path. */
export function missing(path: string | undefined, why: string): string | undefined {
  return path !== undefined && existsSync(path) ? undefined : why
}

/** Where a command lies on PATH. */
export function pathOf(command: string): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  return folders.map(folder => join(folder, command)).find(path => existsSync(path))
}
