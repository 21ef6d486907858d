/** The readers of torrent files, magnets and bencode, for the fuzz. */
import assert from 'node:assert/strict'
import { messageOf } from '../../../src/torrent/errors.js'
import { BencodeNode } from '../../../src/torrent/metainfo/bencode-node.js'
import { encodeBencode, type BencodeInput } from '../../../src/torrent/metainfo/bencode.js'
import { BencodeDecoder } from '../../../src/torrent/metainfo/bencode-decoder.js'
import { decodeBencode } from '../../../src/torrent/metainfo/bencode-values.js'
import { buildInfo, buildMetainfo } from '../../../src/torrent/metainfo/create.js'
import { parseInfo, type Info } from '../../../src/torrent/metainfo/info.js'
import { formatMagnet, parseMagnet } from '../../../src/torrent/metainfo/magnet.js'
import { parseMetainfo } from '../../../src/torrent/metainfo/metainfo.js'
import type { Target } from '../../support/fuzz.js'

const INFO_FIELDS = {
  name: 'album',
  pieceLength: 32768,
  pieceHashes: new Uint8Array(3 * 20),
  files: [
    { path: ['disc 1', 'a.flac'], length: 30_000 },
    { path: ['.pad', '2768'], length: 2768, pad: true },
    { path: ['disc 1', 'b.flac'], length: 50_000 },
    { path: [Buffer.from([0xff, 0xfe])], length: 1 },
  ],
}
const SINGLE_FIELDS = { name: 'film.mkv', pieceLength: 16384, pieceHashes: new Uint8Array(20), length: 9 }
const AROUND = {
  trackers: [['http://tracker.example/announce', 'udp://tracker.example:6969'], ['https://other.example/a']],
  webSeeds: ['http://seed.example/f/'],
  nodes: [
    { host: 'router.example', port: 6881 },
    { host: '2001:db8::1', port: 1 },
  ],
  comment: 'a comment',
  createdBy: 'a program',
  creationDate: 1_600_000_000_000,
}

/** Visits every value; returns how many there are. */
function walk(node: BencodeNode, source: Uint8Array): number {
  assert.ok(node.begin < node.end && node.end <= source.length)
  let count = 1
  switch (node.kind) {
    case 'integer':
      assert.equal(Buffer.from(node.raw).toString('latin1'), `i${node.integer}e`)
      break
    case 'string':
      assert.ok(node.bytes!.length < node.raw.length)
      break
    case 'list':
      for (const item of node.items()) count += walk(item, source)
      break
    case 'dictionary':
      for (const [, value] of node.entries()) count += walk(value, source)
  }
  return count
}

/** What the streaming decoder tells of these cuts, as text, and how it ends. */
function outlineOf(parts: readonly Uint8Array[], lenient: boolean): string {
  let outline = ''
  const decoder = new BencodeDecoder(
    {
      integer: (value, begin, end) => (outline += `i${value} ${begin} ${end}\n`),
      string: (bytes, begin, end) => (outline += `s${bytes.length} ${bytes[0]} ${begin} ${end}\n`),
      key: (bytes, begin, end) => (outline += `k${bytes.length} ${bytes[0]} ${begin} ${end}\n`),
      open: (kind, begin) => (outline += `${kind} ${begin}\n`),
      close: (kind, begin, end) => (outline += `${kind} ${begin} ${end}\n`),
    },
    { lenient },
  )
  try {
    for (const part of parts) decoder.push(part)
    decoder.finish()
  } catch (error) {
    outline += messageOf(error)
  }
  return outline
}

/** What is used as paths, sizes and offsets must be usable as such. */
function checkInfo(info: Info): void {
  assert.match(info.infohash, /^[0-9a-f]{40}$/)
  assert.equal(info.pieceHashes.length, 20 * info.geometry.pieceCount)
  let offset = 0
  for (const file of info.files) {
    assert.equal(file.offset, offset)
    offset += file.length
    for (const component of [info.name, ...file.path]) {
      const legal = component !== '' && component !== '.' && component !== '..' && !/[/\0]/.test(component)
      if (!file.pad) assert.ok(legal && Buffer.byteLength(component) <= 255, JSON.stringify(component))
    }
  }
  assert.ok(offset === info.length && Number.isSafeInteger(offset))
}

export const METAINFO_TARGETS: readonly Target[] = [
  {
    name: 'bencode',
    grammar: 'bencode',
    codes: ['ERR_TORRENTFS_BENCODE'],
    samples: [
      encodeBencode({ a: [1, -5, 'text', { b: new Uint8Array(40) }], b: {}, z: [[], [[]]] }),
      encodeBencode([0, '', [''], 9007199254740991]),
    ],
    take(input) {
      const { root, report } = BencodeNode.scan(input)
      assert.equal(root.end, input.length)
      assert.equal(report.end, input.length)
      walk(root, input)
      return true
    },
  },
  {
    name: 'bencode stream',
    grammar: 'bencode',
    codes: ['ERR_TORRENTFS_BENCODE'],
    samples: [
      encodeBencode({ a: [1, -5n, 'text', { b: new Uint8Array(40) }], b: {}, z: [[], [[]]] }),
      encodeBencode([2n ** 66n, '', [''], new Map([['\xff', 1]])]),
    ],
    take(input, chance) {
      const lenient = chance.oneIn(2)
      const whole = outlineOf([input], lenient)
      const parts: Uint8Array[] = []
      for (let at = 0; at < input.length;) {
        const end = Math.min(input.length, at + 1 + chance.below(20))
        parts.push(input.subarray(at, end))
        at = end
      }
      assert.deepEqual(outlineOf(parts, lenient), whole)
      const value = decodeBencode(input, { lenient })
      if (!lenient) assert.deepEqual(encodeBencode(value as BencodeInput), Uint8Array.from(input))
      return true
    },
  },
  {
    name: 'info dictionary',
    grammar: 'bencode',
    codes: ['ERR_TORRENTFS_METAINFO', 'ERR_TORRENTFS_V2_ONLY'],
    samples: [buildInfo(INFO_FIELDS), buildInfo(SINGLE_FIELDS)],
    take(input) {
      checkInfo(parseInfo(input))
      return true
    },
  },
  {
    name: 'metainfo',
    grammar: 'bencode',
    codes: ['ERR_TORRENTFS_METAINFO', 'ERR_TORRENTFS_V2_ONLY'],
    samples: [buildMetainfo({ ...INFO_FIELDS, ...AROUND }), buildMetainfo({ ...SINGLE_FIELDS, ...AROUND })],
    take(input) {
      const metainfo = parseMetainfo(input)
      checkInfo(metainfo.info)
      assert.ok(metainfo.trackers.flat().length <= 512 && metainfo.webSeeds.length <= 512)
      for (const url of [...metainfo.trackers.flat(), ...metainfo.webSeeds]) assert.ok(URL.canParse(url))
      assert.ok(!Number.isNaN(new Date(metainfo.creationDate ?? 0).getTime()))
      return true
    },
  },
  {
    name: 'magnet',
    grammar: 'text',
    codes: ['ERR_TORRENTFS_MAGNET', 'ERR_TORRENTFS_V2_ONLY'],
    samples: [
      Buffer.from(
        formatMagnet({
          infohash: '0123456789abcdef0123456789abcdef01234567',
          name: 'a film',
          trackers: [['http://tracker.example/announce?key=1'], ['udp://tracker.example:1']],
          peers: [
            { host: '192.0.2.1', port: 6881 },
            { host: '2001:db8::1', port: 6881 },
          ],
          webSeeds: ['https://seed.example/film'],
        }),
      ),
      Buffer.from('magnet:?xt.1=urn:btih:AEBAGBAFAYDQQCIKBMGA2DQPCAIREEYU&xt.2=urn:btmh:1220&dn=%ff&tr.1=x'),
    ],
    take(input) {
      const magnet = parseMagnet(input.toString('utf8'))
      assert.match(magnet.infohash, /^[0-9a-f]{40}$/)
      assert.deepEqual(parseMagnet(formatMagnet(magnet)), magnet)
      return true
    },
  },
]
