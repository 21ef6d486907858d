import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { SharedPieces } from '../../../../src/fs/backends/kernel/shared-pieces.js'

describe('shared pieces', () => {
  test('are the bits they were made of, and seen by whoever shares the memory', () => {
    const pieces = SharedPieces.of(Uint8Array.of(0b1010_0000, 0b0100_0000), 10)
    const seen = SharedPieces.in(pieces.memory, 10)
    assert.deepEqual(
      Array.from({ length: 10 }, (_, i) => seen.has(i)),
      [true, false, true, false, false, false, false, false, false, true],
    )
    pieces.set(1)
    assert.ok(seen.hasAll(0, 3))
    pieces.clear(0)
    assert.ok(!seen.hasAll(0, 3))
  })

  test('agree with a set of numbers whatever is stored and doubted', () => {
    const steps = fc.array(fc.tuple(fc.boolean(), fc.nat(40)), { maxLength: 200 })
    const range = fc.tuple(fc.nat(41), fc.nat(41))
    fc.assert(
      fc.property(steps, range, ([...changes], [a, b]) => {
        const pieces = SharedPieces.of(new Uint8Array(6), 41)
        const model = new Set<number>()
        for (const [stored, piece] of changes) {
          if (stored) pieces.set(piece)
          else pieces.clear(piece)
          if (stored) model.add(piece)
          else model.delete(piece)
        }
        const [begin, end] = [Math.min(a, b), Math.max(a, b)]
        let all = true
        for (let piece = begin; piece < end; piece++) all &&= model.has(piece)
        assert.equal(pieces.hasAll(begin, end), all)
        const bytes = [...model].filter(piece => piece >= begin && piece < end).length * 100
        assert.equal(pieces.storedBytes(begin * 100, end * 100, 100), bytes)
      }),
    )
  })

  test('count the bytes of a range that begins and ends within pieces', () => {
    const pieces = SharedPieces.of(Uint8Array.of(0b1100_0000), 3)
    assert.equal(pieces.storedBytes(30, 270, 100), 170)
    assert.equal(pieces.storedBytes(30, 30, 100), 0)
    assert.equal(pieces.storedBytes(250, 270, 100), 0)
  })

  test('change their version with every change, and their doubts with every piece that is stored no longer', () => {
    const pieces = SharedPieces.of(new Uint8Array(1), 3)
    const versions = [pieces.version]
    pieces.set(1)
    versions.push(pieces.version)
    assert.equal(pieces.doubts, 0)
    pieces.clear(1)
    versions.push(pieces.version)
    assert.equal(pieces.doubts, 1)
    assert.equal(new Set(versions).size, 3)
  })
})
