import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildInfo, type InfoFields } from '../../../src/torrent/metainfo/create.js'
import { parseInfo, type Info } from '../../../src/torrent/metainfo/info.js'
import { RawNames } from '../../../src/torrent/metainfo/raw-names.js'
import { seedLayout, type SeedLayout, type WebSeedKind } from '../../../src/torrent/webseed/seed-layout.js'

function info(fields: Partial<InfoFields> & { readonly pieceLength?: number }): Info {
  const pieceLength = fields.pieceLength ?? 16384
  const length = fields.length ?? fields.files?.reduce((sum, file) => sum + file.length, 0) ?? 0
  const pieceHashes = new Uint8Array(Math.ceil(length / pieceLength) * 20)
  return parseInfo(buildInfo({ name: 'name', ...fields, pieceLength, pieceHashes }))
}

function layout(url: string, of: Info, kind: WebSeedKind = 'files'): SeedLayout {
  return seedLayout(kind, new URL(url), of, new RawNames(of.raw))
}

/** The URL of the part that holds the torrent's byte at `offset`. */
function urlAt(of: SeedLayout, offset: number): string {
  const part = of.partAt(offset)
  return of.request(part, offset, part.end).url.href
}

test('a single file is the URL itself, or below it when it ends in a slash', () => {
  const one = info({ name: 'a b%é.bin', length: 5 })
  const table = [
    ['http://h/x/file.bin', 'http://h/x/file.bin'],
    ['http://h/x/', 'http://h/x/a%20b%25%C3%A9.bin'],
    ['http://h', 'http://h/a%20b%25%C3%A9.bin'],
    ['https://h/get?token=1', 'https://h/get?token=1'],
  ]
  for (const [url, expected] of table) assert.equal(urlAt(layout(url!, one), 0), expected, url)
})

test('files of a folder are below the URL and the torrent’s name, each component escaped by itself', () => {
  const many = info({
    name: 'r&d #1',
    files: [
      { path: ['a?b', 'c+d;e=f.txt'], length: 1 },
      { path: ['100%', '日本 語'], length: 1 },
      { path: [Uint8Array.of(0x66, 0xff, 0x2f, 0x20)], length: 1 },
      { path: ['x/y'], length: 1 },
      { path: ['..', '.', ''], length: 1 },
    ],
  })
  for (const url of ['http://h/x', 'http://h/x/']) {
    const of = layout(url, many)
    assert.deepEqual(
      [0, 1, 2, 3, 4].map(offset => urlAt(of, offset)),
      [
        'http://h/x/r%26d%20%231/a%3Fb/c%2Bd%3Be%3Df.txt',
        'http://h/x/r%26d%20%231/100%25/%E6%97%A5%E6%9C%AC%20%E8%AA%9E',
        'http://h/x/r%26d%20%231/f%FF%2F%20',
        'http://h/x/r%26d%20%231/x%2Fy',
        'http://h/x/r%26d%20%231/__/_/_',
      ],
    )
  }
})

test('files are named as their maker named them, not as they are made safe for a disk', () => {
  const twice = info({
    files: [
      { path: ['same'], length: 1 },
      { path: ['same'], length: 1 },
      { path: ['tab\there'], length: 1 },
    ],
  })
  assert.deepEqual(
    twice.files.map(file => file.path.at(-1)),
    ['same', 'same (2)', 'tab_here'],
  )
  const of = layout('http://h/', twice)
  assert.deepEqual(
    [0, 1, 2].map(offset => urlAt(of, offset)),
    ['http://h/name/same', 'http://h/name/same', 'http://h/name/tab%09here'],
  )
})

test('ranges are of the file, pads are known, and files without bytes are never met', () => {
  const of = layout(
    'http://h/',
    info({
      files: [
        { path: ['a'], length: 10 },
        { path: ['.pad', '6'], length: 6, pad: true },
        { path: ['empty'], length: 0 },
        { path: ['b'], length: 20 },
      ],
    }),
  )
  assert.deepEqual(of.partAt(9), { index: 0, begin: 0, end: 10, pad: false })
  assert.deepEqual(of.partAt(10), { index: 1, begin: 10, end: 16, pad: true })
  assert.deepEqual(of.partAt(16), { index: 3, begin: 16, end: 36, pad: false })
  const { range, first, length, total } = of.request(of.partAt(20), 20, 25)
  assert.deepEqual([range, first, length, total], ['bytes=4-8', 4, 5, 20])
})

test('a BEP 17 seed is asked for ranges of pieces', () => {
  const one = info({ length: 40_000 })
  const hash = Buffer.from(one.infohash, 'hex')
  for (const [url, begin] of [
    ['http://h/seed.php', 'http://h/seed.php?'],
    ['http://h/seed.php?x=1', 'http://h/seed.php?x=1&'],
  ]) {
    const of = layout(url!, one, 'pieces')
    assert.deepEqual(of.partAt(39_999), { index: 2, begin: 32_768, end: 40_000, pad: false })
    const request = of.request(of.partAt(20_000), 20_000, 30_000)
    assert.ok(request.url.href.startsWith(`${begin}info_hash=`), request.url.href)
    assert.ok(request.url.href.endsWith('&piece=1&ranges=3616-13615'), request.url.href)
    assert.deepEqual([request.range, request.length], [undefined, 10_000])
    const escaped = /info_hash=([^&]*)/.exec(request.url.search)![1]!
    const bytes = escaped.replace(/%(..)/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)))
    assert.deepEqual(Buffer.from(bytes, 'latin1'), hash)
  }
})
