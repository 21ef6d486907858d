import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { AnnounceRequest } from '../../../src/torrent/discovery/announce.js'
import {
  encodeAnnounce,
  encodeConnect,
  encodeScrape,
  parseConnection,
  parseUdpAnnounce,
  parseUdpAnswer,
  parseUdpError,
  parseUdpScrape,
} from '../../../src/torrent/discovery/udp-messages.js'

const connection = Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8])
const request: AnnounceRequest = {
  infohash: new Uint8Array(20).fill(0xaa),
  peerId: new Uint8Array(20).fill(0xbb),
  port: 0x1ae1,
  uploaded: 1,
  downloaded: 2,
  left: 2 ** 40,
  event: 'started',
  numWant: 50,
  key: 0xdeadbeef,
}
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const announceTo = (url: string): Uint8Array => encodeAnnounce(connection, 9, request, new URL(url))

test('a connect request is the sixteen bytes of BEP 15', () => {
  assert.equal(hexOf(encodeConnect(0xfffefdfc)), '0000041727101980' + '00000000' + 'fffefdfc')
})

test('an announce is the ninety-eight bytes of BEP 15', () => {
  assert.equal(
    hexOf(announceTo('udp://t.example:80')),
    [
      ['0102030405060708', '00000001', '00000009', 'aa'.repeat(20), 'bb'.repeat(20)],
      ['0000000000000002', '0000010000000000', '0000000000000001', '00000002', '00000000'],
      ['deadbeef', '00000032', '1ae1'],
    ]
      .flat()
      .join(''),
  )
})

test('the path and query of the URL follow as options, in parts of 255 bytes', () => {
  const short = announceTo('udp://t.example:80/announce?key=1')
  assert.equal(Buffer.from(short.subarray(98)).toString('latin1'), '\x02\x0f/announce?key=1\x00')
  const query = `/a?${'k'.repeat(300)}`
  const long = announceTo(`udp://t.example:80${query}`).subarray(98)
  assert.deepEqual([long[0], long[1], long[257], long[258], long.at(-1)], [2, 255, 2, query.length - 255, 0])
  const text = Buffer.concat([long.subarray(2, 257), long.subarray(259, -1)]).toString('latin1')
  assert.equal(text, query)
})

test('a URL with nothing but a host, or with far too much, adds no options', () => {
  assert.equal(announceTo('udp://t.example:80/').length, 98)
  assert.equal(announceTo(`udp://t.example:80/${'x'.repeat(1500)}`).length, 98)
})

test('a scrape names its infohashes', () => {
  const datagram = encodeScrape(connection, 7, [request.infohash, request.peerId])
  assert.equal(hexOf(datagram), `01020304050607080000000200000007${'aa'.repeat(20)}${'bb'.repeat(20)}`)
})

test('answers of each kind are read', () => {
  const connect = parseUdpAnswer(Buffer.from('00000000000000091122334455667788', 'hex'))!
  assert.equal(connect.kind, 'connect')
  assert.equal(connect.transaction, 9)
  assert.equal(hexOf(parseConnection(connect.payload)!), '1122334455667788')

  const announce = parseUdpAnswer(
    Buffer.from('0000000100000009000007080000000300000005010203041ae105', 'hex'),
  )!
  assert.deepEqual(parseUdpAnnounce(announce.payload, 4), {
    kind: 'answer',
    interval: 1_800_000,
    leechers: 3,
    seeders: 5,
    addresses: [{ host: '1.2.3.4', port: 6881 }],
  })
  const six = Buffer.from(`000007080000000300000005${`20010db8${'00'.repeat(11)}01`}1ae1`, 'hex')
  assert.deepEqual(parseUdpAnnounce(six, 6)?.addresses, [{ host: '2001:db8::1', port: 6881 }])

  const scrape = Buffer.from('000000010000000200000003', 'hex')
  assert.deepEqual(parseUdpScrape(scrape, [request.infohash, request.peerId]), [
    { infohash: 'aa'.repeat(20), seeders: 1, downloads: 2, leechers: 3 },
  ])
  assert.equal(parseUdpError(Buffer.from('go\naway')), 'go away')
  assert.equal(parseUdpError(new Uint8Array(0)), 'no reason given')
})

test('what is cut short or of no kind is no answer', () => {
  for (const digits of ['', '00', '00000000', '00000004' + '00000009', 'ffffffff00000009']) {
    assert.equal(parseUdpAnswer(Buffer.from(digits, 'hex')), undefined, digits)
  }
  assert.equal(parseConnection(new Uint8Array(7)), undefined)
  assert.equal(parseUdpAnnounce(new Uint8Array(11), 4), undefined)
})

test('no datagram makes the readers throw or give an address without a port', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 0, max: 4 }), (random, action) => {
      const datagram = Uint8Array.from([0, 0, 0, action, ...random])
      const answer = parseUdpAnswer(datagram)
      if (answer === undefined) return
      parseConnection(answer.payload)
      parseUdpScrape(answer.payload, [request.infohash, request.infohash])
      parseUdpError(answer.payload)
      for (const family of [4, 6] as const) {
        for (const { host, port } of parseUdpAnnounce(answer.payload, family)?.addresses ?? []) {
          assert.ok(host.length > 1 && port > 0 && port < 65536)
        }
      }
    }),
    { numRuns: 2000 },
  )
})
