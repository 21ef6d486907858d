import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MAX_ADDRESSES, type AnnounceRequest } from '../../../src/torrent/discovery/announce.js'
import {
  announceUrl,
  parseAnnounceAnswer,
  parseScrapeAnswer,
  scrapeRequestUrl,
} from '../../../src/torrent/discovery/http-messages.js'
import { TorrentError } from '../../../src/torrent/errors.js'
import { encodeBencode, type BencodeInput } from '../../../src/torrent/metainfo/bencode.js'

const request: AnnounceRequest = {
  infohash: Uint8Array.from({ length: 20 }, (_, index) => index * 13),
  peerId: Buffer.from('-TF0001-abcdefghijkl'),
  port: 6881,
  uploaded: 1,
  downloaded: 2 ** 40,
  left: 3,
  numWant: 50,
  key: 0xabc,
}

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1')
const answer = (dictionary: { [key: string]: BencodeInput }): ReturnType<typeof parseAnnounceAnswer> =>
  parseAnnounceAnswer(encodeBencode(dictionary))

test('an announce carries every byte of infohash and peer id, behind the query the tracker has', () => {
  const url = announceUrl(new URL('http://t.example/announce?passkey=s%20cret'), request)
  const [passkey, ...rest] = url.search.slice(1).split('&')
  assert.equal(passkey, 'passkey=s%20cret')
  const query = new Map(rest.map(part => part.split('=') as [string, string]))
  const unescaped = query
    .get('info_hash')!
    .replace(/%(..)/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 16)))
  assert.deepEqual(Buffer.from(unescaped, 'latin1'), Buffer.from(request.infohash))
  assert.equal(query.get('peer_id'), '-TF0001-abcdefghijkl')
  assert.equal(query.get('downloaded'), '1099511627776')
  assert.equal(query.get('left'), '3')
  assert.equal(query.get('compact'), '1')
  assert.equal(query.get('key'), '00000abc')
  assert.equal(query.has('event'), false)
})

test('an announce says its event and gives back the tracker id', () => {
  const url = announceUrl(new URL('http://t/a'), {
    ...request,
    event: 'stopped',
    trackerId: bytes('a&b=\xff'),
  })
  assert.match(url.search, /&event=stopped&trackerid=a%26b%3D%FF$/)
})

test('no listener and no length are announced as something trackers take', () => {
  const url = announceUrl(new URL('http://t/a'), { ...request, port: 0, left: undefined })
  assert.equal(url.searchParams.get('port'), '1')
  assert.equal(url.searchParams.get('left'), '16384')
})

test('compact peers, peers6 and all numbers are read', () => {
  const outcome = answer({
    complete: 5,
    incomplete: 6,
    downloaded: 7,
    interval: 1800,
    'min interval': 60,
    peers: Buffer.from('010203041ae1', 'hex'),
    peers6: Buffer.from(`20010db8${'00'.repeat(11)}011ae1`, 'hex'),
    'tracker id': 'abc',
    'warning message': 'slow down\u001b[31m\r\nplease',
    'external ip': Buffer.from([9, 8, 7, 6]),
  })
  assert.deepEqual(outcome, {
    kind: 'answer',
    addresses: [
      { host: '1.2.3.4', port: 6881 },
      { host: '2001:db8::1', port: 6881 },
    ],
    interval: 1_800_000,
    minInterval: 60_000,
    seeders: 5,
    leechers: 6,
    downloads: 7,
    warning: 'slow down [31m please',
    trackerId: Uint8Array.from(bytes('abc')),
    externalIp: '9.8.7.6',
  })
})

test('dictionary peers are read, and those that make no sense are left out', () => {
  const peers = [
    { ip: '1.2.3.4', port: 6881, 'peer id': 'x'.repeat(20) },
    { ip: '2001:db8::2', port: 80 },
    { ip: 'host.example', port: 80 },
    { ip: 7, port: 80 },
    { ip: '1.2.3.4', port: -1 },
    { ip: '1.2.3.4', port: 70000 },
    { port: 80 },
    'junk',
    [1],
  ]
  const outcome = answer({ interval: 60, peers })
  assert.deepEqual(outcome.kind === 'answer' && outcome.addresses, [
    { host: '1.2.3.4', port: 6881 },
    { host: '2001:db8::2', port: 80 },
  ])
})

test('fields of the wrong type or sign are as if absent', () => {
  assert.deepEqual(answer({ interval: -5, complete: 'many', peers: 7, peers6: [], 'warning message': '' }), {
    kind: 'answer',
    addresses: [],
  })
})

test('a huge answer gives at most the capped number of addresses', () => {
  const peers = Buffer.alloc(6 * (MAX_ADDRESSES + 500), 1)
  const both = answer({ peers, peers6: Buffer.alloc(18 * MAX_ADDRESSES, 0x20) })
  assert.equal(both.kind === 'answer' && both.addresses.length, MAX_ADDRESSES)
  const listed = answer({
    peers: Array.from({ length: MAX_ADDRESSES + 5 }, () => ({ ip: '1.2.3.4', port: 1 })),
  })
  assert.equal(listed.kind === 'answer' && listed.addresses.length, MAX_ADDRESSES)
})

test('a failure reason is a refusal, printable and capped, with the time to try again', () => {
  assert.deepEqual(answer({ 'failure reason': 'no\u0007pe', peers: 'x' }), {
    kind: 'refusal',
    reason: 'no pe',
  })
  assert.deepEqual(answer({ 'failure reason': 'x'.repeat(9999), 'retry in': 5 }), {
    kind: 'refusal',
    reason: 'x'.repeat(256),
    retryAfter: 300_000,
  })
  assert.deepEqual(answer({ 'failure reason': '', 'retry in': 'never' }), {
    kind: 'refusal',
    reason: 'no reason given',
    retryAfter: Infinity,
  })
})

test('an answer followed by a newline is read', () => {
  assert.deepEqual(parseAnnounceAnswer(bytes('d8:intervali9ee\n')), {
    kind: 'answer',
    addresses: [],
    interval: 9000,
  })
})

test('a scrape asks for each infohash and reads the numbers of the torrents', () => {
  const infohashes = [new Uint8Array(20).fill(0x41), new Uint8Array(20).fill(0x42)]
  const url = scrapeRequestUrl(new URL('http://t/scrape?k=1'), infohashes)
  assert.equal(url.search, `?k=1&info_hash=${'A'.repeat(20)}&info_hash=${'B'.repeat(20)}`)
  const files = { ['A'.repeat(20)]: { complete: 1, downloaded: 2, incomplete: 3 }, short: { complete: 1 } }
  assert.deepEqual(parseScrapeAnswer(encodeBencode({ files })), {
    kind: 'answer',
    entries: [{ infohash: '41'.repeat(20), seeders: 1, leechers: 3, downloads: 2 }],
  })
  assert.deepEqual(parseScrapeAnswer(bytes('d14:failure reason2:noe')), { kind: 'refusal', reason: 'no' })
})

test('bytes that are no bencoded dictionary are one documented error', () => {
  for (const text of [
    '',
    'i5e',
    'le',
    '<html>',
    'd',
    'd5:peers',
    `${'d1:a'.repeat(50)}`,
    'd5:peers9999999999:',
  ]) {
    for (const parse of [parseAnnounceAnswer, parseScrapeAnswer]) {
      assert.throws(() => parse(bytes(text)), { code: 'ERR_TORRENTFS_TRACKER' }, text)
    }
  }
})

test('whatever the bytes are, reading them gives a value or the documented error', () => {
  const leaf = fc.oneof(
    fc.integer(),
    fc.uint8Array({ maxLength: 40 }),
    fc.constantFrom('never', '1.2.3.4', '::1', 'x'.repeat(20)),
  )
  const keys = [
    'peers',
    'peers6',
    'ip',
    'port',
    'interval',
    'failure reason',
    'retry in',
    'files',
    'tracker id',
    'complete',
  ]
  const key = fc.constantFrom(...keys, 'external ip', 'warning message', 'y'.repeat(20))
  const value = fc.letrec<{ any: BencodeInput }>(tie => ({
    any: fc.oneof(
      { maxDepth: 4 },
      leaf,
      fc.array(tie('any'), { maxLength: 4 }),
      fc.dictionary(key, tie('any'), { maxKeys: 6, noNullPrototype: true }),
    ),
  })).any
  const hostile = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    value.map(encodeBencode),
    fc.dictionary(key, value, { noNullPrototype: true }).map(encodeBencode),
    fc
      .tuple(fc.dictionary(key, value, { noNullPrototype: true }), fc.nat(), fc.nat(255))
      .map(([tree, at, byte]) => {
        const encoded = Uint8Array.from(encodeBencode(tree))
        encoded[at % encoded.length] = byte
        return encoded
      }),
  )
  fc.assert(
    fc.property(hostile, input => {
      for (const parse of [parseAnnounceAnswer, parseScrapeAnswer]) {
        try {
          const outcome = parse(input)
          assert.ok(outcome.kind === 'answer' || outcome.reason.length > 0)
          if ('addresses' in outcome) {
            for (const { host, port } of outcome.addresses)
              assert.ok(host.length > 1 && port > 0 && port < 65536)
          }
        } catch (error) {
          assert.ok(error instanceof TorrentError && error.code === 'ERR_TORRENTFS_TRACKER', String(error))
        }
      }
    }),
    { numRuns: 2000 },
  )
})
