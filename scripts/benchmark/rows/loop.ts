/** Row `loop`: how late the engine's event loop is while a cold read goes through it. */
import type { Group } from '../bench.js'
import { Mounted } from '../mounts.js'
import { readThrough } from '../reading.js'
import { median } from '../statistics.js'

export const loop: Group = {
  rows: ['loop'],
  async measure(bench) {
    const p99: number[] = []
    const p50: number[] = []
    const max: number[] = []
    if (bench.seeder !== undefined && Mounted.available('ours')) {
      const content = await bench.random()
      for (let i = 0; i < bench.runs; i++) {
        const mounted = await Mounted.start({
          contents: [content],
          peer: bench.seeder.address,
          loopDelay: true,
          ...(bench.profile ? { profile: 'loop' } : {}),
        })
        try {
          await mounted.loopDelay()
          await readThrough(mounted.path(content))
          const seen = await mounted.loopDelay()
          p99.push(seen.p99)
          p50.push(seen.p50)
          max.push(seen.max)
          bench.say(
            `  p50 ${seen.p50.toFixed(2)}, p99 ${seen.p99.toFixed(2)}, worst ${seen.max.toFixed(1)} ms (${String(seen.count)} samples)`,
          )
        } finally {
          await mounted.stop()
        }
      }
    }
    return [
      {
        row: 'loop',
        what: 'event-loop delay p99 while reading',
        against: '-',
        unit: 'ms',
        ours: p99.length === 0 ? undefined : median(p99),
        peer: null,
        oursRuns: p99,
        mark: { of: 'ours', sense: 'atMost', first: 20, product: 5 },
        ...(p99.length === 0
          ? {}
          : { note: `p50 ${median(p50).toFixed(2)} ms, worst ${Math.max(...max).toFixed(1)} ms` }),
      },
    ]
  },
}
