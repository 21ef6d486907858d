import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'

import { copyToShared } from '../../../src/torrent/wire/shared-copy.js'

test('copies exactly the bytes meant, however source and target are aligned', () => {
  const bytes = Uint8Array.from({ length: 40_000 }, (_, i) => (i * 31 + (i >> 8)) & 0xff)
  fc.assert(
    fc.property(
      fc.nat(20),
      fc.nat(20),
      fc.nat(30),
      fc.oneof(fc.nat(600), fc.nat(39_000)),
      (offset, at, begin, wish) => {
        const end = Math.min(begin + wish, bytes.length)
        const memory = new Uint8Array(new SharedArrayBuffer(40_100)).fill(0xee)
        copyToShared(memory.subarray(offset), at, bytes, begin, end)
        const expected = new Uint8Array(40_100).fill(0xee)
        expected.set(bytes.subarray(begin, end), offset + at)
        assert.ok(Buffer.from(expected).equals(memory), 'what is around stays as it was')
      },
    ),
  )
})
