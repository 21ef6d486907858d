/** Content that lies on web servers, read through the mount. */

import { describe, it } from 'node:test'
import { skipWithout } from '../support/project.js'
import { webServers } from '../support/web-server.js'
import { Figures } from './scenarios/figures.js'
import { readBeside, readRandomly, readThroughRestart, readWhole } from './scenarios/web-seeds.js'

for (const name of webServers) {
  const skip = skipWithout('daemon', 'fuse', 'namespaces', 'libtorrent', name)
  describe(`a torrent on ${name}`, { skip }, () => {
    const cases = [
      ['is read whole, from there alone', readWhole],
      ['is read at random places, and costs the pieces it touches', readRandomly],
      ['is read on after the server was killed and came back', readThroughRestart],
      ['is read from there and from a peer at once', readBeside],
    ] as const
    for (const [what, play] of cases) {
      it(what, { timeout: 280_000 }, async t => {
        const figures = new Figures(`${name}: ${what}`)
        await play(name, figures)
        for (const { name: figure, text } of figures.all) t.diagnostic(`${figure}: ${text}`)
        figures.assert()
      })
    }
  })
}
