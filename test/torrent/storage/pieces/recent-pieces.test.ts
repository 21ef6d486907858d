import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { RecentPieces } from '../../../../src/torrent/storage/pieces/recent-pieces.js'

const [ONE, TWO] = ['1'.repeat(40), '2'.repeat(40)]

function first(recent: RecentPieces, infohash: string, piece: number): number | undefined {
  const target = new Uint8Array(1)
  return recent.read(infohash, piece, 0, target) === undefined ? undefined : target[0]
}

describe('the pieces that were kept last', () => {
  it('are copies, of which the oldest go when there are too many bytes', () => {
    const recent = new RecentPieces(1000)
    const bytes = new Uint8Array(300)
    for (let piece = 0; piece < 5; piece++) recent.add(ONE, piece, bytes.fill(piece + 1))
    const found = [0, 1, 2, 3, 4].map(piece => first(recent, ONE, piece))
    assert.deepEqual(found, [undefined, undefined, 3, 4, 5])
    recent.add(ONE, 2, bytes.fill(9))
    recent.add(ONE, 5, bytes)
    assert.equal(first(recent, ONE, 3), undefined)
    assert.equal(first(recent, ONE, 2), 9)
    recent.add(ONE, 6, new Uint8Array(501))
    assert.equal(first(recent, ONE, 6), undefined)
  })

  it('are read up to their end, and forgotten one by one or with their torrent', () => {
    const recent = new RecentPieces(1000)
    for (const infohash of [ONE, TWO])
      for (const piece of [0, 1]) recent.add(infohash, piece, new Uint8Array(100).fill(7))
    const target = new Uint8Array(30)
    assert.equal(recent.read(ONE, 1, 80, target), 20)
    assert.deepEqual([...target.subarray(18, 22)], [7, 7, 0, 0])
    recent.delete(TWO, 1)
    recent.deleteTorrent(ONE)
    assert.deepEqual(
      [first(recent, ONE, 0), first(recent, ONE, 1), first(recent, TWO, 0), first(recent, TWO, 1)],
      [undefined, undefined, 7, undefined],
    )
  })
})
