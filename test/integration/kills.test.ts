/** A daemon killed in the middle of its work. */

import { describe, it } from 'node:test'
import { skipWithout } from '../support/project.js'
import { Figures } from './scenarios/figures.js'
import { kills } from './scenarios/kills.js'

const skip = skipWithout('daemon', 'fuse', 'namespaces', 'libtorrent')

describe('a daemon killed while it downloads', { skip }, () => {
  it('comes back by itself with all that was handed out', { timeout: 180_000 }, async () => {
    const figures = new Figures('kill -9 and restart')
    const seed = Number(process.env['TORRENTFS_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
    await kills(figures, { kills: 4, megabytes: 32, bytesPerSecond: 4 << 20, seed })
    figures.assert()
  })
})
