import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { Rc4 } from '../../../src/torrent/wire/rc4.js'

const streams: [string, string, string][] = [
  // RFC 6229, from byte 1024 on.
  ['0102030405', '30abbcc7c20b01609f23ee2d5f6bb7df73262dec31a8a8ff5f9f977001c90b72', '40 bits'],
  [
    '0102030405060708090a0b0c0d0e0f10',
    'bdf0324e6083dcc6d3cedd3ca8c53c167e5cb90bc6802a7a3df2ddec55017396',
    '128 bits',
  ],
]
for (const [key, stream, bits] of streams) {
  test(`the key stream of a key of ${bits} is that of RFC 6229 behind its first 1,024 bytes`, () => {
    const bytes = Buffer.alloc(32)
    new Rc4(Buffer.from(key, 'hex')).apply(bytes, 0, 32)
    assert.equal(bytes.toString('hex'), stream)
  })
}

test('bytes are encrypted in place, and nothing beside them', () => {
  const bytes = Buffer.alloc(12)
  new Rc4(Buffer.from('0102030405', 'hex')).apply(bytes, 3, 9)
  assert.equal(bytes.toString('hex'), '00000030abbcc7c20b000000')
})

test('what was encrypted is decrypted, however either is cut', () => {
  const anyCuts = fc.array(fc.integer({ min: 0, max: 70 }), { minLength: 1, maxLength: 20 })
  const applyInCuts = (cipher: Rc4, bytes: Uint8Array, cuts: readonly number[]): void => {
    let at = 0
    for (const cut of cuts) {
      const end = Math.min(bytes.length, at + cut)
      cipher.apply(bytes, at, end)
      at = end
    }
    cipher.apply(bytes, at, bytes.length)
  }
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 300 }),
      fc.uint8Array({ maxLength: 500 }),
      anyCuts,
      anyCuts,
      (key, plain, some, others) => {
        const bytes = plain.slice()
        applyInCuts(new Rc4(key), bytes, some)
        const whole = plain.slice()
        new Rc4(key).apply(whole, 0, whole.length)
        assert.deepEqual(bytes, whole)
        applyInCuts(new Rc4(key), bytes, others)
        assert.deepEqual(bytes, plain)
      },
    ),
    { numRuns: 500 },
  )
})
