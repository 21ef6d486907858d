/** Readers of a torrent without peers do not harm the others. */

import { describe, it } from 'node:test'
import { skipWithout } from '../support/project.js'
import { blockedReaders } from './scenarios/blocked-readers.js'
import { Figures } from './scenarios/figures.js'

const skip = skipWithout('daemon', 'fuse', 'namespaces', 'libtorrent')

describe('a hundred readers of a torrent without peers', { skip }, () => {
  it('cost the others nothing, and end when told to', { timeout: 120_000 }, async () => {
    const figures = new Figures('blocked readers')
    await blockedReaders(figures, { readers: 100, liveMiB: 64, repeats: 2, ratio: 0.5 })
    figures.assert()
  })
})
