/** A file is read through the mount and a cache that holds an eighth of it; the daemon is killed, and reads on. */

import { describe, it } from 'node:test'
import { skipWithout } from '../support/project.js'
import { capacity } from './scenarios/capacity.js'
import { Figures } from './scenarios/figures.js'

const MiB = 1 << 20
const skip = skipWithout('daemon', 'fuse', 'namespaces', 'libtorrent')

describe('a daemon with -cacheSize', { skip, timeout: 240_000 }, () => {
  for (const storage of ['file', 'blob']) {
    it(`plays a file of 64 MiB through 8 MiB, kept by ${storage}`, async () => {
      const figures = new Figures(storage)
      await capacity(figures, {
        length: 64 * MiB,
        pieceLength: 256 * 1024,
        cacheBytes: 8 * MiB,
        storage,
        readMs: 100_000,
      })
      figures.assert()
    })
  }
})
