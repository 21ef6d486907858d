import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Transfer } from '../../../src/cli/torrent/transfer.js'
import { FigureKeeper } from '../../../src/cli/torrent/transfer-figures.js'
import { barNote, statusLine } from '../../../src/cli/torrent/transfer-report.js'

const figures = {
  transfer: new Transfer('a'),
  wanted: 129_000_000,
  stored: 5_200_000,
  rate: 1_700_000,
  peers: 3,
  uploaded: 0,
  leftMs: 73_000,
}

describe('what is told of transfers', () => {
  it('is one line in the style that scripts know', () => {
    const all = { ...figures, each: [figures], torrents: 1, infos: 1 }
    assert.equal(
      statusLine(12, all),
      '12s: 1 torrents, 1 infos, 5.2 MB/129 MB ready, upload 0 B, download 1.7 MB/s',
    )
  })

  it('behind a bar is what is there, how fast, of whom, and when it ends', () => {
    assert.equal(barNote(figures), '5.2 MB/129 MB, 1.7 MB/s, 3 peers, ETA 1m13s')
    assert.equal(barNote({ ...figures, leftMs: Infinity, rate: 0 }), '5.2 MB/129 MB, 0 B/s, 3 peers, ETA -')
    assert.equal(barNote({ ...figures, stored: figures.wanted, peers: 1 }), '129 MB, done, 1 peer')
  })

  it('counts nothing of sources that are not torrents yet', () => {
    const all = new FigureKeeper(0).look([new Transfer('a'), new Transfer('b')], 1000)
    assert.equal(statusLine(1, all), '1s: 0 torrents, 0 infos, 0 B/0 B ready, upload 0 B, download 0 B/s')
  })
})
