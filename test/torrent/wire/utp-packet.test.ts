import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'

import {
  decodeUtp,
  encodeUtp,
  isUtp,
  refreshUtpHeader,
  UTP_DATA,
  UTP_STATE,
  UTP_SYN,
  writeUtpHeader,
  type UtpHeader,
} from '../../../src/torrent/wire/utp-packet.js'

const word = fc.integer({ min: 0, max: 0xffff })
const long = fc.integer({ min: 0, max: 0xffffffff })
const headers: fc.Arbitrary<UtpHeader> = fc.record({
  type: fc.integer({ min: 0, max: 4 }),
  connection: word,
  timestamp: long,
  difference: long,
  window: long,
  sequence: word,
  ack: word,
})

const header: UtpHeader = {
  type: UTP_STATE,
  connection: 0x1234,
  timestamp: 0x89abcdef,
  difference: 0x01020304,
  window: 0x00100000,
  sequence: 0xfffe,
  ack: 0x8001,
}

test('a header is laid out as the specification says', () => {
  const bytes = '2100123489abcdef0102030400100000fffe8001'
  assert.equal(Buffer.from(encodeUtp(header)).toString('hex'), bytes)
  assert.equal(
    Buffer.from(encodeUtp({ ...header, type: UTP_SYN }, Uint8Array.of(1, 0, 0, 0x80))).toString('hex'),
    `41011234${bytes.slice(8)}000401000080`,
  )
})

test('what is encoded is decoded to the same', () => {
  const masks = fc.option(
    fc
      .integer({ min: 1, max: 63 })
      .chain(words => fc.uint8Array({ minLength: words * 4, maxLength: words * 4 })),
    { nil: undefined },
  )
  fc.assert(
    fc.property(headers, masks, fc.uint8Array({ maxLength: 1500 }), (fields, mask, payload) => {
      const decoded = decodeUtp(Buffer.concat([encodeUtp(fields, mask), payload]))
      assert.ok(decoded !== undefined)
      const { selectiveAck, payload: rest, ...same } = decoded
      assert.deepEqual(same, { ...fields })
      assert.deepEqual(selectiveAck && new Uint8Array(selectiveAck), mask)
      assert.deepEqual(new Uint8Array(rest), payload)
    }),
  )
})

test('a packet that is sent again keeps its payload, its number and its connection', () => {
  const packet = Buffer.alloc(25, 7)
  writeUtpHeader(packet, { ...header, type: UTP_DATA })
  const now = { timestamp: 1, difference: 2, window: 3, ack: 4 }
  refreshUtpHeader(packet, now)
  const { payload, ...fields } = decodeUtp(packet)!
  assert.deepEqual(fields, { ...header, type: UTP_DATA, ...now, selectiveAck: undefined })
  assert.deepEqual([...payload], [7, 7, 7, 7, 7])
})

for (const [what, hex] of [
  ['nothing', ''],
  ['less than a header', '2100123489abcdef0102030400100000fffe80'],
  ['another version', '2000123489abcdef0102030400100000fffe8001'],
  ['a type that is none', '5100123489abcdef0102030400100000fffe8001'],
  ['a message of the DHT', Buffer.from('d1:ad2:id20:abcdefghij0123456789e1:q4:ping').toString('hex')],
  ['an extension that is not there', '2101123489abcdef0102030400100000fffe8001'],
  ['an extension without its length', '2101123489abcdef0102030400100000fffe800100'],
  ['an extension longer than the rest', '2101123489abcdef0102030400100000fffe80010004000000'],
  ['a second extension cut off', '2101123489abcdef0102030400100000fffe8001020400000000' + '01'],
] as const) {
  test(`${what} is no packet`, () => {
    assert.equal(decodeUtp(Buffer.from(hex, 'hex')), undefined)
  })
}

test('extensions that are not known are skipped, and the first mask counts', () => {
  const hex =
    '2102123489abcdef0102030400100000fffe8001' +
    '0108' +
    '00'.repeat(8) +
    '0104aa000000' +
    '0004bb000000' +
    '99'
  const packet = decodeUtp(Buffer.from(hex, 'hex'))!
  assert.deepEqual([...packet.selectiveAck!], [0xaa, 0, 0, 0])
  assert.deepEqual([...packet.payload], [0x99])
})

test('no bytes make the decoder throw, and what it takes lies within them', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.boolean(), (bytes, plausible) => {
      if (plausible && bytes.length > 1) bytes[0] = ((bytes[0]! % 5) << 4) | 1
      const packet = decodeUtp(bytes)
      if (packet === undefined) return
      assert.ok(isUtp(bytes))
      assert.ok(packet.payload.length <= bytes.length - 20)
    }),
    { numRuns: 20_000 },
  )
})
