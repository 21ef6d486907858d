import assert from 'node:assert/strict'
import { test } from 'node:test'

import { formatAddress, toPeerAddress } from '../../../src/torrent/peer/address.js'

const spellings: [given: string, host: string, family: 0 | 4 | 6][] = [
  ['1.2.3.4', '1.2.3.4', 4],
  ['::ffff:1.2.3.4', '1.2.3.4', 4],
  ['::FFFF:102:304', '1.2.3.4', 4],
  ['2001:DB8:0:0:0::1', '2001:db8::1', 6],
  ['[2001:db8::1]', '2001:db8::1', 6],
  ['FE80:0::1%eth0', 'fe80::1%eth0', 6],
  ['Localhost', 'localhost', 0],
  ['1.2.3', '1.2.3', 0],
]
for (const [given, host, family] of spellings) {
  test(`${given} is spelled ${host}`, () => {
    assert.deepEqual(toPeerAddress({ host: given, port: 6881 }), { host, port: 6881, family })
  })
}

test('an IPv6 host is written in brackets', () => {
  assert.equal(formatAddress({ host: '::1', port: 6881 }), '[::1]:6881')
  assert.equal(formatAddress({ host: '1.2.3.4', port: 6881 }), '1.2.3.4:6881')
})
