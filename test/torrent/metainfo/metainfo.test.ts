import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { TorrentError } from '../../../src/torrent/errors.js'
import { encodeBencode, type BencodeInput } from '../../../src/torrent/metainfo/bencode.js'
import { buildInfo, buildMetainfo, wrapInfo } from '../../../src/torrent/metainfo/create.js'
import { parseInfo } from '../../../src/torrent/metainfo/info.js'
import { parseMetainfo, type Metainfo } from '../../../src/torrent/metainfo/metainfo.js'
import { mutated } from './arbitraries.js'

const INFO = { name: 'n', length: 5, 'piece length': 16384, pieces: new Uint8Array(20) }

const parse = (fields: Record<string, BencodeInput> = {}): Metainfo =>
  parseMetainfo(encodeBencode({ info: INFO, ...fields }))

describe('parseMetainfo', () => {
  it('keeps nothing of the file that it was given', () => {
    const file = Buffer.alloc(1_000_000)
    const bytes = encodeBencode({ info: INFO })
    file.set(bytes, 10)
    const { info } = parseMetainfo(file.subarray(10, 10 + bytes.length))
    const { infohash } = info
    assert.ok(info.raw.buffer.byteLength < 1000)
    file.fill(0)
    assert.equal(parseInfo(info.raw).infohash, infohash)
  })

  it('reads trackers in tiers, without those it cannot speak to and those it has', () => {
    const table: [Record<string, BencodeInput>, string[][]][] = [
      [{}, []],
      [{ announce: 'http://a/announce' }, [['http://a/announce']]],
      [{ announce: 'udp://a:80' }, [['udp://a:80']]],
      [
        { announce: 'http://a', 'announce-list': [['http://b', 'https://c'], ['udp://d:1']] },
        [['http://b', 'https://c'], ['udp://d:1']],
      ],
      [{ announce: 'http://a', 'announce-list': [] }, [['http://a']]],
      [{ announce: 'http://a', 'announce-list': [['']] }, [['http://a']]],
      [{ announce: 'http://a', 'announce-list': 'x' }, [['http://a']]],
      [{ 'announce-list': [['http://a', 'http://a '], ['http://a']] }, [['http://a']]],
      [{ 'announce-list': ['http://a', 'http://b'] }, [['http://a'], ['http://b']]],
      [{ 'announce-list': [['wss://a', 'ftp://a', 'javascript:1', 'http://', 5, 'x']] }, []],
      [{ announce: 5 }, []],
      [{ announce: `http://a/${'x'.repeat(5000)}` }, []],
    ]
    for (const [fields, trackers] of table) assert.deepEqual(parse(fields).trackers, trackers)
    const many = Array.from({ length: 5000 }, (_, index) => [`http://t/${index}`])
    assert.equal(parse({ 'announce-list': many }).trackers.length, 512)
  })

  it('reads web seeds, nodes, date, comment and maker, and leaves out nonsense', () => {
    const metainfo = parse({
      'url-list': ['http://w/', 'ftp://w/', 'http://w/', 3],
      httpseeds: ['http://h/?x', 'udp://h/', 4],
      nodes: [
        ['10.0.0.1', 6881],
        ['::1', 1],
        ['host.example', 65535],
        ['bad host', 1],
        ['x', 0],
        ['x', 70_000],
        ['x'],
        5,
      ],
      'creation date': 1_700_000_000,
      comment: 'ç',
      'created by': 'me',
    })
    assert.deepEqual(metainfo.webSeeds, ['http://w/'])
    assert.deepEqual(metainfo.httpSeeds, ['http://h/?x'])
    assert.deepEqual(metainfo.nodes, [
      { host: '10.0.0.1', port: 6881 },
      { host: '::1', port: 1 },
      { host: 'host.example', port: 65535 },
    ])
    assert.equal(metainfo.creationDate, 1_700_000_000_000)
    assert.equal(metainfo.comment, 'ç')
    assert.equal(metainfo.createdBy, 'me')
    assert.deepEqual(parse({ 'url-list': 'https://w/' }).webSeeds, ['https://w/'])

    const { info: _, ...rest } = parse({
      'creation date': -5,
      comment: 7,
      'created by': '',
      nodes: 'x',
      'url-list': {},
    })
    assert.deepEqual(rest, { trackers: [], nodes: [], webSeeds: [], httpSeeds: [] })
    assert.equal(parse({ 'creation date': Number.MAX_SAFE_INTEGER }).creationDate, undefined)
  })

  it('bears line ends behind the file and nothing else', () => {
    const bytes = Buffer.from(encodeBencode({ info: INFO }))
    assert.equal(parseMetainfo(Buffer.concat([bytes, Buffer.from('\r\n')])).info.name, 'n')
    for (const end of ['x', '\0', 'de']) {
      assert.throws(() => parseMetainfo(Buffer.concat([bytes, Buffer.from(end)])), {
        code: 'ERR_TORRENTFS_METAINFO',
      })
    }
  })

  it('refuses every file that was not written to its end', () => {
    const bytes = buildMetainfo({
      name: 'n',
      pieceLength: 16384,
      length: 5,
      pieceHashes: new Uint8Array(20),
      comment: 'x',
    })
    for (let length = 0; length < bytes.length; length++) {
      assert.throws(() => parseMetainfo(bytes.subarray(0, length)), { code: 'ERR_TORRENTFS_METAINFO' })
    }
  })

  it('throws nothing but its two codes on bytes that were tampered with', () => {
    const codes = new Set(['ERR_TORRENTFS_METAINFO', 'ERR_TORRENTFS_V2_ONLY'])
    const valid = encodeBencode({
      info: INFO,
      announce: 'http://a',
      'announce-list': [['http://a'], ['udp://b:1']],
      nodes: [['x', 1]],
      'url-list': ['http://w/'],
      'creation date': 5,
    })
    fc.assert(
      fc.property(fc.oneof(mutated(fc.constant(valid)), fc.uint8Array()), bytes => {
        try {
          parseMetainfo(bytes)
        } catch (error) {
          assert.ok(error instanceof TorrentError && codes.has(error.code), String(error))
        }
      }),
      { numRuns: 2000 },
    )
  })
})

describe('buildMetainfo', () => {
  const pieceHashes = new Uint8Array(40).fill(7)

  it('writes what parseMetainfo reads', () => {
    const around = {
      trackers: [['http://a/announce', 'udp://b:1'], ['https://c/']],
      webSeeds: ['http://w/'],
      httpSeeds: ['http://h/seed.php'],
      nodes: [{ host: '::1', port: 5 }],
      comment: 'ç',
      createdBy: 'me',
      creationDate: 1_700_000_000_000,
    }
    const bytes = buildMetainfo({
      name: 'é',
      pieceLength: 16384,
      pieceHashes,
      private: true,
      files: [
        { path: ['a'], length: 16000 },
        { path: ['.pad', '384'], length: 384, pad: true },
        { path: ['folder', Uint8Array.of(0xff)], length: 1 },
      ],
      ...around,
    })
    const { info, ...rest } = parseMetainfo(bytes)
    assert.deepEqual(rest, around)
    assert.deepEqual([info.name, info.private, info.length, info.multiFile], ['é', true, 16385, true])
    assert.deepEqual(
      info.files.map(file => [file.path.join('/'), file.pad]),
      [
        ['a', false],
        ['.pad', true],
        ['folder/\ufffd', false],
      ],
    )
    assert.deepEqual(info.pieceHashes, pieceHashes)
  })

  it('leaves out what it is not given, and names a single tracker once', () => {
    const text = (o: object): string =>
      Buffer.from(
        buildMetainfo({ name: 'n', pieceLength: 16384, length: 16385, pieceHashes, ...o }),
      ).toString('latin1')
    assert.ok(text({}).startsWith('d4:infod6:length'))
    assert.ok(
      text({ trackers: [['http://a']], nodes: [], webSeeds: [] }).startsWith('d8:announce8:http://a4:info'),
    )
  })

  it('keeps the bytes of an info dictionary that came from elsewhere', () => {
    const info = Buffer.from('d5:otheri1e4:name1:n12:piece lengthi16384e6:lengthi0e6:pieces0:e')
    const wrapped = wrapInfo(info, { trackers: [['http://a'], ['http://b']] })
    assert.equal(parseMetainfo(wrapped).info.infohash, parseInfo(info).infohash)
    assert.deepEqual(parseMetainfo(wrapped).trackers, [['http://a'], ['http://b']])
  })

  it('refuses fields that do not fit together', () => {
    const good = { name: 'n', pieceLength: 16384, length: 16385, pieceHashes }
    const { length: _, ...noLength } = good
    const table = [
      noLength,
      { ...good, files: [{ path: ['a'], length: 16385 }] },
      { ...noLength, files: [] },
      { ...good, length: 5 },
      { ...good, length: -1 },
      { ...good, pieceLength: 0 },
      { ...good, pieceHashes: new Uint8Array(39) },
    ]
    for (const fields of table) assert.throws(() => buildInfo(fields), { code: 'ERR_TORRENTFS_ARGUMENT' })
  })
})
