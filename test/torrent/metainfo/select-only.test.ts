import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'

import { formatSelectOnly, parseSelectOnly } from '../../../src/torrent/metainfo/select-only.js'

describe('parseSelectOnly', () => {
  for (const [text, expected] of [
    ['0', [[0, 1]]],
    [
      '0,2,4-6',
      [
        [0, 1],
        [2, 3],
        [4, 7],
      ],
    ],
    [
      '4-6,0,5-9,1',
      [
        [0, 2],
        [4, 10],
      ],
    ],
    [
      ' 3 , 7',
      [
        [3, 4],
        [7, 8],
      ],
    ],
    ['5-3,x,1-2-3,-1,1e3,99999999999', undefined],
    ['', undefined],
    ['2147483647', [[2147483647, 2147483648]]],
    ['2147483648', undefined],
  ] as const) {
    test(`reads ${JSON.stringify(text)}`, () => {
      assert.deepEqual(
        parseSelectOnly(text)?.map(({ begin, end }) => [begin, end]),
        expected,
      )
    })
  }

  test('reads back what was written, and never throws', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('0', '1', '27', ',', '-', ' ', 'x') }), text => {
        const ranges = parseSelectOnly(text)
        if (ranges !== undefined) assert.deepEqual(parseSelectOnly(formatSelectOnly(ranges)), ranges)
      }),
    )
  })
})
