import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Effect } from '../../../src/torrent/core/events.js'
import { TorrentCore } from '../../../src/torrent/core/torrent-core.js'
import { MemoryBudget } from '../../../src/torrent/data/memory-budget.js'
import { Bitfield } from '../../../src/torrent/pieces/bitfield.js'
import { Geometry } from '../../../src/torrent/pieces/geometry.js'

const MIB = 1024 * 1024

/** A torrent of 64 pieces, all selected, of which everything that is asked for comes at once and nothing is stored until told. */
class Download {
  readonly core: TorrentCore
  /** Pieces that were given to the store. */
  readonly storing: number[] = []

  constructor(readonly pieceLength: number) {
    const length = 64 * pieceLength
    this.core = new TorrentCore({
      geometry: new Geometry({ length, pieceLength, files: [{ offset: 0, length, pad: false }] }),
      stored: new Bitfield(64),
      suspect: new Bitfield(64),
      budget: new MemoryBudget(1024 * MIB),
      allowance: { take: () => true, giveBack() {}, spend() {} },
      uploadSlots: () => 4,
    })
    this.#run(this.core.handle({ type: 'peer', peer: 1, fast: true, incoming: false }, 0))
    this.#run(this.core.handle({ type: 'message', peer: 1, message: { type: 'haveAll' } }, 0))
    this.#run(this.core.handle({ type: 'message', peer: 1, message: { type: 'unchoke' } }, 0))
    this.#run(this.core.handle({ type: 'select', begin: 0, end: 64 }, 0))
  }

  /** The store has done with the first piece it was given. */
  stored(): void {
    const piece = this.storing.shift()!
    this.#run(this.core.handle({ type: 'storeResult', piece, result: { kind: 'stored' } }, 0))
  }

  read(piece: number): void {
    const [begin, end] = [piece * this.pieceLength, (piece + 1) * this.pieceLength]
    this.#run(
      this.core.handle({ type: 'readerOpened', reader: 1, begin, end, readahead: 0, early: false }, 0),
    )
    this.#run(this.core.handle({ type: 'wait', wait: 1, reader: 1, begin, end, early: false }, 0))
  }

  #run(effects: Effect[]): void {
    const queue = [...effects]
    for (let effect = queue.shift(); effect !== undefined; effect = queue.shift()) {
      if (effect.type === 'store') this.storing.push(effect.piece)
      if (effect.type !== 'request') continue
      const { piece, begin, length } = effect
      assert.equal(this.core.place(1, piece, begin, length), 'slab')
      queue.push(...this.core.handle({ type: 'block', peer: 1, piece, begin, length, kept: true }, 0))
      queue.push(...this.core.handle({ type: 'turn', peer: 1 }, 0))
    }
  }
}

test('while 16 MiB wait to be stored, nothing is begun beside what was asked for already', () => {
  const download = new Download(MIB)
  const first = download.storing.length
  assert.ok(first >= 16 && first <= 24, `${first} pieces`)
  while (download.storing.length > 16) download.stored()
  assert.equal(download.storing.length, 16, 'nothing new')
  download.stored()
  assert.ok(download.storing.length >= 16, 'new ones as soon as there are fewer')
  while (download.storing.length > 0) download.stored()
  assert.ok(download.core.stored.full)
})

test('of large pieces two may wait, and one be under way', () => {
  const download = new Download(16 * MIB)
  assert.ok(download.storing.length >= 2 && download.storing.length <= 3, `${download.storing.length} pieces`)
})

test('what a read waits for is begun all the same', () => {
  const download = new Download(MIB)
  download.read(40)
  assert.ok(download.storing.includes(40), download.storing.join())
})
