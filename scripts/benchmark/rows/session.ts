/**
 * Rows `session`, `passthrough`, `small-reads` and `listing`: the same stored files served by our own session, by the
 * fuse-native backend and by C on libfuse 3, each in turn, and read from the disk itself.
 */
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Bench, Group } from '../bench.js'
import { GIB, MIB, type Content } from '../content.js'
import { Mounted } from '../mounts.js'
import { CACHE, LIBRARY, RUN } from '../places.js'
import { run, until, type Usage } from '../processes.js'
import { forgetPages, readAt, readThrough } from '../reading.js'
import { Reference, referenceProgram } from '../reference.js'
import type { Mark, Measured } from '../report.js'
import { median, percentile, randomFrom } from '../statistics.js'

const FILES = 10_000
const SMALL = 4096
const SMALL_READS = 20_000

/** Who serves. */
type Server = 'session' | 'passthrough' | 'fuse-native' | 'c' | 'c-splice' | 'disk'

const NAMES: Record<Server, string> = {
  session: 'our session',
  passthrough: 'passthrough',
  'fuse-native': 'fuse-native',
  c: 'C on libfuse 3',
  'c-splice': 'C with splice',
  disk: 'the file on disk',
}

interface Serving {
  /** Absolute path of what is served under that name. */
  path(name: string): string
  usage(): Usage
  stop(): Promise<unknown>
}

/** What is served, whole on the disk before anyone starts. */
interface Stored {
  /** A folder with the data. */
  readonly folder: string
  /** Its torrent. */
  readonly content: Content
  /** Bytes of 512 it must have stored before it is measured; of one file. */
  readonly check: { readonly name: string; readonly blocks: number }
}

async function serve(server: Server, stored: Stored): Promise<Serving | undefined> {
  if (server === 'disk') {
    const usage = { cpuSeconds: 0, peakRss: 0 }
    return { path: name => join(stored.folder, name), usage: () => usage, stop: async () => {} }
  }
  if (server === 'c' || server === 'c-splice') {
    const program = await referenceProgram()
    if (program === undefined) return undefined
    const reference = await Reference.start(program, stored.folder, { splice: server === 'c-splice' })
    return {
      path: name => join(reference.mountDir, name),
      usage: () => reference.usage(),
      stop: () => reference.stop(),
    }
  }
  const mounted = await Mounted.start({
    contents: [stored.content],
    downloadDir: stored.folder,
    flags: [`-fuseBackend=${server === 'fuse-native' ? 'fuse-native' : 'kernel'}`],
    ...(server === 'session' ? { env: { TORRENTFS_NO_PASSTHROUGH: '1' } } : {}),
  })
  const path = (name: string): string => join(mounted.mountDir, name)
  await until('the stored data to be verified', 120_000, async () => {
    const stat = await run('stat', ['-c', '%b', path(stored.check.name)])
    return Number(stat.stdout) >= stored.check.blocks
  })
  return { path, usage: () => mounted.usage(), stop: () => mounted.stop() }
}

/** A folder of its own with a copy of the 1 GiB file, in the page cache. */
async function bigFile(bench: Bench): Promise<Stored> {
  const content = await bench.random()
  const folder = join(RUN, 'stored')
  mkdirSync(folder, { recursive: true })
  copyFileSync(content.path, join(folder, content.name))
  await run('sync', [join(folder, content.name)])
  return { folder, content, check: { name: content.name, blocks: content.length / 512 } }
}

/** A folder of 10,000 small files and its torrent. */
async function manyFiles(): Promise<Stored> {
  const folder = join(RUN, 'listing')
  const name = 'many'
  mkdirSync(join(folder, name), { recursive: true })
  for (let i = 0; i < FILES; i++) writeFileSync(join(folder, name, `file ${String(i)}`), 'x'.repeat(100))
  const library = (await import(LIBRARY)) as typeof import('../../../src/torrent/index.js')
  const made = await library.createTorrent(join(folder, name), { pieceLength: MIB })
  const torrent = join(CACHE, 'content', `${name}.torrent`)
  writeFileSync(torrent, made)
  const length = FILES * 100
  const content = {
    name,
    folder,
    path: '',
    torrent,
    infohash: library.parseMetainfo(made).info.infohash,
    length,
    pieceLength: MIB,
  }
  return { folder, content, check: { name: join(name, `file ${String(FILES - 1)}`), blocks: 1 } }
}

interface Streamed {
  readonly rate: number
  readonly cpuPerGib: number
}

/** @param cold whether the file's own pages are dropped, too */
async function stream(server: Server, stored: Stored, times: number, cold: boolean): Promise<Streamed[]> {
  const serving = await serve(server, stored)
  if (!serving) return []
  const { name } = stored.content
  const results: Streamed[] = []
  try {
    // The first pass is not counted: it opens, compiles, and touches pages for the first time.
    for (let i = -1; i < times; i++) {
      if (server !== 'passthrough' && server !== 'disk') await forgetPages(serving.path(name))
      if (cold) await forgetPages(join(stored.folder, name))
      const before = serving.usage()
      const { rate, bytes } = await readThrough(serving.path(name))
      const cpuPerGib = ((serving.usage().cpuSeconds - before.cpuSeconds) * GIB) / bytes
      if (i >= 0) results.push({ rate, cpuPerGib })
    }
  } finally {
    await serving.stop()
  }
  return results
}

/** ms of each read. */
async function smallReads(server: Server, stored: Stored): Promise<number[]> {
  const serving = await serve(server, stored)
  if (!serving) return []
  try {
    const path = serving.path(stored.content.name)
    if (server !== 'disk') await forgetPages(path)
    const random = randomFrom(4)
    const pages = stored.content.length / SMALL
    const offsets = Array.from({ length: SMALL_READS }, () => Math.floor(random() * pages) * SMALL)
    return await readAt({ path, offsets, length: SMALL })
  } finally {
    await serving.stop()
  }
}

/** Entries a second of one `ls -l` with nothing cached. */
async function listing(server: Server, stored: Stored, times: number): Promise<number[]> {
  const serving = await serve(server, stored)
  if (!serving) return []
  const rates: number[] = []
  try {
    for (let i = -1; i < times; i++) {
      writeFileSync('/proc/sys/vm/drop_caches', '2')
      const { elapsed, code } = await run('ls', ['-lU', serving.path(stored.content.name)])
      if (code !== 0) throw new Error(`ls failed on ${NAMES[server]}`)
      if (i >= 0) rates.push((FILES * 1000) / elapsed)
    }
  } finally {
    await serving.stop()
  }
  return rates
}

const middle = (values: readonly number[] | undefined): number | undefined =>
  values === undefined || values.length === 0 ? undefined : median(values)
const atLeast = (limit: number): Mark => ({ of: 'ratio', sense: 'atLeast', first: limit, product: limit })
/** No mark: the figure is for information. */
const printed = undefined

/** Measures each server `bench.runs` times, in turns. */
async function inTurns<T>(
  bench: Bench,
  servers: readonly Server[],
  what: string,
  measure: (server: Server) => Promise<readonly T[]>,
  tell: (values: readonly T[]) => string,
): Promise<Map<Server, T[]>> {
  const results = new Map<Server, T[]>()
  for (let i = 0; i < bench.runs; i++) {
    for (const server of servers) {
      const values = await measure(server)
      results.set(server, [...(results.get(server) ?? []), ...values])
      bench.say(`  ${what}, ${NAMES[server]}: ${values.length === 0 ? 'absent' : tell(values)}`)
    }
  }
  return results
}

function compare(
  row: string,
  what: string,
  unit: string,
  results: Map<Server, number[]>,
  pairs: readonly (readonly [Server, Server, Mark | undefined])[],
): Measured[] {
  return pairs.map(([ours, peer, mark]) => ({
    row,
    what: ours === 'passthrough' ? `${what}, passthrough` : what,
    against: NAMES[peer],
    unit,
    ours: middle(results.get(ours)),
    peer: middle(results.get(peer)),
    oursRuns: results.get(ours) ?? [],
    peerRuns: results.get(peer) ?? [],
    ...(mark === undefined ? {} : { mark }),
  }))
}

const rates = (results: Map<Server, Streamed[]>): Map<Server, number[]> =>
  new Map([...results].map(([server, values]) => [server, values.map(value => value.rate)]))
const costs = (results: Map<Server, Streamed[]>): Map<Server, number[]> =>
  new Map([...results].map(([server, values]) => [server, values.map(value => value.cpuPerGib)]))

export const session: Group = {
  rows: ['session', 'passthrough', 'small-reads', 'listing'],
  async measure(bench) {
    const measured: Measured[] = []
    if (!Mounted.available('ours')) return measured
    const told = (values: readonly Streamed[]): string =>
      `${(middle(values.map(value => value.rate)) ?? 0).toFixed(0)} MiB/s`
    const needsFile = ['session', 'passthrough', 'small-reads'].some(row => bench.wanted.has(row))
    const stored = needsFile ? await bigFile(bench) : undefined
    if (stored && bench.wanted.has('session')) {
      const servers: Server[] = ['session', 'fuse-native', 'c', 'c-splice']
      const results = await inTurns(bench, servers, 'stored', s => stream(s, stored, 3, false), told)
      measured.push(
        ...compare('session', 'stored, in order', 'MiB/s', rates(results), [
          ['session', 'c', atLeast(0.9)],
          ['session', 'fuse-native', atLeast(1.5)],
          ['session', 'c-splice', printed],
        ]),
        ...compare('session', 'CPU of the server per GiB', 's', costs(results), [
          ['session', 'c', printed],
          ['session', 'fuse-native', printed],
        ]),
      )
    }
    if (stored && bench.wanted.has('passthrough')) {
      for (const cold of [false, true]) {
        const what = cold ? 'complete file, page cache cold' : 'complete file, page cache warm'
        const servers: Server[] = ['passthrough', 'disk']
        const results = await inTurns(bench, servers, what, s => stream(s, stored, 3, cold), told)
        const pair = ['passthrough', 'disk', atLeast(0.9)] as const
        measured.push(...compare('passthrough', what, 'MiB/s', rates(results), [pair]))
      }
    }
    if (stored && bench.wanted.has('small-reads')) {
      const servers: Server[] = ['session', 'passthrough', 'fuse-native', 'c', 'disk']
      const tell = (ms: readonly number[]): string => `p50 ${(percentile(ms, 0.5) * 1000).toFixed(1)} us`
      const results = await inTurns(bench, servers, '4 KiB', server => smallReads(server, stored), tell)
      for (const share of [0.5, 0.99]) {
        const at = new Map(
          [...results].map(([s, ms]) => [s, ms.length === 0 ? [] : [percentile(ms, share) * 1000]]),
        )
        measured.push(
          ...compare('small-reads', `4 KiB stored, p${String(share * 100)}`, 'us', at, [
            ['session', 'c', printed],
            ['session', 'fuse-native', printed],
            ['passthrough', 'disk', printed],
          ]),
        )
      }
    }
    if (bench.wanted.has('listing')) {
      const many = await manyFiles()
      const servers: Server[] = ['session', 'fuse-native', 'c', 'disk']
      const tell = (values: readonly number[]): string => `${(middle(values) ?? 0).toFixed(0)} entries/s`
      const results = await inTurns(bench, servers, 'ls -l', server => listing(server, many, 3), tell)
      measured.push(
        ...compare('listing', '`ls -l` of 10,000, nothing cached', 'entries/s', results, [
          ['session', 'fuse-native', atLeast(3)],
          ['session', 'c', printed],
        ]),
      )
    }
    return measured
  },
}
