import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Effect } from '../../../src/torrent/core/events.js'
import { TorrentCore } from '../../../src/torrent/core/torrent-core.js'
import { MemoryBudget } from '../../../src/torrent/data/memory-budget.js'
import { Bitfield } from '../../../src/torrent/pieces/bitfield.js'
import { BLOCK_LENGTH, Geometry } from '../../../src/torrent/pieces/geometry.js'

const PIECE = 1024 * 1024

/** The blocks of piece 0 that each peer is asked for when a read waits for it. */
function askedOf(peers: readonly { readonly runs: boolean }[]): number[][] {
  const length = 4 * PIECE
  const core = new TorrentCore({
    geometry: new Geometry({ length, pieceLength: PIECE, files: [{ offset: 0, length, pad: false }] }),
    stored: new Bitfield(4),
    suspect: new Bitfield(4),
    budget: new MemoryBudget(),
    allowance: { take: () => true, giveBack() {}, spend() {} },
    uploadSlots: () => 4,
  })
  peers.forEach(({ runs }, index) => {
    const peer = index + 1
    core.handle({ type: 'peer', peer, fast: true, incoming: false, runs }, 0)
    core.handle({ type: 'message', peer, message: { type: 'haveAll' } }, 0)
    core.handle({ type: 'message', peer, message: { type: 'unchoke' } }, 0)
  })
  core.handle({ type: 'readerOpened', reader: 1, begin: 0, end: length, readahead: 0 }, 0)
  const effects = core.handle({ type: 'wait', wait: 1, reader: 1, begin: 0, end: 10 }, 0)
  const asked = peers.map((): number[] => [])
  const requests = effects.filter(
    (effect): effect is Extract<Effect, { type: 'request' }> => effect.type === 'request',
  )
  for (const { peer, begin } of requests) asked[peer - 1]!.push(begin / BLOCK_LENGTH)
  return asked
}

const isRun = (blocks: readonly number[]): boolean =>
  blocks.every((block, i) => i === 0 || block === blocks[i - 1]! + 1)

test('a piece that a read waits for is shared out as one run to each, where web seeds take part', () => {
  for (const kinds of [
    [true, true],
    [false, true],
    [true, false, true],
    [false, true, true, false],
  ]) {
    const asked = askedOf(kinds.map(runs => ({ runs })))
    assert.deepEqual(
      asked.flat().sort((a, b) => a - b),
      Array.from({ length: 64 }, (_, block) => block),
    )
    for (const blocks of asked) {
      assert.ok(isRun(blocks), `${kinds.join()}: ${blocks.join()}`)
      assert.ok(blocks.length >= 64 / kinds.length - 2, `${kinds.join()}: a share of ${blocks.length}`)
    }
  }
})

test('peers alone take turns, so that the first blocks come first', () => {
  const asked = askedOf([{ runs: false }, { runs: false }])
  assert.deepEqual(asked[0]!.slice(0, 3), [0, 2, 4])
  assert.deepEqual(asked[1]!.slice(0, 3), [1, 3, 5])
})
