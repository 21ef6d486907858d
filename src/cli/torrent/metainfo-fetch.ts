/**
 * Fetching the torrent file that a magnet link stands for, from peers or where the link says.
 *
 * Owns a client for that time, which keeps nothing on disk.
 */

import { Client, MemoryStorage, type HostPort, type Magnet } from '../../torrent/index.js'
import { wrapInfo } from '../../torrent/entries/metainfo.js'
import type { Context } from './context.js'
import { checkOutput, writeOutput } from './output.js'
import { formatCount, formatTime } from './quantities.js'

/** What to fetch, and how. */
export interface FetchOptions {
  readonly magnet: Magnet
  readonly output: string | undefined
  readonly force: boolean
  /** ms; without end when undefined. */
  readonly timeout: number | undefined
  readonly testPeer: readonly HostPort[]
  readonly noDht: boolean
  readonly noTrackers: boolean
  readonly noLsd: boolean
}

/** Fetches and writes it. @throws Error that says how far it came; ERR_TORRENTFS_ABORTED */
export async function fetchMetainfo(context: Context, o: FetchOptions): Promise<void> {
  const { magnet, timeout } = o
  const client = new Client({
    storage: new MemoryStorage(),
    disableUpload: true,
    testPeers: o.testPeer,
    disableDht: o.noDht,
    disableTrackers: o.noTrackers,
    disableLsd: o.noLsd,
  })
  const late = timeout === undefined ? [] : [AbortSignal.timeout(timeout)]
  try {
    await client.listen()
    const torrent = await client.add(magnet)
    try {
      await torrent.whenReady(AbortSignal.any([context.signal, ...late]))
    } catch (error) {
      if (context.signal.aborted || late[0]?.aborted !== true) throw error
      const peers = formatCount(torrent.status().peers.length, 'peer')
      throw new Error(
        `no peer gave the metadata of ${magnet.infohash} in ${formatTime(timeout!)} (${peers} connected)`,
        { cause: error },
      )
    }
    const info = torrent.info!
    const bytes = wrapInfo(info.raw, { trackers: magnet.trackers, webSeeds: magnet.webSeeds })
    const output = o.output ?? `${info.name}.torrent`
    await checkOutput(output, o)
    await writeOutput(context, output, bytes, o)
    if (context.json && output !== '-')
      context.printJson({ output, infohash: info.infohash, name: info.name })
    else if (output !== '-') context.print(output)
  } finally {
    await client.close()
  }
}
