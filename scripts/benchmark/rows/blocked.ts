/** Row `blocked`: readers that wait for a torrent nobody has must not cost a living one its speed. */
import { readFileSync } from 'node:fs'
import type { ChildProcess } from 'node:child_process'
import type { Bench, Group } from '../bench.js'
import { GIB, MIB, sparseContent, type Content } from '../content.js'
import { Mounted } from '../mounts.js'
import { exited, start, until } from '../processes.js'
import { readThrough } from '../reading.js'
import type { Measured } from '../report.js'
import { median } from '../statistics.js'

/** Spacing of the blocked readers: each waits for pages of its own. */
const SPACING = 8

/** True when the process sleeps in the kernel and waits for a page. */
function waits(child: ChildProcess): boolean {
  try {
    const stat = readFileSync(`/proc/${String(child.pid)}/stat`, 'latin1')
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('D')
  } catch {
    return false
  }
}

async function liveRead(bench: Bench, live: Content, dead: Content, blocked: number): Promise<number> {
  const mounted = await Mounted.start({
    contents: [live, dead],
    peer: bench.seeder?.address ?? '',
    ...(bench.profile ? { profile: `blocked-${String(blocked)}` } : {}),
  })
  const readers: ChildProcess[] = []
  try {
    for (let i = 0; i < blocked; i++) {
      const args = [
        `if=${mounted.path(dead)}`,
        'of=/dev/null',
        'bs=1M',
        `skip=${String(i * SPACING)}`,
        'count=1',
      ]
      readers.push(start('dd', args, { stdio: 'ignore' }))
    }
    await until('readers to block', 60_000, () => readers.every(waits), 200)
    const read = await readThrough(mounted.path(live), { bytes: 512 * MIB })
    const still = readers.filter(waits).length
    if (still < blocked) throw new Error(`only ${String(still)} of ${String(blocked)} readers stayed blocked`)
    bench.say(`  beside ${String(blocked)} blocked: ${read.rate.toFixed(0)} MiB/s`)
    return read.rate
  } finally {
    for (const reader of readers) reader.kill('SIGKILL')
    await Promise.all(readers.map(reader => exited(reader, 5000)))
    await mounted.stop()
  }
}

export const blocked: Group = {
  rows: ['blocked'],
  async measure(bench) {
    const counts = [0, 300, 1000]
    const rates = new Map<number, number[]>(counts.map(count => [count, []]))
    if (bench.seeder !== undefined && Mounted.available('ours')) {
      const live = await bench.random()
      // Never given to the seeder.
      const dead = sparseContent(8 * GIB)
      for (let i = 0; i < bench.runs; i++) {
        for (const count of counts) {
          try {
            rates.get(count)?.push(await liveRead(bench, live, dead, count))
          } catch (error) {
            bench.say(
              `  beside ${String(count)} FAILED: ${error instanceof Error ? error.message : String(error)}`,
            )
          }
        }
      }
    }
    const of = (count: number): number | undefined => {
      const values = rates.get(count) ?? []
      return values.length === 0 ? undefined : median(values)
    }
    return [300, 1000].map((count): Measured => ({
      row: 'blocked',
      what: `a live reader beside ${String(count)} blocked`,
      against: 'the same alone',
      unit: 'MiB/s',
      ours: of(count),
      peer: of(0),
      oursRuns: rates.get(count) ?? [],
      peerRuns: rates.get(0) ?? [],
      mark:
        count === 300
          ? { of: 'ratio', sense: 'atLeast', first: 0.8, product: 0.9 }
          : {
              of: 'ratio',
              sense: 'atLeast',
              first: Infinity,
              product: 0.9,
              text: { first: '-', product: '>= 0.9x' },
            },
    }))
  },
}
