/** Row `stored`: a file that is wholly on disk, read through the mount, against the file itself; no page cached. */
import { join } from 'node:path'
import type { Group } from '../bench.js'
import { Mounted } from '../mounts.js'
import { run } from '../processes.js'
import { forgetPages, readThrough } from '../reading.js'
import { median } from '../statistics.js'

export const stored: Group = {
  rows: ['stored'],
  async measure(bench) {
    const ours: number[] = []
    const disk: number[] = []
    let cached = NaN
    if (bench.seeder !== undefined && Mounted.available('ours')) {
      const content = await bench.random()
      const mounted = await Mounted.start({
        contents: [content],
        peer: bench.seeder.address,
        ...(bench.profile ? { profile: 'stored' } : {}),
      })
      try {
        const through = mounted.path(content)
        const file = join(mounted.downloadDir, content.name)
        await readThrough(through)
        await run('sync', [file])
        for (let i = 0; i < bench.runs; i++) {
          await forgetPages(file)
          disk.push((await readThrough(file)).rate)
          await forgetPages(through)
          await forgetPages(file)
          ours.push((await readThrough(through)).rate)
          bench.say(
            `  file ${(disk.at(-1) ?? 0).toFixed(0)} MiB/s, mount ${(ours.at(-1) ?? 0).toFixed(0)} MiB/s`,
          )
        }
        await forgetPages(through)
        cached = (await readThrough(through)).rate
      } finally {
        await mounted.stop()
      }
    }
    return [
      {
        row: 'stored',
        what: 'stored file, page cache dropped',
        against: 'the file on disk',
        unit: 'MiB/s',
        ours: ours.length === 0 ? undefined : median(ours),
        peer: disk.length === 0 ? undefined : median(disk),
        oursRuns: ours,
        peerRuns: disk,
        mark: {
          of: 'ratio',
          sense: 'atLeast',
          first: 0,
          product: 0.9,
          text: { first: 'print it', product: '>= 0.9x' },
        },
        ...(Number.isNaN(cached)
          ? {}
          : { note: `${cached.toFixed(0)} MiB/s through the mount when only the file's pages are cached` }),
      },
    ]
  },
}
