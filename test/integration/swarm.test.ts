/** Reading from, and seeding to, the programs people run. */

import { after, before, describe, it } from 'node:test'
import { skipWithout } from '../support/project.js'
import { Scope } from '../support/scope.js'
import { Figures } from './scenarios/figures.js'
import { programs, Swarm, ways } from './scenarios/swarm.js'

const skip = skipWithout(
  'daemon',
  'fuse',
  'namespaces',
  'libtorrent',
  'transmission',
  'aria2c',
  'opentracker',
)

describe('a swarm of real programs', { skip }, () => {
  const scope = new Scope()
  let swarm: Swarm
  before(async () => {
    swarm = await Swarm.create(scope)
  })
  after(() => scope.close())

  for (const program of programs) {
    for (const way of ways) {
      it(`reads every file that ${program} seeds, found by ${way}`, { timeout: 120_000 }, async () => {
        const figures = new Figures(`${program} by ${way}`)
        await swarm.read(program, way, figures)
        figures.assert()
      })
    }
  }

  for (const program of programs) {
    it(`gives ${program} everything it has stored, after a restart`, { timeout: 180_000 }, async () => {
      const figures = new Figures(`${program} from ours`)
      await swarm.seedTo([program], figures)
      figures.assert()
    })
  }
})
