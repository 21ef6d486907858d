/**
 * The small messages: ut_pex, ut_holepunch, lt_donthave, upload_only and announcements on the local network, as bytes.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import fc from 'fast-check'

import type { HostPort } from '../../../src/torrent/metainfo/addresses.js'
import { bytesOfHost, compactAddress, readCompactAddress } from '../../../src/torrent/wire/compact-address.js'
import { decodeDontHave, encodeDontHave } from '../../../src/torrent/wire/dont-have-message.js'
import { decodeHolepunch, encodeHolepunch } from '../../../src/torrent/wire/holepunch-message.js'
import {
  decodeLsdMessage,
  encodeLsdMessage,
  MAX_LSD_INFOHASHES,
  MAX_LSD_LENGTH,
} from '../../../src/torrent/wire/lsd-message.js'
import { decodePexMessage, encodePexMessage, MAX_PEX_READ } from '../../../src/torrent/wire/pex-message.js'
import { ProtocolError } from '../../../src/torrent/wire/protocol-error.js'
import { decodeUploadOnly, encodeUploadOnly } from '../../../src/torrent/wire/upload-only-message.js'

const latin1 = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'))
const port = fc.nat({ max: 65535 })
const bytesOf = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length })
/** By way of its bytes, so that it has its one spelling. */
const address: fc.Arbitrary<HostPort> = fc
  .tuple(fc.constantFrom(4, 16).chain(bytesOf), port)
  .map(([bytes, port]) =>
    readCompactAddress(Uint8Array.from([...bytes, port >> 8, port & 255]), 0, bytes.length + 2),
  )
const INFOHASH = 'aabbccddeeff00112233445566778899aabbccdd'
const GROUP = '239.192.152.143:6771'

describe('compact addresses', () => {
  test('what was encoded is decoded', () => {
    fc.assert(
      fc.property(address, address => {
        const bytes = compactAddress(address)!
        assert.deepEqual(readCompactAddress(bytes, 0, bytes.length), address)
      }),
    )
  })

  for (const host of [
    '',
    'host',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.256',
    '::1::',
    'fe80::1%eth0',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '::1:2:3:4:5:6:7:8',
    '::g',
  ]) {
    // prettier-ignore
    test(`no address: ${host === '' ? 'nothing' : host}`, () => assert.equal(bytesOfHost(host), undefined))
  }
})

describe('ut_pex', () => {
  const peer = fc.record({ address, flags: fc.nat({ max: 31 }) }, { noNullPrototype: true })
  const of4 = ({ host }: HostPort): boolean => !host.includes(':')

  test('what was encoded is decoded, IPv4 first', () => {
    fc.assert(
      fc.property(
        fc.array(peer, { maxLength: 50 }),
        fc.array(address, { maxLength: 50 }),
        (added, dropped) => {
          const read = decodePexMessage(encodePexMessage({ added, dropped }))
          const sortedPeers = [...added.filter(p => of4(p.address)), ...added.filter(p => !of4(p.address))]
          assert.deepEqual(read.added, sortedPeers)
          assert.deepEqual(read.dropped, [...dropped.filter(of4), ...dropped.filter(a => !of4(a))])
        },
      ),
    )
  })

  test('the bytes are those of the protocol', () => {
    const message = encodePexMessage({
      added: [{ address: { host: '1.2.3.4', port: 0x4142 }, flags: 0x13 }],
      dropped: [{ host: '5.6.7.8', port: 0x4344 }],
    })
    assert.equal(
      Buffer.from(message).toString('latin1'),
      'd5:added6:\x01\x02\x03\x04AB7:added.f1:\x137:dropped6:\x05\x06\x07\x08CDe',
    )
  })

  test('of a flood of addresses the first are read', () => {
    const many = encodePexMessage({
      added: Array.from({ length: 500 }, (_, i) => ({
        address: { host: `1.2.${i >> 8}.${i & 255}`, port: 1 },
        flags: 0,
      })),
      dropped: Array.from({ length: 500 }, (_, i) => ({ host: `1.2.${i >> 8}.${i & 255}`, port: 1 })),
    })
    const read = decodePexMessage(many)
    assert.equal(read.added.length, MAX_PEX_READ)
    assert.equal(read.dropped.length, MAX_PEX_READ)
    assert.equal(read.added[199]!.address.host, '1.2.0.199')
  })

  for (const payload of [
    'de',
    'd5:addedi5e7:droppedlee',
    'd5:added5:abcdee',
    'd6:added617:aaaaaaaaaaaaaaaaae',
    'd7:added.f3:abce',
  ]) {
    // prettier-ignore
    test(`tells of nobody: ${payload}`, () => {
      assert.deepEqual(decodePexMessage(latin1(payload)), { added: [], dropped: [] })
    })
  }

  test('flags that are missing are none', () => {
    const { added } = decodePexMessage(
      latin1('d5:added12:\x01\x02\x03\x04\x00\x05\x01\x02\x03\x05\x00\x067:added.f1:\x02e'),
    )
    assert.deepEqual(
      added.map(({ flags }) => flags),
      [2, 0],
    )
  })

  for (const payload of ['', 'le', 'i1e', 'd', 'd5:added6:abce']) {
    test(`refused: ${payload === '' ? 'nothing' : payload}`, () => {
      assert.throws(() => decodePexMessage(latin1(payload)), ProtocolError)
    })
  }
})

describe('ut_holepunch', () => {
  test('what was encoded is decoded', () => {
    const message = fc.oneof(
      fc.record(
        { type: fc.constantFrom('rendezvous' as const, 'connect' as const), address },
        { noNullPrototype: true },
      ),
      fc.record({ type: fc.constant('error' as const), address, code: fc.nat() }, { noNullPrototype: true }),
    )
    fc.assert(
      fc.property(message, message => {
        assert.deepEqual(decodeHolepunch(encodeHolepunch(message)!), message)
      }),
    )
  })

  test('the bytes are those of the protocol', () => {
    const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes!).toString('hex')
    const address = { host: '1.2.3.4', port: 6881 }
    assert.equal(hex(encodeHolepunch({ type: 'rendezvous', address })), '0000010203041ae100000000')
    assert.equal(hex(encodeHolepunch({ type: 'connect', address })), '0100010203041ae100000000')
    assert.equal(hex(encodeHolepunch({ type: 'error', address, code: 2 })), '0200010203041ae100000002')
    assert.equal(
      hex(encodeHolepunch({ type: 'connect', address: { host: '2001:db8::1', port: 1 } })),
      '010120010db8000000000000000000000001000100000000',
    )
  })

  test('a type that is not known is ignored', () => {
    assert.equal(decodeHolepunch(Uint8Array.of(3, 0, 1, 2, 3, 4, 0, 1, 0, 0, 0, 0)), undefined)
  })

  const refused: [string, number[]][] = [
    ['nothing', []],
    ['a type alone', [0]],
    ['an address of another kind', [0, 2, 1, 2, 3, 4, 0, 1, 0, 0, 0, 0]],
    ['a short address', [0, 0, 1, 2, 3, 4, 0]],
    ['an IPv4 address where IPv6 is said', [0, 1, 1, 2, 3, 4, 0, 1, 0, 0, 0, 0]],
    ['an error without a code', [2, 0, 1, 2, 3, 4, 0, 1]],
  ]
  for (const [what, payload] of refused) {
    test(`refused: ${what}`, () =>
      assert.throws(() => decodeHolepunch(Uint8Array.from(payload)), ProtocolError))
  }
})

describe('lt_donthave and upload_only', () => {
  test('what was encoded is decoded', () => {
    for (const piece of [0, 1, 2 ** 31, 2 ** 32 - 1])
      assert.equal(decodeDontHave(encodeDontHave(piece)), piece)
    for (const said of [true, false]) assert.equal(decodeUploadOnly(encodeUploadOnly(said)), said)
    assert.deepEqual(encodeDontHave(0x01020304), Uint8Array.of(1, 2, 3, 4))
  })

  test('other lengths are refused', () => {
    for (const length of [0, 3, 5]) assert.throws(() => decodeDontHave(new Uint8Array(length)), ProtocolError)
    for (const length of [0, 2]) assert.throws(() => decodeUploadOnly(new Uint8Array(length)), ProtocolError)
  })
})

describe('announcements on the local network', () => {
  test('the bytes are those of the protocol', () => {
    const message = { port: 6881, infohashes: [INFOHASH], cookie: 'c00c1e' }
    assert.equal(
      Buffer.from(encodeLsdMessage(GROUP, message)).toString(),
      `BT-SEARCH * HTTP/1.1\r\nHost: ${GROUP}\r\nPort: 6881\r\nInfohash: ${INFOHASH}\r\ncookie: c00c1e\r\n\r\n\r\n`,
    )
  })

  test('what was encoded is decoded', () => {
    const infohash = bytesOf(20).map(bytes => Buffer.from(bytes).toString('hex'))
    const message = fc.record(
      {
        port: fc.integer({ min: 1, max: 65535 }),
        infohashes: fc.uniqueArray(infohash, { minLength: 1, maxLength: MAX_LSD_INFOHASHES }),
        cookie: fc.stringMatching(/^[0-9a-f]{1,16}$/),
      },
      { requiredKeys: ['port', 'infohashes'], noNullPrototype: true },
    )
    fc.assert(
      fc.property(message, message => {
        const bytes = encodeLsdMessage('[ff15::efc0:988f]:6771', message)
        assert.ok(bytes.length <= MAX_LSD_LENGTH, `${bytes.length} bytes`)
        assert.deepEqual(decodeLsdMessage(bytes), message)
      }),
    )
  })

  test('spellings of other programs are understood', () => {
    const text = `BT-SEARCH * HTTP/1.1\r\nHOST:${GROUP}\r\nport: 51413\r\nX-New: yes\r\nINFOHASH: ${INFOHASH.toUpperCase()} \r\n\r\n\r\n`
    assert.deepEqual(decodeLsdMessage(latin1(text)), { port: 51413, infohashes: [INFOHASH] })
  })

  const good = (lines: string): string => `BT-SEARCH * HTTP/1.1\r\n${lines}\r\n\r\n\r\n`
  const ignored: [string, string][] = [
    ['nothing', ''],
    ['another request', `M-SEARCH * HTTP/1.1\r\nPort: 1\r\nInfohash: ${INFOHASH}\r\n\r\n`],
    ['no port', good(`Infohash: ${INFOHASH}`)],
    ['port 0', good(`Port: 0\r\nInfohash: ${INFOHASH}`)],
    ['a port that is no number', good(`Port: 1e3\r\nInfohash: ${INFOHASH}`)],
    ['port 65536', good(`Port: 65536\r\nInfohash: ${INFOHASH}`)],
    ['two ports', good(`Port: 1\r\nPort: 2\r\nInfohash: ${INFOHASH}`)],
    ['no infohash', good('Port: 1')],
    ['half an infohash', good('Port: 1\r\nInfohash: aabb')],
    ['a line that is no header', good(`Port: 1\r\nwhat\r\nInfohash: ${INFOHASH}`)],
    ['control characters', good(`Port: 1\r\nInfohash: ${INFOHASH}\r\nX: \x07`)],
    ['lines ended by LF alone', good(`Port: 1\r\nInfohash: ${INFOHASH}`).replaceAll('\r', '')],
    ['more than a packet', good(`Port: 1\r\nInfohash: ${INFOHASH}\r\nX: ${'x'.repeat(1400)}`)],
    ['infohashes behind the head', good(`Port: 1\r\n\r\nInfohash: ${INFOHASH}`)],
  ]
  for (const [what, text] of ignored) {
    test(`ignored: ${what}`, () => assert.equal(decodeLsdMessage(latin1(text)), undefined))
  }
})
