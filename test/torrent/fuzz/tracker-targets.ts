/** The readers of what trackers answer, and of their URLs, for the fuzz. */
import assert from 'node:assert/strict'
import { isIP } from 'node:net'
import {
  MAX_ADDRESSES,
  type AnnounceAnswer,
  type KnownAddress,
  type TrackerRefusal,
} from '../../../src/torrent/discovery/announce.js'
import { addressOf } from '../../../src/torrent/discovery/compact-addresses.js'
import { parseAnnounceAnswer, parseScrapeAnswer } from '../../../src/torrent/discovery/http-messages.js'
import { parseTrackerUrl, scrapeUrlOf, trackerLabel } from '../../../src/torrent/discovery/tracker-url.js'
import {
  parseConnection,
  parseUdpAnnounce,
  parseUdpAnswer,
  parseUdpError,
  parseUdpScrape,
} from '../../../src/torrent/discovery/udp-messages.js'
import { encodeBencode } from '../../../src/torrent/metainfo/bencode.js'
import type { Target } from '../../support/fuzz.js'
import type { Chance } from '../../support/mutations.js'

const COMPACT4 = Uint8Array.of(192, 0, 2, 1, 0x1a, 0xe1, 198, 51, 100, 7, 0xc8, 0xd5)
const COMPACT6 = Uint8Array.from({ length: 36 }, (_, i) => (i % 18 === 0 ? 0x20 : i))

const HTTP_ANSWERS = [
  encodeBencode({
    complete: 10,
    downloaded: 5,
    'external ip': Uint8Array.of(192, 0, 2, 1),
    incomplete: 3,
    interval: 1800,
    'min interval': 60,
    peers: COMPACT4,
    peers6: COMPACT6,
    'tracker id': 'abc',
    'warning message': 'a warning',
  }),
  encodeBencode({
    interval: 1800,
    peers: [
      { ip: '192.0.2.1', 'peer id': new Uint8Array(20), port: 6881 },
      { ip: '2001:db8::1', port: 1 },
      { ip: 'a name', port: 65535 },
    ],
  }),
  encodeBencode({ 'failure reason': 'no such torrent', 'retry in': 'never' }),
  encodeBencode({ 'failure reason': 'busy', 'retry in': 5 }),
]

const ENTRY = { complete: 1, downloaded: 2, incomplete: 3 }

function checkAddresses(addresses: readonly KnownAddress[]): void {
  assert.ok(addresses.length <= MAX_ADDRESSES)
  for (const { host, port } of addresses) {
    assert.ok(isIP(host) !== 0 && port > 0 && port < 65536, `${host} ${port}`)
    assert.deepEqual(addressOf(host, port), { host, port }, 'an address that is not canonical')
  }
}

function checkAnswer(answer: AnnounceAnswer | TrackerRefusal): void {
  if (answer.kind === 'refusal') {
    assert.ok(answer.reason.length > 0 && answer.reason.length <= 256)
    assert.ok(answer.retryAfter === undefined || answer.retryAfter >= 0)
    return
  }
  checkAddresses(answer.addresses)
  for (const number of [
    answer.interval,
    answer.minInterval,
    answer.seeders,
    answer.leechers,
    answer.downloads,
  ])
    assert.ok(number === undefined || (Number.isFinite(number) && number >= 0))
  assert.ok(answer.warning === undefined || !/\p{Cc}/u.test(answer.warning))
  assert.ok((answer.trackerId?.length ?? 0) <= 256)
  assert.ok(answer.externalIp === undefined || isIP(answer.externalIp) !== 0)
}

/** An answer with its head, action by action. */
function udpAnswer(action: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(8)
  head.writeUInt32BE(action, 0)
  head.writeUInt32BE(0x12345678, 4)
  return Buffer.concat([head, payload])
}

function takeUdpAnswer(input: Buffer, chance: Chance): boolean {
  const answer = parseUdpAnswer(input)
  if (answer === undefined) return false
  switch (answer.kind) {
    case 'connect': {
      const connection = parseConnection(answer.payload)
      assert.ok(connection === undefined || connection.length === 8)
      return connection !== undefined
    }
    case 'announce': {
      const announce = parseUdpAnnounce(answer.payload, chance.pick([4, 6]))
      if (announce !== undefined) checkAnswer(announce)
      return announce !== undefined
    }
    case 'scrape': {
      const asked = Array.from({ length: 1 + chance.below(74) }, () => new Uint8Array(20))
      assert.ok(parseUdpScrape(answer.payload, asked).length <= asked.length)
      return true
    }
    case 'error':
      assert.ok(parseUdpError(answer.payload).length <= 256)
      return true
  }
}

export const TRACKER_TARGETS: readonly Target[] = [
  {
    name: 'HTTP announce',
    grammar: 'bencode',
    codes: ['ERR_TORRENTFS_TRACKER'],
    samples: HTTP_ANSWERS,
    take(input) {
      checkAnswer(parseAnnounceAnswer(input))
      return true
    },
  },
  {
    name: 'HTTP scrape',
    grammar: 'bencode',
    codes: ['ERR_TORRENTFS_TRACKER'],
    samples: [
      encodeBencode({ files: { ['A'.repeat(20)]: ENTRY, ['B'.repeat(20)]: ENTRY, short: ENTRY }, flags: {} }),
      encodeBencode({ 'failure reason': 'no' }),
    ],
    take(input) {
      const answer = parseScrapeAnswer(input)
      if (answer.kind === 'refusal') return true
      for (const { infohash, seeders, leechers, downloads } of answer.entries) {
        assert.match(infohash, /^[0-9a-f]{40}$/)
        for (const number of [seeders, leechers, downloads])
          assert.ok(Number.isSafeInteger(number) && number >= 0)
      }
      return true
    },
  },
  {
    name: 'UDP tracker',
    grammar: 'binary',
    samples: [
      udpAnswer(0, new Uint8Array(8).fill(7)),
      udpAnswer(1, Buffer.concat([Buffer.from('000007080000000300000005', 'hex'), COMPACT4, COMPACT6])),
      udpAnswer(2, new Uint8Array(12 * 5).fill(1)),
      udpAnswer(3, Buffer.from('connection id expired')),
    ],
    take: takeUdpAnswer,
  },
  {
    name: 'tracker URL',
    grammar: 'text',
    samples: [
      'http://tracker.example/x/announce.php?passkey=a#b',
      'https://user:pw@[2001:db8::1]:8443/announce',
      'udp://tracker.example:6969/announce',
    ].map(text => Buffer.from(text)),
    take(input) {
      const url = parseTrackerUrl(input.toString('utf8'))
      if (url === undefined) return false
      assert.ok(!trackerLabel(url).includes('@'), 'a password in the label')
      const scrape = scrapeUrlOf(url)
      assert.ok(scrape === undefined || scrape.host === url.host)
      return true
    },
  },
]
