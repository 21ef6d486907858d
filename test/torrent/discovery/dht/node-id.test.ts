import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'

import {
  compareDistance,
  idSharing,
  isSecureId,
  secureId,
  sharedBits,
} from '../../../../src/torrent/discovery/dht/node-id.js'
import { bytesOfHost } from '../../../../src/torrent/net/ip-bytes.js'

const id = fc.uint8Array({ minLength: 20, maxLength: 20 })

/** BEP 42: address, last byte, first 21 bits. */
const vectors = [
  ['124.31.75.21', 1, '5fbfbf'],
  ['21.75.31.124', 86, '5a3ce9'],
  ['65.23.51.170', 22, 'a5d432'],
  ['84.124.73.14', 65, '1b0321'],
  ['43.213.53.83', 90, 'e56f6c'],
] as const

test('the vectors of BEP 42 hold', () => {
  for (const [host, last, first] of vectors) {
    const random = new Uint8Array(20).fill(0x55)
    random[19] = last
    const own = secureId(bytesOfHost(host)!, random)
    const expected = Buffer.from(first, 'hex')
    assert.equal(own[0], expected[0], host)
    assert.equal(own[1], expected[1], host)
    assert.equal(own[2]! & 0xf8, expected[2]! & 0xf8, host)
    assert.equal(own[19], last)
    assert.ok(isSecureId(own, host))
  }
})

test('an id fits the address it was made for, and few others', () => {
  fc.assert(
    fc.property(id, fc.boolean(), fc.uint8Array({ minLength: 16, maxLength: 16 }), (random, six, bytes) => {
      // Of the world, whatever the rest is.
      bytes[0] = six ? 0x20 : 8
      const ip = six ? bytes : bytes.subarray(0, 4)
      const host = six
        ? Array.from({ length: 8 }, (_, at) =>
            ((bytes[at * 2]! << 8) | bytes[at * 2 + 1]!).toString(16),
          ).join(':')
        : ip.join('.')
      const own = secureId(ip, random)
      assert.ok(isSecureId(own, host))
      own[0] = own[0]! ^ 1
      assert.ok(!isSecureId(own, host))
    }),
  )
})

test('at addresses that are not public any id will do, and none at what is no address', () => {
  for (const host of ['10.1.2.3', '192.168.0.1', '127.0.0.1', '::1', 'fd00::1'])
    assert.ok(isSecureId(new Uint8Array(20), host), host)
  assert.ok(!isSecureId(new Uint8Array(20), 'localhost'))
})

test('an id made to share so many bits shares exactly those', () => {
  fc.assert(
    fc.property(id, id, fc.integer({ min: 0, max: 159 }), (own, random, bits) => {
      assert.equal(sharedBits(own, idSharing(own, bits, random)), bits)
    }),
  )
})

test('distance orders by XOR', () => {
  fc.assert(
    fc.property(id, id, id, (target, a, b) => {
      const distance = (to: Uint8Array): bigint =>
        to.reduce((sum, byte, at) => (sum << 8n) | BigInt(byte ^ target[at]!), 0n)
      const [x, y] = [distance(a), distance(b)]
      assert.equal(Math.sign(compareDistance(target, a, b)), x < y ? -1 : x > y ? 1 : 0)
    }),
  )
})
