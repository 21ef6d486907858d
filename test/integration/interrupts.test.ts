/** Blocked readers, and mounts, can be ended from outside. */

import { describe, it } from 'node:test'
import { skipWithout } from '../support/project.js'
import { Figures } from './scenarios/figures.js'
import { interrupts } from './scenarios/interrupts.js'

const skip = skipWithout('daemon', 'fuse')

describe('a reader that waits for bytes nobody has', { skip }, () => {
  it('ends at once by any signal, however it reads', { timeout: 120_000 }, async () => {
    const figures = new Figures('interrupts')
    await interrupts(figures, { limitMs: 1000 })
    figures.assert()
  })
})
