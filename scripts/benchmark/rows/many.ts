/** Row `many`: 10,000 torrents nobody reads, from the start of the process until all are in the tree. */
import type { Group } from '../bench.js'
import { MIB, writeManyTorrents } from '../content.js'
import { Mounted, list, type Kind } from '../mounts.js'
import { until } from '../processes.js'
import type { Measured } from '../report.js'
import { median } from '../statistics.js'

const COUNT = 10_000

interface Ready {
  /** s */
  readonly seconds: number
  /** MiB */
  readonly rss: number
  /** s until the mount appeared, perhaps still empty */
  readonly mounted: number
}

async function mountMany(kind: Kind, profile: string | undefined): Promise<Ready> {
  const mounted = await Mounted.start({
    kind,
    contents: [],
    timeout: 120_000,
    prepare: folder => {
      writeManyTorrents(folder, COUNT)
    },
    ...(profile === undefined ? {} : { profile }),
  })
  try {
    const began = performance.now()
    await until('all torrents in the tree', 120_000, () => list(mounted.mountDir).length >= COUNT, 20)
    const seconds = (mounted.readyAfter + performance.now() - began) / 1000
    return { seconds, rss: mounted.usage().peakRss / MIB, mounted: mounted.readyAfter / 1000 }
  } finally {
    await mounted.stop()
  }
}

export const many: Group = {
  rows: ['many'],
  async measure(bench) {
    const results: Record<'ours' | 'go', Ready[]> = { ours: [], go: [] }
    const failures = new Map<Kind, string>()
    for (const kind of ['ours', 'go'] as const) {
      for (let i = 0; i < bench.runs && Mounted.available(kind); i++) {
        try {
          const ready = await mountMany(kind, bench.profile && kind === 'ours' ? 'many' : undefined)
          results[kind].push(ready)
          bench.say(`  ${kind}: all listed after ${ready.seconds.toFixed(2)} s, ${ready.rss.toFixed(0)} MiB`)
        } catch (error) {
          failures.set(kind, 'the peer did not list them all within a minute')
          bench.say(`  ${kind} FAILED: ${error instanceof Error ? error.message : String(error)}`)
          break
        }
      }
    }
    const figures = (kind: 'ours' | 'go', key: keyof Ready): number[] => results[kind].map(each => each[key])
    const one = (values: readonly number[]): number | undefined =>
      values.length === 0 ? undefined : median(values)
    const mounted = one(figures('ours', 'mounted'))
    const rows: Measured[] = [
      {
        row: 'many',
        what: '10,000 torrents, all in the tree',
        against: 'the Go torrentfs',
        unit: 's',
        ours: one(figures('ours', 'seconds')),
        peer: one(figures('go', 'seconds')),
        oursRuns: figures('ours', 'seconds'),
        peerRuns: figures('go', 'seconds'),
        mark: { of: 'ours', sense: 'atMost', first: 20, product: 2 },
        ...(mounted === undefined && failures.size === 0
          ? {}
          : {
              note: [
                mounted === undefined ? [] : `the mount itself appeared after ${mounted.toFixed(2)} s`,
                failures.get('go') ?? [],
              ]
                .flat()
                .join('; '),
            }),
      },
      {
        row: 'many',
        what: '10,000 torrents, peak RSS',
        against: 'the Go torrentfs',
        unit: 'MiB',
        ours: one(figures('ours', 'rss')),
        peer: one(figures('go', 'rss')),
        oursRuns: figures('ours', 'rss'),
        peerRuns: figures('go', 'rss'),
        mark: { of: 'ours', sense: 'atMost', first: 500, product: 300 },
      },
    ]
    return rows
  },
}
