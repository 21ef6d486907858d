/**
 * The engine as the watcher sees it: decodes with the real parsers, keeps a record instead of starting swarms.
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { buildMetainfo } from '../../src/torrent/metainfo/create.js'
import { parseMagnet } from '../../src/torrent/metainfo/magnet.js'
import { parseMetainfo } from '../../src/torrent/metainfo/metainfo.js'
import { MetainfoWatcher } from '../../src/watch/index.js'
import type { MetainfoSource, SourceOrigin, TorrentPort, WatchTimes } from '../../src/watch/index.js'

export class RecordingEngine implements TorrentPort {
  readonly present = new Map<string, { kinds: string[]; origin: SourceOrigin }>()
  /** Each call, in order: `add HASH` or `remove HASH`. */
  readonly calls: string[] = []

  add(source: MetainfoSource, origin: SourceOrigin): { infohash: string } {
    const isMetainfo = 'metainfo' in source
    const infohash = isMetainfo
      ? parseMetainfo(source.metainfo).info.infohash
      : parseMagnet(source.magnet).infohash
    const known = this.present.get(infohash)
    if (known === undefined)
      this.present.set(infohash, { kinds: [isMetainfo ? 'torrent' : 'magnet'], origin })
    else known.kinds.push(isMetainfo ? 'torrent' : 'magnet')
    this.calls.push(`add ${infohash}`)
    return { infohash }
  }

  remove(infohash: string): Promise<void> {
    this.calls.push(`remove ${infohash}`)
    this.present.delete(infohash)
    return Promise.resolve()
  }
}

export interface LogLine {
  level: 'debug' | 'info' | 'warn' | 'error'
  fields: Record<string, unknown>
  message: string
}

export class RecordingLogger {
  readonly lines: LogLine[] = []
  debug = (fields: object, message: string): void => this.#keep('debug', fields, message)
  info = (fields: object, message: string): void => this.#keep('info', fields, message)
  warn = (fields: object, message: string): void => this.#keep('warn', fields, message)
  error = (fields: object, message: string): void => this.#keep('error', fields, message)

  get warnings(): LogLine[] {
    return this.lines.filter(line => line.level === 'warn' || line.level === 'error')
  }

  #keep(level: LogLine['level'], fields: object, message: string): void {
    this.lines.push({ level, fields: { ...fields }, message })
  }
}

export interface WatchFixture {
  /** A folder of the test's own; the metainfo folder lies in it. */
  base: string
  folder: string
  engine: RecordingEngine
  logger: RecordingLogger
  watcher: MetainfoWatcher
}

/** A watcher that is not started yet, with everything cleaned up at the test's end. */
export async function watchFixture(t: TestContext, times?: Partial<WatchTimes>): Promise<WatchFixture> {
  const base = await mkdtemp(join(tmpdir(), 'torrentfs-watch-'))
  const folder = join(base, 'metainfo')
  const engine = new RecordingEngine()
  const logger = new RecordingLogger()
  const watcher = new MetainfoWatcher({
    folder,
    torrents: engine,
    logger,
    ...(times === undefined ? {} : { times }),
  })
  t.after(async () => {
    await watcher.close()
    await rm(base, { recursive: true, force: true })
  })
  return { base, folder, engine, logger, watcher }
}

/** A torrent of one small file, different for each name. */
export function sampleTorrent(name: string): { bytes: Uint8Array; infohash: string; magnet: string } {
  const bytes = buildMetainfo({ name, pieceLength: 16384, length: 10, pieceHashes: randomBytes(20) })
  const { infohash } = parseMetainfo(bytes).info
  return { bytes, infohash, magnet: `magnet:?xt=urn:btih:${infohash}&dn=${encodeURIComponent(name)}` }
}

/** Waits until `condition` holds and returns how long that took (ms); fails after `limit` ms. */
export async function eventually(condition: () => boolean, limit: number, what: string): Promise<number> {
  const began = performance.now()
  while (!condition()) {
    if (performance.now() - began > limit) throw new Error(`not within ${limit} ms: ${what}`)
    await sleep(10)
  }
  return performance.now() - began
}
