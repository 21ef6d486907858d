import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ExpiringMap } from '../../../src/torrent/net/expiring-map.js'

test('an entry is there until its time and not after', () => {
  const map = new ExpiringMap<string, number>(10)
  map.set('a', 1, 100)
  assert.equal(map.get('a', 99), 1)
  assert.equal(map.get('a', 100), undefined)
  assert.equal(map.size, 0)
})

test('a full map forgets what was set longest ago', () => {
  const map = new ExpiringMap<string, number>(2)
  map.set('a', 1, 100)
  map.set('b', 2, 100)
  map.set('a', 3, 100)
  map.set('c', 4, 100)
  assert.deepEqual([map.get('a', 0), map.get('b', 0), map.get('c', 0), map.size], [3, undefined, 4, 2])
  map.delete('a')
  assert.equal(map.get('a', 0), undefined)
})
