/** A disk that fills up under a download. */

import { describe, it } from 'node:test'
import { skipWithout } from '../support/project.js'
import { diskFull } from './scenarios/disk-full.js'
import { Figures } from './scenarios/figures.js'

const skip = skipWithout('daemon', 'fuse', 'namespaces', 'libtorrent')

describe('a full disk', { skip }, () => {
  it('is named, leaves stored data readable, and is recovered from', { timeout: 180_000 }, async () => {
    const figures = new Figures('disk full')
    await diskFull(figures)
    figures.assert()
  })
})
