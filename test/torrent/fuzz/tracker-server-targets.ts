/** The readers of what trackers are asked, for the fuzz. */
import assert from 'node:assert/strict'
import { encodeAnnounce, encodeConnect, encodeScrape } from '../../../src/torrent/discovery/udp-messages.js'
import { parseHttpAnnounce, parseHttpScrape } from '../../../src/torrent/tracker/http-requests.js'
import { parseUdpRequest } from '../../../src/torrent/tracker/udp-requests.js'
import type { Target } from '../../support/fuzz.js'

const REQUEST = {
  infohash: new Uint8Array(20).fill(7),
  peerId: new Uint8Array(20).fill(8),
  port: 6881,
  uploaded: 1,
  downloaded: 2,
  left: 3,
  numWant: 50,
  key: 4,
  event: 'started' as const,
}
const CONNECTION = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
const HASH = `info_hash=${'%9f'.repeat(10)}abcdefghij`

function checkCount(value: number | undefined): void {
  assert.ok(value === undefined || (Number.isFinite(value) && value >= 0))
}

export const TRACKER_SERVER_TARGETS: readonly Target[] = [
  {
    name: 'tracker query',
    grammar: 'text',
    samples: [
      `${HASH}&peer_id=x&port=6881&uploaded=0&downloaded=0&left=9&compact=1&numwant=50&event=started&key=ff`,
      `passkey=a+b&${HASH}&port=1&left=0&compact=0&event=completed`,
      `${HASH}&${HASH}`,
    ].map(text => Buffer.from(text)),
    take(input) {
      const text = input.toString('latin1')
      const infohashes = parseHttpScrape(text)
      assert.ok(infohashes.length <= 64 && infohashes.every(infohash => infohash.length === 20))
      const asked = parseHttpAnnounce(text)
      if (typeof asked === 'string') return false
      assert.ok(asked.infohash.length === 20 && asked.port >= 1 && asked.port <= 65535)
      checkCount(asked.left)
      checkCount(asked.numWant)
      return true
    },
  },
  {
    name: 'UDP tracker request',
    grammar: 'binary',
    samples: [
      encodeConnect(5),
      encodeAnnounce(CONNECTION, 6, REQUEST, new URL('udp://t.example:1/announce?key=abc')),
      encodeScrape(CONNECTION, 7, [REQUEST.infohash, REQUEST.peerId]),
    ],
    take(input) {
      const request = parseUdpRequest(input)
      if (request === undefined) return false
      if (request.kind === 'announce') {
        assert.equal(request.infohash.length, 20)
        checkCount(request.left)
        checkCount(request.numWant)
      } else if (request.kind === 'scrape') {
        assert.ok(request.infohashes.length <= 74)
        assert.ok(
          8 + 12 * request.infohashes.length <= input.length,
          'the answer is longer than the question',
        )
      }
      return true
    },
  },
]
