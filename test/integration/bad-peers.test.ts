/** Peers that misbehave, beside a good one. */

import { describe, it } from 'node:test'
import { skipWithout } from '../support/project.js'
import { badPeers, type BadPeersOptions } from './scenarios/bad-peers.js'
import { Figures } from './scenarios/figures.js'

const skip = skipWithout('daemon', 'fuse', 'namespaces', 'libtorrent')
const MiB = 1 << 20

const cases: Record<
  string,
  Omit<BadPeersOptions, 'megabytes' | 'goodRate' | 'stallMs'> & Partial<BadPeersOptions>
> = {
  'a corrupting and a silent peer': {
    bad: { corrupting: { corrupt: () => true }, silent: { silent: true } },
    banned: ['corrupting'],
  },
  'a peer that corrupts one block in seven': {
    bad: { corrupting: { corrupt: (piece, begin) => (piece * 16 + (begin >> 14)) % 7 === 0 } },
    banned: ['corrupting'],
  },
  'a peer that stops in the middle of a block': { bad: { stalling: { stallAfterBlocks: 10 } } },
  'a crawling peer': { bad: { slow: { bytesPerSecond: 20_000 } } },
  'a peer that chokes again and again, without the fast extension': {
    bad: { choking: { chokeEveryBlocks: 10, chokeMs: 500, fast: false } },
  },
  'a peer that chokes again and again, with the fast extension': {
    bad: { choking: { chokeEveryBlocks: 10, chokeMs: 500 } },
  },
  'a peer that rejects every other request': {
    bad: { rejecting: { reject: (_, begin) => (begin >> 14) % 2 === 0 } },
  },
  'a peer that leaves after every ten blocks': { bad: { leaving: { closeAfterBlocks: 10 } } },
  'a peer that never unchokes, the good one 60 ms away': {
    bad: { selfish: { neverUnchokes: true } },
    delayMs: 60,
  },
}

describe('a good peer', { skip }, () => {
  for (const [title, options] of Object.entries(cases)) {
    it(`is enough beside ${title}`, { timeout: 90_000 }, async () => {
      const figures = new Figures(`beside ${title}`)
      await badPeers(figures, { megabytes: 12, goodRate: 6 * MiB, stallMs: 5000, ...options })
      figures.assert()
    })
  }
})
