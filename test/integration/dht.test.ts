/** Peers found by the DHT alone. */
import { describe, it } from 'node:test'

import { skipWithout } from '../support/project.js'
import { dht } from './scenarios/dht.js'
import { Figures } from './scenarios/figures.js'

const skip = skipWithout('daemon', 'fuse', 'namespaces', 'libtorrent')

describe('a magnet that names nobody', { skip }, () => {
  for (const ipv6 of [false, true]) {
    it(`is read through the mount by ${ipv6 ? 'IPv6' : 'IPv4'}`, { timeout: 240_000 }, async () => {
      const figures = new Figures(`the DHT by ${ipv6 ? 'IPv6' : 'IPv4'}`)
      await dht(figures, { ipv6, coldMs: 60_000, savedMs: 60_000 })
      figures.assert()
    })
  }
})
