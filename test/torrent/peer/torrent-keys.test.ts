import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'

import { TorrentKeys } from '../../../src/torrent/peer/torrent-keys.js'

const one = Buffer.alloc(20, 1)
const other = Buffer.alloc(20, 2)
const keyOf = (infohash: Uint8Array): Uint8Array =>
  createHash('sha1').update('req2').update(infohash).digest()

test('a torrent is found by its hash from its coming to its going', () => {
  const keys = new TorrentKeys()
  assert.equal(keys.find(keyOf(one)), undefined)
  keys.add(one)
  keys.add(other)
  assert.equal(keys.find(keyOf(one)), one)
  assert.equal(keys.find(keyOf(other)), other)
  assert.equal(keys.find(one), undefined)
  keys.remove(one)
  assert.equal(keys.find(keyOf(one)), undefined)
  assert.equal(keys.find(keyOf(other)), other)
})
