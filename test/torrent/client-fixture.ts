/**
 * Clients and torrents for tests of the library's surface: on loopback, telling nobody.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import { Client, createTorrent, parseMetainfo, type ClientOptions } from '../../src/torrent/index.js'

/** A folder that ends with the test. */
export async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'torrentfs-client-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** A listening client that ends with the test. */
export async function clientOf(t: TestContext, options: Partial<ClientOptions> = {}): Promise<Client> {
  const client = new Client({
    downloadDir: options.downloadDir ?? (await folderOf(t)),
    disableTrackers: true,
    disableDht: true,
    disableLsd: true,
    listenAddr: { host: '127.0.0.1', port: 0 },
    ...options,
  })
  t.after(() => client.close())
  await client.listen()
  return client
}

export interface MadeTorrent {
  /** The bytes of the torrent file. */
  readonly metainfo: Uint8Array
  readonly infohash: string
  /** Where its content lies: a download folder that has it all. */
  readonly downloadDir: string
}

/** A torrent of files of noise that depends on `seed`; the content lies in a folder of its own. */
export async function madeTorrent(
  t: TestContext,
  files: Readonly<Record<string, number>> = { 'set/a': 40_000, 'set/b': 70_000 },
  options: Parameters<typeof createTorrent>[1] = {},
): Promise<MadeTorrent> {
  const downloadDir = await folderOf(t)
  const names = Object.keys(files)
  for (const [name, length] of Object.entries(files)) {
    await mkdir(dirname(join(downloadDir, name)), { recursive: true })
    await writeFile(join(downloadDir, name), noise(length, name))
  }
  const root = join(downloadDir, names[0]!.split('/')[0]!)
  const metainfo = await createTorrent(root, { pieceLength: 16384, ...options })
  return { metainfo, infohash: parseMetainfo(metainfo).info.infohash, downloadDir }
}

function noise(length: number, seed: string): Buffer {
  const bytes = Buffer.alloc(length)
  let state = [...seed].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) >>> 0, 7)
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bytes[at] = state >>> 24
  }
  return bytes
}
