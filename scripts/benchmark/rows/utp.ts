/**
 * Row `utp`: a plain download over uTP, ours beside libtorrent's and beside ours over TCP, from a libtorrent that
 * speaks both; and whether uTP makes a start over TCP slower.
 */
import { existsSync } from 'node:fs'
import type { Group } from '../bench.js'
import { MIB, randomContent } from '../content.js'
import { libraryDownload, libraryFirstBytes, libtorrentDownload, type Download } from '../downloads.js'
import { LIBRARY } from '../places.js'
import type { Measured } from '../report.js'
import { haveLibtorrent, Seeder } from '../seeder.js'
import { median } from '../statistics.js'

const LENGTH = 256 * MIB
const STARTS = 20

const rateOf = (download: Download): number => download.bytes / MIB / download.seconds

const middle = (values: readonly number[]): number | undefined =>
  values.length === 0 ? undefined : median(values)

export const utp: Group = {
  rows: ['utp'],
  async measure(bench) {
    const ours: Download[] = []
    const theirs: Download[] = []
    const tcp: Download[] = []
    let starts = { tcpAlone: [] as readonly number[], both: [] as readonly number[] }
    if ((await haveLibtorrent()) && existsSync(LIBRARY)) {
      const content = randomContent(LENGTH)
      const seeder = await Seeder.start(bench.network, 'utp')
      try {
        await seeder.seed(content)
        const peer = seeder.address
        for (let i = 0; i < bench.runs; i++) {
          for (const [what, into, download] of [
            ['ours over uTP', ours, () => libraryDownload(content, peer, profile(bench.profile), 'utp')],
            ['libtorrent over uTP', theirs, () => libtorrentDownload(content, peer, 'utp')],
            ['ours over TCP', tcp, () => libraryDownload(content, peer)],
          ] as const) {
            const done = await download()
            into.push(done)
            bench.say(
              `  ${what} ${rateOf(done).toFixed(1)} MiB/s, ${done.cpuSeconds.toFixed(2)} CPU s, peak RSS ${(done.peakRss / MIB).toFixed(0)} MiB`,
            )
          }
        }
        starts = await libraryFirstBytes(content, peer, STARTS)
      } finally {
        seeder.stop()
      }
    }
    const rates = ours.map(rateOf)
    const against = (peer: string, downloads: readonly Download[]): Measured => ({
      row: 'utp',
      what: 'plain download over uTP',
      against: peer,
      unit: 'MiB/s',
      ours: middle(rates),
      peer: middle(downloads.map(rateOf)),
      oursRuns: rates,
      peerRuns: downloads.map(rateOf),
    })
    return [
      {
        ...against('libtorrent over uTP', theirs),
        mark: { of: 'ratio', sense: 'atLeast', first: 0.8, product: 1 },
      },
      against('ours over TCP', tcp),
      {
        row: 'utp',
        what: 'first byte over TCP, with uTP',
        against: 'without uTP',
        unit: 'ms',
        ours: middle(starts.both),
        peer: middle(starts.tcpAlone),
        oursRuns: starts.both,
        peerRuns: starts.tcpAlone,
        mark: { of: 'ratio', sense: 'atMost', first: 1.1, product: 1.02 },
        note: `${STARTS} starts each, in turns`,
      },
    ]
  },
}

function profile(wanted: boolean): string | undefined {
  return wanted ? 'utp' : undefined
}
