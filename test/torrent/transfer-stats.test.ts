import assert from 'node:assert/strict'
import { test } from 'node:test'

import { addressesWanted } from '../../src/torrent/transfer-stats.js'

for (const [wanting, room, expected] of [
  [true, 50, 200],
  [true, 10, 40],
  [true, 0, 0],
  [true, -3, 0],
  [false, 50, 30],
  [false, 5, 5],
  [false, 0, 0],
] as const) {
  test(`with room for ${room} peers, ${wanting ? '' : 'un'}wanted, ${expected} addresses are asked for`, () => {
    assert.equal(addressesWanted(wanting, room), expected)
  })
}
