/**
 * Row `endurance`: what stays behind in the daemon after 100 bursts of 300 blocked readers, and after 1,000,000 reads.
 */
import { readFileSync, readdirSync } from 'node:fs'
import type { ChildProcess } from 'node:child_process'
import type { Bench, Group } from '../bench.js'
import { GIB, MIB, sparseContent, type Content } from '../content.js'
import { Mounted } from '../mounts.js'
import { PYTHON } from '../places.js'
import { exited, pause, run, start, until } from '../processes.js'
import type { Measured } from '../report.js'

const BURSTS = 100
/** Before the first look: memory grows until the first full collections. */
const WARM_UP = 50
const READERS = 300
const READS = 1_000_000

/** Opens so many readers of one file at once, each at a place of its own, waits, and kills them. */
const BURST = `
import os, sys, signal, time
path, readers = sys.argv[1], int(sys.argv[2])
pids = []
for i in range(readers):
    pid = os.fork()
    if pid == 0:
        fd = os.open(path, os.O_RDONLY)
        os.pread(fd, 65536, i * (8 << 20))
        os._exit(0)
    pids.append(pid)
waits = lambda pid: open('/proc/%d/stat' % pid).read().rsplit(')', 1)[1].split()[0] in 'DS'
deadline = time.time() + 30
while not all(waits(pid) for pid in pids):
    if time.time() > deadline: sys.exit('not all were blocked')
    time.sleep(0.01)
for pid in pids: os.kill(pid, signal.SIGKILL)
for pid in pids: os.waitpid(pid, 0)`

/** Reads single pages at random, each of them from the daemon: what is cached is dropped again and again. */
const READER = `
import os, sys, random
fd = os.open(sys.argv[1], os.O_RDONLY)
pages = os.fstat(fd).st_size // 4096
order = list(range(pages))
random.Random(1).shuffle(order)
for i in range(int(sys.argv[2])):
    if i % pages == 0: os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.pread(fd, 4096, order[i % pages] * 4096)`

interface State {
  readonly threads: number
  /** bytes */
  readonly rss: number
}

function stateOf(pid: number): State {
  const status = readFileSync(`/proc/${String(pid)}/status`, 'latin1')
  const kib = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0)
  return { threads: readdirSync(`/proc/${String(pid)}/task`).length, rss: kib * 1024 }
}

/** The state once it does not fall any more. */
async function settled(mounted: Mounted): Promise<State> {
  await pause(2000)
  return stateOf(mounted.pid)
}

const text = ({ threads, rss }: State): string => `${String(threads)} threads, ${(rss / MIB).toFixed(0)} MiB`

async function bursts(bench: Bench, dead: Content): Promise<[State, State]> {
  const mounted = await Mounted.start({ contents: [dead] })
  try {
    const burst = async (): Promise<void> => {
      const child: ChildProcess = start(PYTHON, ['-c', BURST, mounted.path(dead), String(READERS)])
      await exited(child, 60_000)
      if (child.exitCode !== 0) throw new Error('a burst failed')
    }
    for (let i = 0; i < WARM_UP; i++) await burst()
    const before = await settled(mounted)
    for (let i = 0; i < BURSTS; i++) await burst()
    const after = await settled(mounted)
    bench.say(
      `  after ${String(WARM_UP)} bursts ${text(before)}, after ${String(BURSTS)} more ${text(after)}`,
    )
    return [before, after]
  } finally {
    await mounted.stop()
  }
}

async function manyReads(bench: Bench): Promise<[State, State]> {
  const content = await bench.random()
  const mounted = await Mounted.start({
    contents: [content],
    downloadDir: content.folder,
    env: { TORRENTFS_NO_PASSTHROUGH: '1' },
  })
  try {
    const path = mounted.path(content)
    await until('the stored data to be verified', 120_000, async () => {
      const stat = await run('stat', ['-c', '%b', path])
      return Number(stat.stdout) >= content.length / 512
    })
    const read = async (count: number): Promise<void> => {
      const { code } = await run(PYTHON, ['-c', READER, path, String(count)])
      if (code !== 0) throw new Error('reading failed')
    }
    await read(READS / 10)
    const before = await settled(mounted)
    await read(READS)
    const after = await settled(mounted)
    bench.say(
      `  after ${String(READS / 10)} reads ${text(before)}, after ${String(READS)} more ${text(after)}`,
    )
    return [before, after]
  } finally {
    await mounted.stop()
  }
}

export const endurance: Group = {
  rows: ['endurance'],
  async measure(bench) {
    if (!Mounted.available('ours')) return []
    const rowsOf = (what: string, [before, after]: [State, State]): Measured[] => [
      {
        row: 'endurance',
        what: `threads after ${what}`,
        against: 'before them, warm',
        unit: '',
        ours: after.threads,
        peer: before.threads,
        mark: { of: 'ratio', sense: 'atMost', first: 1, product: 1 },
      },
      {
        row: 'endurance',
        what: `memory after ${what}`,
        against: 'before them, warm',
        unit: 'MiB',
        ours: after.rss / MIB,
        peer: before.rss / MIB,
        mark: { of: 'ratio', sense: 'atMost', first: 1.2, product: 1.1 },
      },
    ]
    return [
      ...rowsOf(
        `${String(BURSTS)} bursts of ${String(READERS)} blocked`,
        await bursts(bench, sparseContent(8 * GIB)),
      ),
      ...rowsOf('1,000,000 reads', await manyReads(bench)),
    ]
  },
}
