/**
 * Two clients of one torrent of one file: one that has all of it, and one that can fetch it from there.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import {
  Client,
  createTorrent,
  type ClientOptions,
  type Storage,
  type Torrent,
} from '../../src/torrent/index.js'
import { until } from '../support/fs-process.js'

export interface TwoClients {
  /** Of the one that has all of it. */
  readonly seeded: Torrent
  /** Where it listens, on 127.0.0.1. */
  readonly port: number
  readonly fetcher: Client
  readonly torrent: Torrent
  /** Where the fetching client keeps the file. */
  readonly path: string
  /** `stored N` and `doubted N`, as they come. */
  readonly events: string[]
}

/** They end with the test. @param storage of the client that fetches; files by default @param options of each */
export async function twoClients(
  t: TestContext,
  content: Uint8Array,
  pieceLength: number,
  storage?: Storage,
  options: Partial<Record<'seeder' | 'fetcher', Partial<ClientOptions>>> = {},
): Promise<TwoClients> {
  const base = await mkdtemp(join(tmpdir(), 'torrentfs-two-'))
  const ends: (() => Promise<void>)[] = [() => rm(base, { recursive: true, force: true })]
  t.after(async () => {
    for (const end of ends.reverse()) await end()
  })
  const [seedDir, downloadDir] = [join(base, 'seed'), join(base, 'data')]
  const client = (dir: string, more: Partial<ClientOptions>): Client => {
    const own = new Client({
      downloadDir: dir,
      disableTrackers: true,
      disableDht: true,
      listenAddr: { host: '127.0.0.1', port: 0 },
      ...more,
    })
    ends.push(() => own.close())
    return own
  }
  const seeder = client(seedDir, options.seeder ?? {})
  await seeder.listen()
  await mkdir(seedDir)
  await writeFile(join(seedDir, 'file'), content)
  const metainfo = await createTorrent(join(seedDir, 'file'), { pieceLength })
  const seeded = seeder.addNow({ metainfo })
  await seeded.whenReady()
  seeded.download()
  await until('the seed is verified', 30_000, () => seeded.files[0]!.storedBytes === content.length)

  const fetcher = client(downloadDir, {
    ...options.fetcher,
    testPeers: [{ host: options.seeder?.listenAddr?.host ?? '127.0.0.1', port: seeder.port }],
    ...(storage === undefined ? {} : { storage }),
  })
  await fetcher.listen()
  const torrent = fetcher.addNow({ metainfo })
  const events: string[] = []
  torrent.on('stored', piece => events.push(`stored ${piece}`))
  torrent.on('doubted', piece => events.push(`doubted ${piece}`))
  await torrent.whenReady()
  return { seeded, port: seeder.port, fetcher, torrent, path: join(downloadDir, 'file'), events }
}
