import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { formatBytes, formatCount, formatRate, formatTime } from '../../../src/cli/torrent/quantities.js'

describe('quantities for people', () => {
  it('are bytes of two or three digits', () => {
    const cases: readonly (readonly [number, string])[] = [
      [0, '0 B'],
      [999, '999 B'],
      [1000, '1.0 kB'],
      [5_200_000, '5.2 MB'],
      [9_949_999, '9.9 MB'],
      [9_960_000, '10 MB'],
      [129_302_391, '129 MB'],
      [999_499, '999 kB'],
      [999_500, '1.0 MB'],
      [2 ** 40, '1.1 TB'],
      [Number.MAX_SAFE_INTEGER, '9.0 PB'],
    ]
    for (const [bytes, text] of cases) assert.equal(formatBytes(bytes), text)
    assert.equal(formatRate(1_700_000), '1.7 MB/s')
  })

  it('are times in their two largest units', () => {
    const cases: readonly (readonly [number, string])[] = [
      [0, '0s'],
      [-5, '0s'],
      [12_400, '12s'],
      [59_600, '1m00s'],
      [200_000, '3m20s'],
      [7_500_000, '2h05m'],
      [356_400_000, '4d03h'],
      [Infinity, '-'],
      [NaN, '-'],
    ]
    for (const [ms, text] of cases) assert.equal(formatTime(ms), text)
  })

  it('are counts of things', () => {
    assert.deepEqual(
      [0, 1, 2].map(count => formatCount(count, 'torrent')),
      ['0 torrents', '1 torrent', '2 torrents'],
    )
  })
})
