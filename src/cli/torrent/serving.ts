/**
 * What `torrent serve` does: makes torrents of paths, or takes them with their data, and seeds them where they lie.
 *
 * Owns the client and the order of things. Must not be loaded before the command runs.
 */

import { readFile, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, resolve } from 'node:path'
import { createTorrent, formatMagnet, parseMetainfo } from '../../torrent/entries/metainfo.js'
import { PieceStorage, type Client, type Torrent } from '../../torrent/index.js'
import { ByteProgress } from './byte-progress.js'
import { printable, type Context } from './context.js'
import { reasonOf } from './input.js'
import { openClient, type NetworkInput } from './network-options.js'
import { formatBytes, formatCount, formatRate } from './quantities.js'
import { SharedFiles } from './shared-files.js'
import { untilFilesKnown } from './transfer.js'

const STATUS_MS = 1000

/** What was given on the command line. */
export interface ServeInput extends NetworkInput {
  readonly paths: readonly string[]
  /** An absolute path; undefined: beside each torrent file. */
  readonly data: string | undefined
  readonly tracker: readonly string[]
  readonly private: boolean
  readonly superSeed: boolean
  readonly saveMetainfos: boolean
}

/** A torrent that is to be served. */
interface Served {
  readonly path: string
  readonly metainfo: Uint8Array
  /** The folder of its file or folder. */
  readonly folder: string
  readonly isOwn: boolean
}

/** Serves until it is stopped. @returns the exit status */
export async function servePaths(context: Context, input: ServeInput): Promise<number> {
  const { signal } = context
  const files = new SharedFiles()
  const client = await openClient(input, { storage: new PieceStorage(files) })
  let failed = 0
  try {
    const torrents: Torrent[] = []
    for (const path of input.paths) {
      try {
        const served = await takeIn(context, input, path)
        torrents.push(await serve(context, input, client, files, served))
      } catch (error) {
        if (signal.aborted) return 1
        failed++
        context.warn(printable(messageFor(path, error)))
      }
    }
    if (torrents.length === 0) return 1
    if (!context.json) {
      context.print(
        `serving ${formatCount(torrents.length, 'torrent')} at port ${client.port}; Ctrl-C ends it`,
      )
    }
    await tellUntilAborted(context, torrents)
    return failed === 0 ? 0 : 1
  } finally {
    await client.close()
  }
}

/** A torrent file with its data, or anything else, of which one is made. */
async function takeIn(context: Context, input: ServeInput, path: string): Promise<Served> {
  const { data, tracker, private: isPrivate } = input
  const found = await stat(path).catch((error: unknown) => {
    throw new Error(`cannot read ${path}: ${reasonOf(error)}`, { cause: error })
  })
  if (found.isFile() && path.toLowerCase().endsWith('.torrent')) {
    const metainfo = await readFile(path)
    return { path, metainfo, folder: data ?? dirname(resolve(path)), isOwn: false }
  }
  const progress = await ByteProgress.begin(context, 'hashing')
  try {
    const metainfo = await createTorrent(path, {
      trackers: tracker.map(url => [url]),
      private: isPrivate,
      signal: context.signal,
      onProgress: (done, total) => progress.update(done, total),
    })
    return { path, metainfo, folder: dirname(resolve(path)), isOwn: true }
  } finally {
    progress.end()
  }
}

async function serve(
  context: Context,
  input: ServeInput,
  client: Client,
  files: SharedFiles,
  { path, metainfo, folder, isOwn }: Served,
): Promise<Torrent> {
  const { info, trackers } = parseMetainfo(metainfo)
  const name = isOwn ? basename(resolve(path)) : info.name
  files.put(info.infohash, { folder, name, isKnownGood: isOwn })
  const torrent = await client.add(metainfo, { superSeeding: input.superSeed })
  // One that was made just now has them already.
  if (!isOwn) torrent.addTrackers(input.tracker.map(url => [url]))
  torrent.on('warning', error => context.warn(printable(error.message)))
  await untilFilesKnown(torrent, context.signal)
  if (input.saveMetainfos && isOwn) await writeFile(`${info.name}.torrent`, metainfo)
  const tiers = isOwn ? trackers : [...trackers, ...input.tracker.map(url => [url])]
  const magnet = formatMagnet({ infohash: info.infohash, name: info.name, trackers: tiers })
  if (context.json) {
    const { infohash, length } = info
    context.printJson(
      { event: 'serving', path, infohash, name: info.name, length, port: client.port, magnet },
      { oneLine: true },
    )
  } else context.print(magnet)
  return torrent
}

/** A line a second, as long as something changes. */
async function tellUntilAborted(context: Context, torrents: readonly Torrent[]): Promise<void> {
  const started = performance.now()
  let last = ''
  let before = 0
  const tell = (): void => {
    const all = torrents.map(torrent => torrent.status())
    const sum = (of: (status: (typeof all)[number]) => number): number =>
      all.reduce((total, status) => total + of(status), 0)
    const uploaded = sum(({ uploadedBytes }) => uploadedBytes)
    const here = sum(({ storedBytes }) => storedBytes)
    const length = sum(status => status.length ?? 0)
    const peers = sum(status => status.peers.length)
    const rate = (uploaded - before) / (STATUS_MS / 1000)
    before = uploaded
    const seconds = Math.round((performance.now() - started) / 1000)
    const line =
      `${formatCount(torrents.length, 'torrent')}, ${formatBytes(here)}/${formatBytes(length)} here, ${formatCount(peers, 'peer')}, ` +
      `upload ${formatBytes(uploaded)}, ${formatRate(rate)}`
    if (line === last) return
    last = line
    if (context.json) {
      context.printJson(
        { event: 'status', seconds, stored: here, length, peers, uploaded, uploadRate: rate },
        { oneLine: true },
      )
    } else context.print(`${seconds}s: ${line}`)
  }
  await new Promise<void>(resolve => {
    const timer = setInterval(tell, STATUS_MS)
    const end = (): void => {
      clearInterval(timer)
      resolve()
    }
    context.signal.addEventListener('abort', end, { once: true })
    if (context.signal.aborted) end()
  })
}

function messageFor(path: string, error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return message.includes(path) ? message : `${path}: ${message}`
}
