import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { TorrentError } from '../../../src/torrent/errors.js'
import { formatMagnet, parseMagnet } from '../../../src/torrent/metainfo/magnet.js'

const HASH = '0123456789abcdef0123456789abcdef01234567'
const XT = `xt=urn:btih:${HASH}`

describe('parseMagnet', () => {
  it('reads infohashes in hexadecimal and base32, in either case', () => {
    const base32 = 'AERUKZ4JVPG66AJDIVTYTK6N54ASGRLH'
    const table = [
      `magnet:?${XT}`,
      `magnet:?xt=urn:btih:${HASH.toUpperCase()}`,
      `magnet:?xt=urn:btih:${base32}`,
      `magnet:?xt=urn:btih:${base32.toLowerCase()}`,
      `MAGNET:?XT=URN:BTIH:${HASH}`,
      ` magnet:?dn=x&${XT}\n`,
      `magnet:?xt.1=urn:btih:${HASH}`,
      `magnet:?xt=urn%3Abtih%3A${HASH}`,
      `magnet:?xt=urn:sha1:abc&${XT}&xt=urn:btih:${'f'.repeat(40)}`,
      `magnet:?xt=urn:btmh:1220${'a'.repeat(64)}&${XT}`,
      `magnet:?${XT}#fragment`,
    ]
    for (const uri of table) assert.equal(parseMagnet(uri).infohash, HASH, uri)
    assert.equal(parseMagnet(`magnet:?xt=urn:btih:${'A'.repeat(31)}B`).infohash, `${'0'.repeat(39)}1`)
  })

  it('reads names, trackers, peers and web seeds, and leaves out nonsense', () => {
    const magnet = parseMagnet(
      `magnet:?${XT}&dn=a+b%20c%2Fd&dn=other&tr=http%3A%2F%2Fa%2Fannounce%3Fk%3Dv&tr.1=udp://b:1&tr=http://a/announce?k=v` +
        '&tr=ftp://no&x.pe=10.0.0.1:6881&x.pe=[::1]:5&x.pe=host.example:1&x.pe=10.0.0.1&x.pe=::1:5&x.pe=a:0&x.pe=a:99999' +
        '&x.pe=a/b:1&ws=http://w/&ws=file:///etc/passwd&so=1,2,9,x,4-3&%zz=%zz&as=http://as/&xs=https://xs/a.torrent' +
        '&xs=urn:btih:abc&xs=dchub://no',
    )
    assert.deepEqual(magnet, {
      infohash: HASH,
      name: 'a b c_d',
      trackers: [['http://a/announce?k=v'], ['udp://b:1']],
      peers: [
        { host: '10.0.0.1', port: 6881 },
        { host: '::1', port: 5 },
        { host: 'host.example', port: 1 },
      ],
      webSeeds: ['http://w/'],
      sources: ['https://xs/a.torrent', 'http://as/'],
      selectOnly: [
        { begin: 1, end: 3 },
        { begin: 9, end: 10 },
      ],
    })
    assert.deepEqual(parseMagnet(`magnet:?${XT}`), {
      infohash: HASH,
      trackers: [],
      peers: [],
      webSeeds: [],
      sources: [],
    })
  })

  it('takes the infohash of a source where nothing else names the torrent', () => {
    assert.equal(parseMagnet(`magnet:?xs=urn:btih:${HASH}`).infohash, HASH)
    assert.equal(parseMagnet(`magnet:?xs=urn:btih:${'f'.repeat(40)}&${XT}`).infohash, HASH)
  })

  it('refuses what names no torrent', () => {
    const table = [
      '',
      'http://x/',
      'magnet:',
      'magnet:?dn=x',
      'magnet:?xt=urn:btih:',
      `magnet:?xt=urn:btih:${HASH}0`,
      `magnet:?xt=urn:btih:${HASH.slice(1)}g`,
      `magnet:?xt=urn:btih:${'1'.repeat(32)}`,
      `magnet:?xt=${HASH}`,
      `magnet:?${XT}&dn=${'x'.repeat(70_000)}`,
    ]
    for (const uri of table)
      assert.throws(() => parseMagnet(uri), { code: 'ERR_TORRENTFS_MAGNET' }, uri.slice(0, 80))
    assert.throws(() => parseMagnet(`magnet:?xt=urn:btmh:1220${'a'.repeat(64)}`), {
      code: 'ERR_TORRENTFS_V2_ONLY',
    })
  })

  it('throws nothing but its two codes on any text', () => {
    const codes = new Set(['ERR_TORRENTFS_MAGNET', 'ERR_TORRENTFS_V2_ONLY'])
    const pieces = fc.constantFrom(
      'magnet:?',
      XT,
      '&',
      '=',
      '%',
      'xt',
      'dn=',
      'tr=',
      'x.pe=',
      '[::',
      ':1',
      'http://',
      '\ud800',
      '+',
      '\0',
    )
    const texts = fc.array(fc.oneof(pieces, fc.string({ unit: 'binary', maxLength: 5 })), { maxLength: 12 })
    fc.assert(
      fc.property(texts, list => {
        try {
          parseMagnet(`magnet:?${list.join('')}`)
        } catch (error) {
          assert.ok(error instanceof TorrentError && codes.has(error.code), String(error))
        }
      }),
      { numRuns: 1000 },
    )
  })
})

describe('formatMagnet', () => {
  it('writes what parseMagnet reads', () => {
    const magnet = {
      infohash: HASH,
      name: 'a & b + ünï ?#%',
      trackers: [['http://a/announce?k=v&x=+'], ['udp://b:1']],
      peers: [
        { host: '10.0.0.1', port: 6881 },
        { host: '::1', port: 5 },
      ],
      webSeeds: ['http://w/a b'],
      sources: ['http://x/a.torrent?k=v&b=+'],
      selectOnly: [
        { begin: 0, end: 1 },
        { begin: 4, end: 9 },
      ],
    }
    assert.deepEqual(parseMagnet(formatMagnet(magnet)), magnet)
    assert.equal(formatMagnet({ infohash: HASH }), `magnet:?${XT}`)
  })

  it('writes values form-encoded, as Go does: a space is a plus, and only letters, digits and -_.~ stay', () => {
    assert.equal(
      formatMagnet({
        infohash: HASH,
        name: "a b+c-_.~!'()*&é",
        trackers: [['http://t:1/announce?k=v'], ['udp://u:2']],
      }),
      `magnet:?${XT}&dn=a+b%2Bc-_.~%21%27%28%29%2A%26%C3%A9&tr=http%3A%2F%2Ft%3A1%2Fannounce%3Fk%3Dv&tr=udp%3A%2F%2Fu%3A2`,
    )
  })
})
