/** Row `huge`: what a byte costs must not grow with the torrent. */
import type { Group } from '../bench.js'
import { GIB, MIB, sparseContent } from '../content.js'
import { Mounted } from '../mounts.js'
import { readThrough } from '../reading.js'
import { median } from '../statistics.js'

export const huge: Group = {
  rows: ['huge'],
  async measure(bench) {
    const rates: { big: number[]; small: number[] } = { big: [], small: [] }
    if (bench.seeder !== undefined && Mounted.available('ours')) {
      const contents = { big: sparseContent(64 * GIB), small: sparseContent(GIB) }
      for (const content of Object.values(contents)) await bench.seeder.seed(content)
      for (let i = 0; i < bench.runs; i++) {
        for (const size of ['small', 'big'] as const) {
          const mounted = await Mounted.start({
            contents: [contents[size]],
            peer: bench.seeder.address,
            ...(bench.profile ? { profile: `huge-${size}` } : {}),
          })
          try {
            const read = await readThrough(mounted.path(contents[size]), { bytes: 256 * MIB })
            rates[size].push(read.rate)
            bench.say(`  first 256 MiB of the ${size} one ${read.rate.toFixed(0)} MiB/s`)
          } finally {
            await mounted.stop()
          }
        }
      }
    }
    return [
      {
        row: 'huge',
        what: 'first 256 MiB of a 64 GiB torrent',
        against: 'the same of a 1 GiB one',
        unit: 'MiB/s',
        ours: rates.big.length === 0 ? undefined : median(rates.big),
        peer: rates.small.length === 0 ? undefined : median(rates.small),
        oursRuns: rates.big,
        peerRuns: rates.small,
        mark: { of: 'ratio', sense: 'atLeast', first: 0.9, product: 1 },
        note: 'pieces of 256 KiB, zeros in sparse files',
      },
    ]
  },
}
