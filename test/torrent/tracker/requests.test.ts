import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { AnnounceRequest } from '../../../src/torrent/discovery/announce.js'
import {
  announceUrl,
  parseAnnounceAnswer,
  parseScrapeAnswer,
  scrapeRequestUrl,
} from '../../../src/torrent/discovery/http-messages.js'
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
import { ConnectionIds } from '../../../src/torrent/tracker/connection-ids.js'
import {
  encodeHttpAnnounce,
  encodeHttpFailure,
  encodeHttpScrape,
  parseHttpAnnounce,
  parseHttpScrape,
} from '../../../src/torrent/tracker/http-requests.js'
import {
  encodeUdpAnnounce,
  encodeUdpConnection,
  encodeUdpError,
  encodeUdpScrape,
  parseUdpRequest,
  type UdpRequest,
} from '../../../src/torrent/tracker/udp-requests.js'

const infohashes = fc.uint8Array({ minLength: 20, maxLength: 20 })
const requests: fc.Arbitrary<AnnounceRequest> = fc.record(
  {
    infohash: infohashes,
    peerId: infohashes,
    port: fc.integer({ min: 1, max: 65535 }),
    uploaded: fc.maxSafeNat(),
    downloaded: fc.maxSafeNat(),
    left: fc.maxSafeNat(),
    event: fc.constantFrom('started' as const, 'completed' as const, 'stopped' as const),
    numWant: fc.nat(1000),
    key: fc.nat(),
  },
  { requiredKeys: ['infohash', 'peerId', 'port', 'uploaded', 'downloaded', 'left', 'numWant', 'key'] },
)
const ANSWER = {
  addresses: [Uint8Array.of(192, 0, 2, 1, 0x1a, 0xe1), Uint8Array.of(198, 51, 100, 2, 0, 80)],
  seeders: 3,
  leechers: 4,
  downloads: 5,
}
const INTERVALS = { intervalMs: 1_800_000, minIntervalMs: 60_000 }
const KNOWN = [
  { host: '192.0.2.1', port: 6881 },
  { host: '198.51.100.2', port: 80 },
]
const parsedUdp = (bytes: Uint8Array): UdpRequest | undefined => parseUdpRequest(new Uint8Array(bytes))
const query = (url: URL): string => url.search.slice(1)

describe('what a tracker is asked, and answers', () => {
  it('over HTTP is understood by both sides', () => {
    fc.assert(
      fc.property(requests, request => {
        const asked = parseHttpAnnounce(query(announceUrl(new URL('http://t.example/announce'), request)))
        const { infohash, port, left, event, numWant } = request
        assert.deepEqual(asked, { infohash, port, left, event, numWant, compact: true })
      }),
    )
    const expected = {
      kind: 'answer',
      addresses: KNOWN,
      interval: 1_800_000,
      minInterval: 60_000,
      seeders: 3,
      leechers: 4,
      downloads: 5,
    }
    for (const compact of [true, false])
      assert.deepEqual(parseAnnounceAnswer(encodeHttpAnnounce(ANSWER, { compact, ...INTERVALS })), expected)
    const v6 = [Uint8Array.of(0x20, 1, 0xd, 0xb8, ...new Uint8Array(11), 7, 0x1a, 0xe1)]
    for (const compact of [true, false]) {
      const answer = parseAnnounceAnswer(
        encodeHttpAnnounce({ ...ANSWER, addresses: v6 }, { compact, ...INTERVALS }),
      )
      assert.ok(answer.kind === 'answer')
      assert.deepEqual(answer.addresses, [{ host: '2001:db8::7', port: 6881 }])
    }
    assert.deepEqual(parseAnnounceAnswer(encodeHttpFailure('no', true)), {
      kind: 'refusal',
      reason: 'no',
      retryAfter: Infinity,
    })
  })

  it('over HTTP of scrapes is understood by both sides', () => {
    fc.assert(
      fc.property(fc.array(infohashes, { maxLength: 64 }), list => {
        const asked = parseHttpScrape(query(scrapeRequestUrl(new URL('http://t.example/scrape'), list)))
        assert.deepEqual(asked, list)
      }),
    )
    const entries = ['ff'.repeat(20), '00'.repeat(20)].map((infohash, index) => ({
      infohash,
      seeders: index,
      leechers: 2,
      downloads: 3,
    }))
    const answer = parseScrapeAnswer(encodeHttpScrape(entries))
    assert.deepEqual(answer, { kind: 'answer', entries: entries.toReversed() })
  })

  it('over UDP is understood by both sides, whatever a URL says behind the host', () => {
    fc.assert(
      fc.property(requests, fc.nat(), fc.boolean(), (request, transaction, long) => {
        const connection = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
        const url = new URL(`udp://t.example:1/announce${long ? `?key=${'x'.repeat(600)}` : ''}`)
        const { infohash, port, left, event, numWant } = request
        assert.deepEqual(parsedUdp(encodeAnnounce(connection, transaction, request, url)), {
          ...{ kind: 'announce', transaction, connection, infohash, left, event, numWant, port },
        })
      }),
    )
    const parsed = parseUdpAnswer(encodeUdpAnnounce(7, ANSWER, 1_800_000))!
    assert.deepEqual([parsed.kind, parsed.transaction], ['announce', 7])
    const answer = parseUdpAnnounce(parsed.payload, 4)
    assert.deepEqual(answer, {
      kind: 'answer',
      interval: 1_800_000,
      leechers: 4,
      seeders: 3,
      addresses: KNOWN,
    })
    const list = [new Uint8Array(20).fill(1), new Uint8Array(20).fill(2)]
    const scrape = parsedUdp(encodeScrape(new Uint8Array(8), 9, list))
    assert.deepEqual(scrape, {
      kind: 'scrape',
      transaction: 9,
      connection: new Uint8Array(8),
      infohashes: list,
    })
    const entry = { infohash: '01'.repeat(20), seeders: 1, leechers: 2, downloads: 3 }
    const scraped = parseUdpAnswer(encodeUdpScrape(9, [entry, undefined]))!
    assert.deepEqual(parseUdpScrape(scraped.payload, list), [
      entry,
      { infohash: '02'.repeat(20), seeders: 0, leechers: 0, downloads: 0 },
    ])
    assert.equal(parseUdpError(parseUdpAnswer(encodeUdpError(1, 'no'))!.payload), 'no')
    assert.deepEqual(parsedUdp(encodeConnect(5)), { kind: 'connect', transaction: 5 })
    const connected = parseUdpAnswer(encodeUdpConnection(5, Uint8Array.of(8, 7, 6, 5, 4, 3, 2, 1)))!
    assert.deepEqual(parseConnection(connected.payload), Uint8Array.of(8, 7, 6, 5, 4, 3, 2, 1))
  })

  it('says what an announce over HTTP lacks', () => {
    const hash = `info_hash=${'%41'.repeat(20)}`
    const table: [string, RegExp][] = [
      ['', /info_hash/],
      ['info_hash=abc&port=1', /info_hash is not 20 bytes/],
      [`${hash}%41&port=1`, /info_hash is not 20 bytes/],
      [hash, /port/],
      [`${hash}&port=0`, /port is none/],
      [`${hash}&port=65536`, /port is none/],
      [`${hash}&port=-1`, /port is none/],
      [`${hash}&port=1e3`, /port is none/],
    ]
    for (const [text, reason] of table) assert.match(JSON.stringify(parseHttpAnnounce(text)), reason, text)
    assert.deepEqual(
      parseHttpAnnounce(`x&=&${hash}&port=80&left=&event=dance&numwant=-1&compact=0&port=81`),
      {
        infohash: new Uint8Array(20).fill(0x41),
        port: 80,
        left: 1,
        event: undefined,
        numWant: undefined,
        compact: false,
      },
    )
  })

  it('looks at so many parameters and infohashes and no more', () => {
    const hash = `info_hash=${'a'.repeat(20)}`
    assert.equal(parseHttpScrape(Array.from({ length: 90 }, () => hash).join('&')).length, 64)
    assert.deepEqual(parseHttpScrape(`${'x=1&'.repeat(100_000)}${hash}`), [])
  })
})

describe('connection ids', () => {
  const ids = new ConnectionIds()
  const address = Uint8Array.of(192, 0, 2, 1)

  it('are good for their address, for at least one minute and at most two', () => {
    for (const now of [0, 59_999, 1_000_000]) {
      const id = ids.issue(address, now)
      assert.equal(id.length, 8)
      assert.ok(ids.accepts(id, address, now) && ids.accepts(id, address, now + 60_000))
      assert.ok(!ids.accepts(id, address, now + 120_000))
      assert.ok(!ids.accepts(id, Uint8Array.of(192, 0, 2, 2), now))
      assert.ok(!ids.accepts(id, Uint8Array.of(...address, ...new Uint8Array(12)), now))
    }
  })

  it('are of one tracker alone, and no other bytes will do', () => {
    const id = ids.issue(address, 0)
    assert.ok(!new ConnectionIds().accepts(id, address, 0))
    assert.ok(!ids.accepts(id.subarray(0, 7), address, 0))
    assert.ok(!ids.accepts(new Uint8Array(8), address, 0))
    id[7]! ^= 1
    assert.ok(!ids.accepts(id, address, 0))
  })
})
