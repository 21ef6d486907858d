/**
 * Rows `sequential`, `cost` and `library`: the same 1 GiB read cold through the mount, and downloaded plainly by
 * libtorrent and by our library, in turns so that a busy moment of the machine hits all of them.
 */
import { join } from 'node:path'
import type { Bench, Group } from '../bench.js'
import { GIB, MIB, type Content } from '../content.js'
import { libraryDownload, libtorrentDownload, type Download } from '../downloads.js'
import { Mounted, type Kind } from '../mounts.js'
import { LIBRARY } from '../places.js'
import { run } from '../processes.js'
import { readThrough, type Throughput } from '../reading.js'
import type { Measured } from '../report.js'
import { median } from '../statistics.js'
import { existsSync } from 'node:fs'

/** How long the slow filesystems are read, ms: the first part of the same 1 GiB file. */
const PREFIX_TIME = 20_000

interface ColdRead extends Throughput {
  readonly cpuPerGib: number
  readonly peakRss: number
}

async function coldRead(
  bench: Bench,
  content: Content,
  kind: Kind,
  o: { readonly limit?: number; readonly compare?: boolean },
): Promise<ColdRead> {
  const mounted = await Mounted.start({
    kind,
    contents: [content],
    peer: bench.seeder?.address ?? '',
    ...(bench.profile && kind === 'ours' ? { profile: 'sequential' } : {}),
  })
  try {
    const before = mounted.usage()
    const read = await readThrough(mounted.path(content), o.limit === undefined ? {} : { limit: o.limit })
    const after = mounted.usage()
    if (o.compare === true) {
      for (const copy of [mounted.path(content), join(mounted.downloadDir, content.name)]) {
        const cmp = await run('cmp', [copy, content.path])
        if (cmp.code !== 0) throw new Error(`${copy} differs: ${cmp.stdout}${cmp.stderr}`)
      }
    }
    const cpuPerGib = ((after.cpuSeconds - before.cpuSeconds) * GIB) / read.bytes
    return { ...read, cpuPerGib, peakRss: after.peakRss }
  } finally {
    await mounted.stop()
  }
}

const rateOf = (download: Download): number => download.bytes / MIB / download.seconds

/** A step that may fail without taking the other rows along. */
async function attempt<T>(bench: Bench, what: string, into: T[], step: () => Promise<T>): Promise<void> {
  try {
    into.push(await step())
  } catch (error) {
    bench.say(`  ${what} FAILED: ${error instanceof Error ? error.message : String(error)}`)
  }
}

const middle = (values: readonly number[]): number | undefined =>
  values.length === 0 ? undefined : median(values)

export const bulk: Group = {
  rows: ['sequential', 'cost', 'library'],
  async measure(bench) {
    const content = await bench.random()
    const peer = bench.seeder?.address
    const mount = bench.wanted.has('sequential') || bench.wanted.has('cost')
    const library = bench.wanted.has('library')
    const plain: Download[] = []
    const untuned: Download[] = []
    const ours: ColdRead[] = []
    const lib: Download[] = []
    const slow: Record<'btfs' | 'go', ColdRead[]> = { btfs: [], go: [] }
    for (let i = 0; i < bench.runs && peer !== undefined; i++) {
      await attempt(bench, 'libtorrent as it comes', untuned, async () => {
        const done = await libtorrentDownload(content, peer, 'defaults')
        bench.say(
          `  libtorrent as it comes ${rateOf(done).toFixed(0)} MiB/s, ${done.cpuSeconds.toFixed(2)} CPU s`,
        )
        return done
      })
      await attempt(bench, 'libtorrent', plain, async () => {
        const done = await libtorrentDownload(content, peer)
        bench.say(`  libtorrent ${rateOf(done).toFixed(0)} MiB/s, ${done.cpuSeconds.toFixed(2)} CPU s`)
        return done
      })
      if (mount && Mounted.available('ours')) {
        await attempt(bench, 'mount', ours, async () => {
          const read = await coldRead(bench, content, 'ours', { compare: i === 0 })
          bench.say(`  mount ${read.rate.toFixed(0)} MiB/s, ${read.cpuPerGib.toFixed(2)} CPU s/GiB`)
          return read
        })
      }
      if (library && existsSync(LIBRARY)) {
        await attempt(bench, 'library', lib, async () => {
          const done = await libraryDownload(content, peer, bench.profile ? 'library' : undefined)
          bench.say(`  library ${rateOf(done).toFixed(0)} MiB/s, ${done.cpuSeconds.toFixed(2)} CPU s`)
          return done
        })
      }
    }
    for (const kind of ['btfs', 'go'] as const) {
      if (!bench.wanted.has('sequential') || peer === undefined || !Mounted.available(kind)) continue
      for (let i = 0; i < bench.runs; i++) {
        await attempt(bench, kind, slow[kind], async () => {
          const read = await coldRead(bench, content, kind, { limit: PREFIX_TIME })
          bench.say(`  ${kind} ${read.rate.toFixed(1)} MiB/s, ${read.cpuPerGib.toFixed(0)} CPU s/GiB`)
          return read
        })
      }
    }

    const plainRates = plain.map(rateOf)
    const untunedRates = untuned.map(rateOf)
    // The marks were set against a libtorrent of about 300 MB/s; both are judged by them.
    const plainPeers = [
      ['libtorrent as it comes', untunedRates],
      ['libtorrent set for speed', plainRates],
    ] as const
    const measured: Measured[] = []
    if (bench.wanted.has('sequential')) {
      const rates = ours.map(read => read.rate)
      for (const [against, theirs] of plainPeers) {
        measured.push({
          row: 'sequential',
          what: 'cold read through the mount',
          against,
          unit: 'MiB/s',
          ours: middle(rates),
          peer: middle(theirs),
          oursRuns: rates,
          peerRuns: theirs,
          mark: { of: 'ratio', sense: 'atLeast', first: 0.8, product: 1.3 },
        })
      }
      for (const kind of ['btfs', 'go'] as const) {
        const theirs = slow[kind].map(read => read.rate)
        const cpu = middle(slow[kind].map(read => read.cpuPerGib))
        const rss = middle(slow[kind].map(read => read.peakRss))
        measured.push({
          row: 'sequential',
          what: 'cold read through the mount',
          against: kind === 'go' ? 'the Go torrentfs' : 'btfs',
          unit: 'MiB/s',
          ours: middle(rates),
          peer: middle(theirs),
          oursRuns: rates,
          peerRuns: theirs,
          mark: { of: 'ratio', sense: 'atLeast', first: 30, product: 60 },
          ...(cpu === undefined || rss === undefined
            ? {}
            : {
                note: `the peer read the first ${String(PREFIX_TIME / 1000)} s of the same file, at ${cpu.toFixed(0)} CPU s/GiB, peak RSS ${(rss / MIB).toFixed(0)} MiB`,
              }),
        })
      }
    }
    if (bench.wanted.has('cost')) {
      const cpu = ours.map(read => read.cpuPerGib)
      const rss = ours.map(read => read.peakRss / MIB)
      measured.push(
        {
          row: 'cost',
          what: 'CPU of the cold read, per GiB',
          against: 'libtorrent set for speed',
          unit: 's',
          ours: middle(cpu),
          peer: middle(plain.map(done => done.cpuSeconds)),
          oursRuns: cpu,
          peerRuns: plain.map(done => done.cpuSeconds),
          mark: { of: 'ours', sense: 'atMost', first: 6, product: 2.5 },
        },
        {
          row: 'cost',
          what: 'peak RSS of the cold read',
          against: 'libtorrent set for speed',
          unit: 'MiB',
          ours: middle(rss),
          peer: middle(plain.map(done => done.peakRss / MIB)),
          oursRuns: rss,
          peerRuns: plain.map(done => done.peakRss / MIB),
          mark: { of: 'ours', sense: 'atMost', first: 200, product: 150 },
          note: "libtorrent's peak holds the pages of the files it maps",
        },
      )
    }
    if (library) {
      const rates = lib.map(rateOf)
      const cpu = lib.map(done => done.cpuSeconds)
      for (const [against, theirs] of plainPeers) {
        measured.push({
          row: 'library',
          what: 'plain download, no mount',
          against,
          unit: 'MiB/s',
          ours: middle(rates),
          peer: middle(theirs),
          oursRuns: rates,
          peerRuns: theirs,
          mark: { of: 'ratio', sense: 'atLeast', first: 1.3, product: 1.8 },
        })
      }
      const peak = lib.map(done => done.peakRss / MIB)
      measured.push({
        row: 'library',
        what: 'CPU of the download, per GiB',
        against: 'libtorrent set for speed',
        unit: 's',
        ours: middle(cpu),
        peer: middle(plain.map(done => done.cpuSeconds)),
        oursRuns: cpu,
        peerRuns: plain.map(done => done.cpuSeconds),
        ...(peak.length === 0 ? {} : { note: `peak RSS ${median(peak).toFixed(0)} MiB` }),
      })
    }
    return measured
  },
}
