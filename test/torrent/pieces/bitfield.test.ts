import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Bitfield } from '../../../src/torrent/pieces/bitfield.js'

type Action = readonly [kind: 'set' | 'clear' | 'fill', index: number]

const actions = fc.array(
  fc.tuple(
    fc.oneof(
      { arbitrary: fc.constant('set' as const), weight: 20 },
      { arbitrary: fc.constant('clear' as const), weight: 10 },
      { arbitrary: fc.constant('fill' as const), weight: 1 },
    ),
    fc.integer({ min: -2, max: 90 }),
  ),
  { maxLength: 80 },
)

function play(length: number, list: readonly Action[]): { bitfield: Bitfield; model: boolean[] } {
  const bitfield = new Bitfield(length)
  const model = new Array<boolean>(length).fill(false)
  for (const [kind, index] of list) {
    if (kind === 'fill') {
      bitfield.fill()
      model.fill(true)
      continue
    }
    const wanted = kind === 'set'
    const changes = index >= 0 && index < length && model[index] !== wanted
    assert.equal(bitfield[kind](index), changes)
    if (changes) model[index] = wanted
  }
  return { bitfield, model }
}

describe('Bitfield', () => {
  it('behaves as an array of booleans', () => {
    fc.assert(
      fc.property(
        fc.nat(80),
        actions,
        fc.integer({ min: -3, max: 90 }),
        fc.integer({ min: -3, max: 90 }),
        (length, list, a, b) => {
          const { bitfield, model } = play(length, list)
          assert.equal(bitfield.count, model.filter(Boolean).length)
          assert.equal(bitfield.full, model.every(Boolean))
          assert.equal(bitfield.empty, !model.some(Boolean))
          for (let index = -2; index < length + 10; index++)
            assert.equal(bitfield.get(index), model[index] === true)

          const within = (value: boolean): number =>
            model.findIndex((bit, i) => i >= a && i < b && bit === value)
          assert.equal(bitfield.next(a, b), within(true))
          assert.equal(bitfield.nextClear(a, b), within(false))
          assert.equal(
            bitfield.next(a),
            model.findIndex((bit, i) => i >= a && bit),
          )
          assert.equal(bitfield.countIn(a, b), model.filter((bit, i) => i >= a && i < b && bit).length)

          const spelled: boolean[] = []
          let previous: boolean | undefined
          for (const { begin, end, set } of bitfield.runs()) {
            assert.equal(begin, spelled.length)
            assert.ok(end > begin)
            assert.notEqual(set, previous, 'runs are maximal')
            previous = set
            for (let index = begin; index < end; index++) spelled.push(set)
          }
          assert.deepEqual(spelled, model)
        },
      ),
    )
  })

  it('comes back from the wire as it was, and shares nothing with its copies', () => {
    fc.assert(
      fc.property(fc.nat(80), actions, (length, list) => {
        const { bitfield } = play(length, list)
        const read = Bitfield.fromWire(bitfield.bytes, length)
        const copy = bitfield.clone()
        assert.deepEqual(read, bitfield)
        assert.deepEqual(copy, bitfield)
        assert.equal(read.count, bitfield.count)
        assert.equal(copy.count, bitfield.count)
        copy.fill()
        read.fill()
        assert.equal(bitfield.count, bitfield.countIn(0, length))
      }),
    )
  })

  it('has piece 0 in the high bit of the first byte', () => {
    const bitfield = new Bitfield(12)
    bitfield.set(0)
    bitfield.set(9)
    assert.deepEqual([...bitfield.bytes], [0x80, 0x40])
    bitfield.fill()
    assert.deepEqual([...bitfield.bytes], [0xff, 0xf0])
  })

  it('refuses bytes of the wrong size, or with spare bits set', () => {
    const table: [number[], number][] = [
      [[], 1],
      [[0], 0],
      [[0, 0], 8],
      [[0], 9],
      [[0x01], 7],
      [[0xff, 0x08], 12],
    ]
    for (const [bytes, length] of table) {
      assert.throws(() => Bitfield.fromWire(new Uint8Array(bytes), length), {
        code: 'ERR_TORRENTFS_PROTOCOL',
      })
    }
    for (const length of [-1, 1.5, Number.NaN, 2 ** 33]) {
      assert.throws(() => new Bitfield(length), { code: 'ERR_TORRENTFS_ARGUMENT' })
    }
  })
})
