/** Nothing is downloaded that no one reads. */

import { describe, it } from 'node:test'
import { skipWithout } from '../support/project.js'
import { Figures } from './scenarios/figures.js'
import { closing, idle } from './scenarios/idle.js'

const skip = skipWithout('daemon', 'fuse', 'namespaces', 'libtorrent')

describe('a mount that no one reads', { skip }, () => {
  it('fetches nothing for a listing, and little for one byte', { timeout: 120_000 }, async () => {
    const figures = new Figures('looking without reading')
    await idle(figures, { idleMs: 3000 })
    figures.assert()
  })

  it('fetches nothing more within a second of a file being closed', { timeout: 120_000 }, async () => {
    const figures = new Figures('closing a file')
    await closing(figures)
    figures.assert()
  })
})
