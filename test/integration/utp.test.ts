/** Reading from, and seeding to, peers that speak uTP alone. */

import { describe, it } from 'node:test'
import { skipWithout } from '../support/project.js'
import { Figures } from './scenarios/figures.js'
import { utpBothWays } from './scenarios/utp.js'

const skip = skipWithout('daemon', 'fuse', 'namespaces', 'libtorrent')

describe('peers that speak uTP alone', { skip }, () => {
  for (const [what, args] of [
    ['we speak both', []],
    ['we speak nothing else either', ['-disableTcp']],
  ] as const) {
    it(`are read from and given to when ${what}`, { timeout: 300_000 }, async () => {
      const figures = new Figures(`uTP, ${what}`)
      await utpBothWays(figures, args)
      figures.assert()
    })
  }
})
