/**
 * Row `encrypted`: 512 MiB from a libtorrent that takes nothing but RC4, by our library and by libtorrent, in turns; and by
 * our library in the open, to show what the cipher costs.
 */
import { existsSync } from 'node:fs'
import type { Group } from '../bench.js'
import { MIB, randomContent } from '../content.js'
import { libraryDownload, libtorrentDownload, type Download } from '../downloads.js'
import { LIBRARY } from '../places.js'
import type { Measured } from '../report.js'
import { Seeder } from '../seeder.js'
import { median } from '../statistics.js'

const LENGTH = 512 * MIB

const rateOf = (download: Download): number => download.bytes / MIB / download.seconds
const cpuOf = (download: Download): number => (download.cpuSeconds * 1024 * MIB) / download.bytes

export const encrypted: Group = {
  rows: ['encrypted'],
  async measure(bench) {
    const what = 'download of an encrypted stream'
    if (bench.seeder === undefined || !existsSync(LIBRARY)) {
      return [
        { row: 'encrypted', what, against: 'libtorrent', unit: 'MiB/s', ours: undefined, peer: undefined },
      ]
    }
    const content = randomContent(LENGTH)
    const seeder = await Seeder.start(bench.network, 'rc4')
    const ours: Download[] = []
    const theirs: Download[] = []
    const open: Download[] = []
    try {
      await seeder.seed(content)
      await bench.seeder.seed(content)
      for (let i = 0; i < bench.runs; i++) {
        for (const [name, into, download] of [
          ['libtorrent', theirs, () => libtorrentDownload(content, seeder.address, 'rc4')],
          [
            'library',
            ours,
            () => libraryDownload(content, seeder.address, bench.profile ? 'encrypted' : undefined, 'rc4'),
          ],
          ['library, in the open', open, () => libraryDownload(content, bench.seeder!.address)],
        ] as const) {
          const done = await download()
          into.push(done)
          bench.say(
            `  ${name} ${rateOf(done).toFixed(0)} MiB/s, ${cpuOf(done).toFixed(2)} CPU s/GiB, connected in ${(done.connect * 1000).toFixed(0)} ms`,
          )
        }
      }
    } finally {
      seeder.stop()
    }
    const measured: Measured[] = [
      {
        row: 'encrypted',
        what,
        against: 'libtorrent, the same',
        unit: 'MiB/s',
        ours: median(ours.map(rateOf)),
        peer: median(theirs.map(rateOf)),
        oursRuns: ours.map(rateOf),
        peerRuns: theirs.map(rateOf),
        // 100 MB/s.
        mark: { of: 'ours', sense: 'atLeast', first: 100e6 / MIB, product: 150 },
      },
      {
        row: 'encrypted',
        what: 'CPU of it, per GiB',
        against: 'our library, in the open',
        unit: 's',
        ours: median(ours.map(cpuOf)),
        peer: median(open.map(cpuOf)),
        oursRuns: ours.map(cpuOf),
        peerRuns: open.map(cpuOf),
      },
    ]
    return measured
  },
}
