/**
 * Reading from simulated swarms: a line a scenario, the worst of its seeds.
 *
 *   npm run simulate -- [--seeds N] [--json] [PART OF A NAME...]
 *
 * Only the core is real. The clock is virtual, so the figures are the same on every machine.
 */
import { parseArgs } from 'node:util'
import { play, SCENARIOS, type Figures } from '../../test/torrent/core/swarm-scenarios.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seeds: { type: 'string', default: '3' }, json: { type: 'boolean', default: false } },
})
const seeds = Number(values.seeds)
const wanted = SCENARIOS.filter(
  ({ name }) => positionals.length === 0 || positionals.some(part => name.includes(part)),
)

const COLUMNS = [28, 7, 7, 6, 7, 7, 7, 8, 14, 14, 8] as const

function line(...cells: readonly string[]): void {
  console.log(
    cells.map((cell, i) => (i === 0 ? cell.padEnd(COLUMNS[0]) : cell.padStart(COLUMNS[i]!))).join(''),
  )
}

const percent = (share: number): string => `${(100 * share).toFixed(1)}%`
const most = (figures: readonly Figures[], of: (figures: Figures) => number): number =>
  Math.max(...figures.map(of))
const least = (figures: readonly Figures[], of: (figures: Figures) => number): number =>
  Math.min(...figures.map(of))
const ms = (took: number, floor: number): string => `${took.toFixed(0)}/${floor.toFixed(0)}`

line(
  'worst of each',
  'MB/s',
  'one',
  'share',
  'twice',
  'wasted',
  'stalls',
  'longest',
  'first/floor',
  'seek/floor',
  'cpu ms',
)
for (const scenario of wanted) {
  const began = process.cpuUsage()
  const all = Array.from({ length: seeds }, (_, i) => play(scenario, i + 1))
  const { user } = process.cpuUsage(began)
  if (values.json) console.log(JSON.stringify({ scenario: scenario.name, all }))
  // Of first bytes and seeks that with the worst relation to what could be.
  const first = [...all].sort((a, b) => b.firstMs / b.firstFloorMs - a.firstMs / a.firstFloorMs)[0]!
  const seek = all
    .flatMap(({ seeksMs, seekFloorMs }) => seeksMs.map(took => [took, seekFloorMs] as const))
    .sort((a, b) => b[0] / b[1] - a[0] / a[1])[0]!
  line(
    scenario.name,
    (least(all, ({ rate }) => rate) / 1e6).toFixed(2),
    (least(all, ({ reference }) => reference) / 1e6).toFixed(2),
    percent(least(all, ({ rate, reference }) => rate / reference)).replace(/\..%/, '%'),
    percent(most(all, ({ duplicates }) => duplicates)),
    percent(most(all, ({ wasted }) => wasted)),
    String(most(all, ({ stalls }) => stalls)),
    most(all, ({ longestMs }) => longestMs).toFixed(0),
    ms(first.firstMs, first.firstFloorMs),
    ms(seek[0], seek[1]),
    (user / 1000 / seeds).toFixed(0),
  )
}
