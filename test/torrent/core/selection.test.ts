/** Which selected piece is begun next. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import fc from 'fast-check'

import { Selection, type SelectionPriority } from '../../../src/torrent/core/selection.js'

const PIECES = 40

describe('the selection', () => {
  test('has high priority first, then what is rarest, then the lowest index', () => {
    const availability = [3, 1, 1, 0, 5]
    const selection = new Selection(5, piece => availability[piece]!)
    for (const piece of [0, 1, 2]) selection.add(piece, true)
    selection.add(4, true, 'high')
    assert.deepEqual(takeAll(selection), [4, 1, 2, 0])
  })

  test('has them in order on request, high priority first even so', () => {
    const availability = [3, 1, 1, 0, 5]
    const selection = new Selection(5, piece => availability[piece]!)
    selection.inOrder = true
    for (const piece of [0, 1, 2, 3]) selection.add(piece, true)
    selection.add(4, true, 'high')
    assert.deepEqual(takeAll(selection), [4, 0, 1, 2, 3])
  })

  test('agrees with sorting all pieces anew, whatever happens to them', () => {
    const piece = fc.nat(PIECES - 1)
    const event = fc.oneof(
      fc.record({
        kind: fc.constant('add' as const),
        piece,
        priority: fc.constantFrom<SelectionPriority>('normal', 'high'),
      }),
      fc.record({ kind: fc.constant('remove' as const), piece }),
      fc.record({ kind: fc.constant('started' as const), piece }),
      fc.record({ kind: fc.constant('stopped' as const), piece }),
      fc.record({ kind: fc.constant('moved' as const), piece, to: fc.nat(5) }),
      fc.record({ kind: fc.constant('order' as const), piece, inOrder: fc.boolean() }),
    )
    fc.assert(
      fc.property(fc.array(event, { maxLength: 200 }), fc.array(fc.boolean()), (events, refused) => {
        const availability = new Array<number>(PIECES).fill(0)
        const started = new Set<number>()
        const wishes = new Map<number, SelectionPriority>()
        const selection = new Selection(PIECES, index => availability[index]!)
        for (const what of events) {
          const { piece: index } = what
          if (what.kind === 'add') {
            selection.add(index, !started.has(index), what.priority)
            wishes.set(index, what.priority)
          } else if (what.kind === 'remove') {
            selection.remove(index)
            wishes.delete(index)
          } else if (what.kind === 'started') {
            selection.started(index)
            started.add(index)
          } else if (what.kind === 'stopped') {
            selection.stopped(index)
            started.delete(index)
          } else if (what.kind === 'moved') {
            const before = availability[index]!
            availability[index] = what.to
            selection.moved(index, before, what.to)
          } else selection.inOrder = what.inOrder
        }
        const accepts = (index: number): boolean => refused[index] !== true
        const waiting = [...wishes.keys()].filter(index => !started.has(index))
        const expected = waiting.filter(accepts).sort(
          (a, b) =>
            // High before normal: 'h' comes before 'n'.
            wishes.get(a)!.localeCompare(wishes.get(b)!) ||
            (selection.inOrder ? 0 : availability[a]! - availability[b]!) ||
            a - b,
        )
        assert.equal(selection.next(accepts), expected[0] ?? -1)
        assert.equal(selection.waiting, waiting.length)
        assert.equal(selection.selectedCount, wishes.size)
        for (let index = 0; index < PIECES; index++)
          assert.equal(selection.priorityOf(index), wishes.get(index))
      }),
    )
  })
})

function takeAll(selection: Selection): number[] {
  const taken: number[] = []
  for (;;) {
    const piece = selection.next(() => true)
    if (piece < 0) return taken
    selection.started(piece)
    taken.push(piece)
  }
}
