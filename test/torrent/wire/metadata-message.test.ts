import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import {
  decodeMetadataMessage,
  encodeMetadataMessage,
  METADATA_PIECE_LENGTH,
  type MetadataMessage,
} from '../../../src/torrent/wire/metadata-message.js'
import { ProtocolError } from '../../../src/torrent/wire/protocol-error.js'

const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'))

const natural = fc.nat({ max: 2 ** 40 })
const anyMessage: fc.Arbitrary<MetadataMessage> = fc.oneof(
  fc.record({ type: fc.constant('request' as const), piece: natural }, { noNullPrototype: true }),
  fc.record({ type: fc.constant('reject' as const), piece: natural }, { noNullPrototype: true }),
  fc.record(
    {
      type: fc.constant('data' as const),
      piece: natural,
      totalSize: natural,
      bytes: fc.uint8Array({ minLength: 1, maxLength: 300 }),
    },
    { noNullPrototype: true },
  ),
)

test('what was encoded is decoded', () => {
  fc.assert(
    fc.property(anyMessage, message => {
      assert.deepEqual(decodeMetadataMessage(encodeMetadataMessage(message)), message)
    }),
  )
})

test('the bytes are those of the protocol', () => {
  const text = (message: MetadataMessage): string =>
    Buffer.from(encodeMetadataMessage(message)).toString('latin1')
  assert.equal(text({ type: 'request', piece: 3 }), 'd8:msg_typei0e5:piecei3ee')
  assert.equal(
    text({ type: 'data', piece: 3, totalSize: 34256, bytes: bytes('xyz') }),
    'd8:msg_typei1e5:piecei3e10:total_sizei34256eexyz',
  )
  assert.equal(text({ type: 'reject', piece: 3 }), 'd8:msg_typei2e5:piecei3ee')
})

test('a type that is not known is ignored', () => {
  assert.equal(decodeMetadataMessage(bytes('d8:msg_typei9e5:piecei0ee')), undefined)
})

test('a full piece of metadata is taken, one byte more is refused', () => {
  const message = (length: number): Uint8Array =>
    encodeMetadataMessage({ type: 'data', piece: 0, totalSize: 1 << 20, bytes: new Uint8Array(length) })
  const full = decodeMetadataMessage(message(METADATA_PIECE_LENGTH))
  assert.equal(full?.type === 'data' && full.bytes.length, METADATA_PIECE_LENGTH)
  assert.throws(() => decodeMetadataMessage(message(METADATA_PIECE_LENGTH + 1)), ProtocolError)
})

const refused = [
  '',
  'de',
  'i1e',
  'd8:msg_typei0ee',
  'd8:msg_typei0e5:piecei-1ee',
  'd8:msg_type1:05:piecei0ee',
  'd8:msg_typei1e5:piecei0eexyz',
  'd8:msg_typei1e5:piecei0e10:total_sizei3ee',
  'd8:msg_typei1e5:piecei0e10:total_sizei-3eexyz',
  'd8:msg_typei-1e5:piecei0ee',
]
for (const payload of refused) {
  test(`refused: ${payload === '' ? 'nothing' : payload}`, () => {
    assert.throws(() => decodeMetadataMessage(bytes(payload)), ProtocolError)
  })
}

test('random and mutated bytes cause nothing but a ProtocolError', () => {
  const mutated = fc.tuple(anyMessage, fc.nat(), fc.nat({ max: 255 })).map(([message, position, value]) => {
    const payload = Uint8Array.from(encodeMetadataMessage(message))
    payload[position % payload.length] = value
    return payload
  })
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 60 }), mutated), payload => {
      try {
        decodeMetadataMessage(payload)
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error
      }
    }),
    { numRuns: 1000 },
  )
})
