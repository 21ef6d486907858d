import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import {
  checkHandshakePrefix,
  decodeHandshake,
  encodeHandshake,
  HANDSHAKE_LENGTH,
  handshakeInfohash,
} from '../../../src/torrent/wire/handshake.js'
import { ProtocolError } from '../../../src/torrent/wire/protocol-error.js'

const twenty = fc.uint8Array({ minLength: 20, maxLength: 20 })

test('what was encoded is decoded', () => {
  const any = fc.record(
    {
      infohash: twenty,
      peerId: twenty,
      fast: fc.boolean(),
      extensions: fc.boolean(),
      dht: fc.boolean(),
    },
    { noNullPrototype: true },
  )
  fc.assert(
    fc.property(any, handshake => {
      const bytes = encodeHandshake(handshake)
      assert.deepEqual(decodeHandshake(bytes), handshake)
      assert.deepEqual(handshakeInfohash(bytes), handshake.infohash)
    }),
  )
})

test('the bytes are those of the protocol', () => {
  const bytes = encodeHandshake({
    infohash: new Uint8Array(20).fill(0xaa),
    peerId: new Uint8Array(20).fill(0xbb),
    fast: true,
    extensions: true,
    dht: true,
  })
  const expected = `13${Buffer.from('BitTorrent protocol').toString('hex')}0000000000100005${'aa'.repeat(20)}${'bb'.repeat(20)}`
  assert.equal(Buffer.from(bytes).toString('hex'), expected)
})

test('a decoded handshake shares no memory with the bytes it was read from', () => {
  const bytes = new Uint8Array(HANDSHAKE_LENGTH)
  bytes.set(Buffer.from('\x13BitTorrent protocol', 'latin1'))
  const handshake = decodeHandshake(bytes)
  bytes.fill(1)
  assert.deepEqual(handshake.infohash, new Uint8Array(20))
  assert.deepEqual(handshake.peerId, new Uint8Array(20))
})

test('reserved bits that are not known do no harm', () => {
  const bytes = new Uint8Array(HANDSHAKE_LENGTH).fill(0xff)
  bytes.set(Buffer.from('\x13BitTorrent protocol', 'latin1'))
  const { fast, extensions, dht } = decodeHandshake(bytes)
  assert.deepEqual([fast, extensions, dht], [true, true, true])
})

test('a stranger is refused at the first byte that differs', () => {
  const good = Buffer.from('\x13BitTorrent protocol', 'latin1')
  for (let length = 0; length <= good.length; length++) {
    assert.doesNotThrow(() => checkHandshakePrefix(good, length))
    if (length === 0) continue
    const bad = Buffer.from(good)
    bad[length - 1] = (bad[length - 1] as number) ^ 0x20
    assert.throws(() => checkHandshakePrefix(bad, length), ProtocolError)
    assert.doesNotThrow(() => checkHandshakePrefix(bad, length - 1))
  }
})

test('random bytes cause nothing but a ProtocolError', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), bytes => {
      assert.throws(() => decodeHandshake(bytes), ProtocolError)
    }),
  )
})

test('an infohash or a peer id of a wrong size is a mistake of the caller', () => {
  const good = {
    infohash: new Uint8Array(20),
    peerId: new Uint8Array(20),
    fast: true,
    extensions: true,
    dht: false,
  }
  assert.throws(() => encodeHandshake({ ...good, infohash: new Uint8Array(19) }), RangeError)
  assert.throws(() => encodeHandshake({ ...good, peerId: new Uint8Array(32) }), RangeError)
})
