/** What players do with a mount. */

import { describe, it } from 'node:test'
import { skipWithout } from '../support/project.js'
import { Figures } from './scenarios/figures.js'
import { media } from './scenarios/media.js'

const skip = skipWithout('daemon', 'fuse', 'namespaces', 'libtorrent', 'ffmpeg')

describe('films in a mount', { skip }, () => {
  it('are probed and sought in after a small part of them', { timeout: 180_000 }, async () => {
    const figures = new Figures('films')
    await media(figures, { seconds: 30, bytesPerSecond: 16 << 20, share: 0.5 })
    figures.assert()
  })
})
