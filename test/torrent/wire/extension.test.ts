import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import {
  decodeExtensionHandshake,
  encodeExtensionHandshake,
  type ExtensionHandshake,
} from '../../../src/torrent/wire/extension.js'
import { ProtocolError } from '../../../src/torrent/wire/protocol-error.js'

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1')

const positive = fc.integer({ min: 1, max: 2 ** 40 })
const anyHandshake: fc.Arbitrary<ExtensionHandshake> = fc.record(
  {
    extensions: fc
      .uniqueArray(fc.tuple(fc.stringMatching(/^[a-z_]{1,20}$/), fc.nat({ max: 255 })), {
        selector: ([name]) => name,
        maxLength: 10,
      })
      .map(entries => new Map(entries)),
    client: fc.stringMatching(/^[A-Za-z0-9 ./]{0,40}$/),
    requestQueue: positive,
    metadataSize: positive,
    listenPort: fc.integer({ min: 1, max: 65535 }),
    yourAddress: fc.constantFrom(4, 16).chain(n => fc.uint8Array({ minLength: n, maxLength: n })),
    uploadOnly: fc.boolean(),
  },
  { requiredKeys: ['extensions'], noNullPrototype: true },
)

test('what was encoded is decoded', () => {
  fc.assert(
    fc.property(anyHandshake, handshake => {
      assert.deepEqual(decodeExtensionHandshake(encodeExtensionHandshake(handshake)), handshake)
    }),
  )
})

test("another client's handshake is understood", () => {
  const payload = bytes(
    'd12:complete_agoi1e1:md11:lt_donthavei7e10:share_modei8e11:upload_onlyi3e12:ut_holepunchi4e11:ut_metadatai2e6:ut_pexi1ee' +
      '13:metadata_sizei31235e4:reqqi2000e11:upload_onlyi1e1:v18:libtorrent/2.0.8.06:yourip4:\x7f\x00\x00\x01e',
  )
  const handshake = decodeExtensionHandshake(payload)
  assert.equal(handshake.extensions.get('ut_metadata'), 2)
  assert.equal(handshake.extensions.get('ut_pex'), 1)
  assert.equal(handshake.metadataSize, 31235)
  assert.equal(handshake.requestQueue, 2000)
  assert.equal(handshake.client, 'libtorrent/2.0.8.0')
  assert.equal(handshake.uploadOnly, true)
  assert.deepEqual(handshake.yourAddress, Uint8Array.of(127, 0, 0, 1))
  assert.equal(handshake.listenPort, undefined)
})

const absent: [string, string][] = [
  ['nothing at all', 'de'],
  ['m that is no dictionary', 'd1:mi5ee'],
  ['ids out of range or of a wrong type', 'd1:md1:ai-1e1:bi256e1:c1:xee'],
  ['a port out of range', 'd1:pi65536ee'],
  ['port 0', 'd1:pi0ee'],
  ['negative sizes', 'd13:metadata_sizei-5e4:reqqi-1ee'],
  ['sizes beyond 2^53', 'd13:metadata_sizei9007199254740992e4:reqqi18446744073709551615ee'],
  ['sizes of 0', 'd13:metadata_sizei0e4:reqqi0ee'],
  ['an address of 5 bytes', 'd6:yourip5:abcdee'],
  ['a client that is no string', 'd1:vi5ee'],
]
for (const [what, payload] of absent) {
  test(`taken as absent: ${what}`, () => {
    assert.deepEqual(decodeExtensionHandshake(bytes(payload)), { extensions: new Map() })
  })
}

test('keys out of order and bytes behind the dictionary are tolerated', () => {
  assert.equal(decodeExtensionHandshake(bytes('d4:reqqi7e1:md1:ai1eeetrailing')).requestQueue, 7)
})

test('the name of a client is short and has no control characters', () => {
  const { client } = decodeExtensionHandshake(bytes(`d1:v200:\x1b[31m\n${'a'.repeat(194)}e`))
  assert.equal(client, `[31m${'a'.repeat(122)}`)
})

test('at most 64 extensions are remembered', () => {
  const names = Array.from({ length: 300 }, (_, i) => `4:${String(i).padStart(4, '0')}i1e`).join('')
  assert.equal(decodeExtensionHandshake(bytes(`d1:md${names}ee`)).extensions.size, 64)
})

test('an extension named like a property of objects is only a name', () => {
  const { extensions } = decodeExtensionHandshake(bytes('d1:md9:__proto__i3e11:constructori4eee'))
  assert.deepEqual([...extensions], [['__proto__', 3], ['constructor', 4]]) // prettier-ignore
})

for (const payload of ['', 'i5e', 'le', '3:abc', 'd', 'd1:mde', 'd1:v5:abce', 'l'.repeat(5000)]) {
  test(`refused: ${payload.slice(0, 12)} (${payload.length} bytes)`, () => {
    assert.throws(() => decodeExtensionHandshake(bytes(payload)), ProtocolError)
  })
}

test('mutated handshakes cause nothing but a ProtocolError', () => {
  const mutation = fc.tuple(fc.nat(), fc.nat({ max: 255 }))
  fc.assert(
    fc.property(anyHandshake, fc.array(mutation, { maxLength: 5 }), (handshake, mutations) => {
      const payload = Uint8Array.from(encodeExtensionHandshake(handshake))
      for (const [position, value] of mutations) payload[position % payload.length] = value
      try {
        decodeExtensionHandshake(payload)
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error
      }
    }),
    { numRuns: 1000 },
  )
})
