/**
 * Row `command-download`: 1 GiB from one libtorrent seeder by `torrent download`, aria2c, and a program of libtorrent's, each a
 * whole process from its start to its exit, in turns. Every copy is compared with what was seeded.
 */
import { readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Bench, Group } from '../bench.js'
import { MIB, type Content } from '../content.js'
import { keepsDownloads } from '../memory.js'
import { COMMAND, PYTHON, SCRIPTS, findProgram, freshFolder } from '../places.js'
import { onEnd, run } from '../processes.js'
import type { Measured } from '../report.js'
import { median } from '../statistics.js'

/** The seeder is on the far side of a wire, and aria2c is told of peers by trackers alone. */
async function tracker(peer: string): Promise<string> {
  const [host = '', port] = peer.split(':')
  const address = Buffer.from(host.split('.').map(Number))
  const reply = Buffer.concat([
    Buffer.from('d8:intervali1800e5:peers6:'),
    address,
    Buffer.from([Number(port) >> 8, Number(port) & 255]),
    Buffer.from('e'),
  ])
  const server = createServer((_, response) => response.end(reply))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  server.unref()
  onEnd(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/announce`
}

type Program = (content: Content, peer: string, folder: string, announce: string) => readonly string[]

const OURS = 'torrent download'
const PROGRAMS: Readonly<Record<string, Program>> = {
  [OURS]: (content, peer, folder) => [
    process.execPath,
    COMMAND,
    'download',
    content.torrent,
    '--output',
    folder,
    '--test-peer',
    peer,
    ...['--no-dht', '--no-lsd', '--no-pex', '--no-utp', '--no-port-mapping'],
  ],
  aria2c: (content, _, folder, announce) => [
    'aria2c',
    '--no-conf',
    '--quiet',
    '--enable-dht=false',
    '--enable-dht6=false',
    '--bt-enable-lpd=false',
    '--enable-peer-exchange=false',
    '--file-allocation=none',
    '--seed-time=0',
    `--bt-tracker=${announce}`,
    `--dir=${folder}`,
    content.torrent,
  ],
  'libtorrent as it comes': (content, peer, folder) => libtorrent(content, peer, folder, 'defaults'),
  'libtorrent set for speed': (content, peer, folder) => libtorrent(content, peer, folder),
}

function libtorrent(content: Content, peer: string, folder: string, ...more: string[]): string[] {
  const script = join(SCRIPTS, 'libtorrent_download.py')
  return [PYTHON, '-W', 'ignore', script, content.torrent, folder, peer, ...more]
}

interface Run {
  /** From start to exit. */
  readonly seconds: number
  readonly cpuSeconds: number
}

/** CPU seconds of all children that have ended: the seeder has not. */
function cpuOfEnded(): number {
  const stat = readFileSync('/proc/self/stat', 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[13]) + Number(fields[14])) / 100
}

async function measure(
  name: string,
  command: readonly string[],
  content: Content,
  folder: string,
): Promise<Run> {
  const before = cpuOfEnded()
  const outcome = await run(command[0]!, command.slice(1))
  const cpuSeconds = cpuOfEnded() - before
  if (outcome.code !== 0) throw new Error(`${name}: ${outcome.stdout.trim()} ${outcome.stderr.trim()}`)
  const same = await run('cmp', [join(folder, content.name), content.path])
  if (same.code !== 0) throw new Error(`${name}: what it downloaded differs: ${same.stdout}${same.stderr}`)
  if (!keepsDownloads) rmSync(folder, { recursive: true, force: true })
  return { seconds: outcome.elapsed / 1000, cpuSeconds }
}

async function measureAll(bench: Bench): Promise<Map<string, Run[]>> {
  const content = await bench.random()
  const peer = bench.seeder?.address
  const runs = new Map<string, Run[]>(Object.keys(PROGRAMS).map(name => [name, []]))
  if (peer === undefined) return runs
  const announce = await tracker(peer)
  for (let turn = 0; turn < Math.max(5, bench.runs); turn++) {
    for (const [name, program] of Object.entries(PROGRAMS)) {
      if (name === 'aria2c' && findProgram('aria2c') === undefined) continue
      const folder = freshFolder(`command-${name.replaceAll(' ', '-')}-${turn}`)
      const done = await measure(name, program(content, peer, folder, announce), content, folder)
      runs.get(name)!.push(done)
      bench.say(`  ${name} ${done.seconds.toFixed(2)} s, ${done.cpuSeconds.toFixed(2)} CPU s`)
    }
  }
  return runs
}

export const commandDownload: Group = {
  rows: ['command-download'],
  async measure(bench) {
    const runs = await measureAll(bench)
    const ours = runs.get(OURS)!
    const length = (await bench.random()).length
    const rates = (of: readonly Run[]): number[] => of.map(({ seconds }) => length / MIB / seconds)
    const middle = (values: readonly number[]): number | undefined =>
      values.length === 0 ? undefined : median(values)
    const measured: Measured[] = []
    for (const [name, theirs] of runs) {
      if (name === OURS) continue
      const cpu = [ours, theirs].map(
        all => middle(all.map(({ cpuSeconds }) => cpuSeconds))?.toFixed(2) ?? '-',
      )
      measured.push({
        row: 'command-download',
        what: 'torrent download of 1 GiB, start to exit',
        against: name,
        unit: 'MiB/s',
        ours: middle(rates(ours)),
        peer: middle(rates(theirs)),
        oursRuns: rates(ours),
        peerRuns: rates(theirs),
        mark: { of: 'ratio', sense: 'atLeast', first: 1.3, product: 1.3 },
        note: `CPU seconds: ours ${cpu[0]}, theirs ${cpu[1]}`,
      })
    }
    return measured
  },
}
