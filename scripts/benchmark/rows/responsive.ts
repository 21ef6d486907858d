/** Row `responsive`: listing the mount while it downloads at full speed through it. */
import type { Group } from '../bench.js'
import { Mounted } from '../mounts.js'
import { PYTHON } from '../places.js'
import { exited, start } from '../processes.js'
import { readThrough } from '../reading.js'
import type { Measured } from '../report.js'
import { median, percentile } from '../statistics.js'

/** Lists the root with the attributes of all entries, 100 times a second, until it is told to stop. Prints ms. */
const LISTER = `
import os, sys, time, threading
stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
while not stop.is_set():
    begin = time.perf_counter()
    with os.scandir(sys.argv[1]) as entries:
        for entry in entries: os.stat(entry.path)
    print((time.perf_counter() - begin) * 1000)
    time.sleep(0.01)`

export const responsive: Group = {
  rows: ['responsive'],
  async measure(bench) {
    const times: Record<'kernel' | 'fuse-native', number[]> = { kernel: [], 'fuse-native': [] }
    if (bench.seeder !== undefined && Mounted.available('ours')) {
      const content = await bench.random()
      for (let i = 0; i < bench.runs; i++) {
        for (const backend of ['kernel', 'fuse-native'] as const) {
          const flags = [`-fuseBackend=${backend}`]
          const mounted = await Mounted.start({ contents: [content], peer: bench.seeder.address, flags })
          try {
            const { ms, rate } = await listBeside(mounted, mounted.path(content))
            times[backend].push(percentile(ms, 0.99))
            bench.say(
              `  ${backend}: p99 ${percentile(ms, 0.99).toFixed(1)} ms beside ${rate.toFixed(0)} MiB/s`,
            )
          } finally {
            await mounted.stop()
          }
        }
      }
    }
    const middle = (values: readonly number[]): number | undefined =>
      values.length === 0 ? undefined : median(values)
    const row: Measured = {
      row: 'responsive',
      what: 'listing beside a cold read, p99',
      against: 'fuse-native',
      unit: 'ms',
      ours: middle(times.kernel),
      peer: middle(times['fuse-native']),
      oursRuns: times.kernel,
      peerRuns: times['fuse-native'],
      mark: { of: 'ours', sense: 'atMost', first: 10, product: 10 },
    }
    return [row]
  },
}

async function listBeside(mounted: Mounted, path: string): Promise<{ ms: number[]; rate: number }> {
  const lister = start(PYTHON, ['-uc', LISTER, mounted.mountDir], { stdio: ['pipe', 'pipe', 'inherit'] })
  let said = ''
  lister.stdout?.on('data', (text: Buffer) => (said += text.toString()))
  const { rate } = await readThrough(path)
  lister.stdin?.end()
  await exited(lister, 5000)
  return { ms: said.trim().split('\n').map(Number), rate }
}
