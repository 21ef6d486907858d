import assert from 'node:assert/strict'
import { test } from 'node:test'

import { takenRequests } from '../../../src/torrent/extensions/client-quirks.js'

const none = new Map<string, number>()

test('a program that says how many requests it takes is believed', () => {
  assert.equal(takenRequests({ extensions: none, client: 'libtorrent/2.0.8.0', requestQueue: 500 }), 500)
  assert.equal(takenRequests({ extensions: none, requestQueue: 2000 }), 2000)
  assert.equal(takenRequests({ extensions: none, client: 'Transmission 3.00' }), undefined)
})

test('the Go client is asked for what fits its memory, whatever it says', () => {
  const client = 'github.com/anacrolix/torrent v1.59.1 (anacrolix/torrent v1.59.1)'
  assert.equal(takenRequests({ extensions: none, client, requestQueue: 1024 }), 64)
  assert.equal(takenRequests({ extensions: none, client }), 64)
  assert.equal(takenRequests({ extensions: none, client, requestQueue: 10 }), 10)
  assert.equal(takenRequests({ extensions: none, client: 'Go.Torrent dev 20181121', requestQueue: 1024 }), 64)
})
