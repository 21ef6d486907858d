import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { TorrentError } from '../../../src/torrent/errors.js'
import { encodeBencode, type BencodeInput } from '../../../src/torrent/metainfo/bencode.js'
import { MAX_PIECE_LENGTH, parseInfo, type Info } from '../../../src/torrent/metainfo/info.js'
import { mutated } from './arbitraries.js'

const KIB16 = 16384

type Fields = Record<string, BencodeInput | undefined>

/** An info dictionary of one 20,000-byte file, with some fields replaced or (undefined) removed. */
function bytesOf(fields: Fields = {}): Uint8Array {
  return encodeBencode({ name: 'n', length: 20_000, 'piece length': KIB16, pieces: hashes(2), ...fields })
}

function hashes(count: number): Uint8Array {
  return new Uint8Array(count * 20).map((_, index) => index)
}

const parse = (fields?: Fields): Info => parseInfo(bytesOf(fields))

/** An info dictionary of these files, its piece hashes as many as needed. */
function parseFiles(files: Record<string, BencodeInput>[], pieceLength = KIB16, fields: Fields = {}): Info {
  const total = files.reduce((sum, file) => sum + (typeof file.length === 'number' ? file.length : 0), 0)
  const pieces = hashes(Math.ceil(total / pieceLength))
  return parse({ length: undefined, files, 'piece length': pieceLength, pieces, ...fields })
}

const paths = (info: Info): string[] => info.files.map(file => file.path.join('/'))

const invalid = { name: 'TorrentError', code: 'ERR_TORRENTFS_METAINFO' }

describe('parseInfo', () => {
  it('reads a torrent of one file', () => {
    const raw = bytesOf()
    const info = parseInfo(raw)
    assert.equal(info.infohash, createHash('sha1').update(raw).digest('hex'))
    assert.deepEqual(info.raw, raw)
    assert.equal(info.name, 'n')
    assert.equal(info.multiFile, false)
    assert.equal(info.private, false)
    assert.equal(info.hybrid, false)
    assert.equal(info.length, 20_000)
    assert.equal(info.pieceLength, KIB16)
    assert.deepEqual(info.pieceHashes, hashes(2))
    assert.deepEqual(info.files, [{ index: 0, path: ['n'], offset: 0, length: 20_000, pad: false }])
    assert.equal(info.geometry.pieceCount, 2)
    assert.equal(info.geometry.pieceSize(1), 20_000 - KIB16)
  })

  it('reads a torrent of many files, empty ones among them', () => {
    const info = parseFiles([
      { length: 0, path: ['empty'] },
      { length: 20_000, path: ['folder', 'ünï 日本.txt'] },
      { length: 0, path: ['folder', 'none'] },
      { length: 7, path: ['z'] },
    ])
    assert.equal(info.multiFile, true)
    assert.deepEqual(paths(info), ['empty', 'folder/ünï 日本.txt', 'folder/none', 'z'])
    assert.deepEqual(
      info.files.map(file => [file.index, file.offset, file.length]),
      [
        [0, 0, 0],
        [1, 0, 20_000],
        [2, 20_000, 0],
        [3, 20_000, 7],
      ],
    )
  })

  it('accepts torrents without a byte', () => {
    assert.equal(parse({ length: 0, pieces: hashes(0) }).geometry.pieceCount, 0)
    const info = parseFiles([
      { length: 0, path: ['a'] },
      { length: 0, path: ['b'] },
    ])
    assert.deepEqual([info.length, paths(info)], [0, ['a', 'b']])
  })

  it('hashes the bytes as they are, whatever their order and unknown keys', () => {
    const raw = Buffer.concat([
      Buffer.from('d6:pieces20:'),
      hashes(1),
      Buffer.from('12:piece lengthi16384e4:name1:n6:lengthi5e5:otherd3:abci1eee'),
    ])
    assert.equal(parseInfo(raw).infohash, createHash('sha1').update(raw).digest('hex'))
  })

  it('refuses what makes no sense', () => {
    const table: Fields[] = [
      { length: undefined },
      { length: -1 },
      { length: 'x' },
      { length: 20_000 - 16384 },
      { length: 0 },
      { length: 32769 },
      { length: Number.MAX_SAFE_INTEGER },
      { 'piece length': 0 },
      { 'piece length': -16384 },
      { 'piece length': MAX_PIECE_LENGTH + 1, length: 1, pieces: hashes(1) },
      { 'piece length': undefined },
      { 'piece length': '16384' },
      { pieces: undefined },
      { pieces: 40 },
      { pieces: hashes(3) },
      { pieces: new Uint8Array(39) },
      { files: 'x' },
      { files: {} },
      { files: [] },
      { files: ['x'] },
      { files: [{ path: ['a'] }] },
      { files: [{ length: 20_000 }] },
      { files: [{ length: 20_000, path: 'a' }] },
      { files: [{ length: 20_000, path: [1] }] },
      {
        files: [
          { length: -1, path: ['b'] },
          { length: 20_001, path: ['a'] },
        ],
      },
      {
        files: [
          { length: Number.MAX_SAFE_INTEGER, path: ['b'] },
          { length: 20_001, path: ['a'] },
        ],
      },
    ]
    for (const fields of table) assert.throws(() => parse(fields), invalid, JSON.stringify(fields))
    for (const text of ['', 'de', 'le', 'i1e', '3:abc', 'd', 'd4:name']) {
      assert.throws(() => parseInfo(Buffer.from(text)), invalid, text)
    }
    const valid = Buffer.from(bytesOf()).toString('latin1')
    const broken = [
      valid.replace('6:lengthi20000e', '6:lengthi20000e6:lengthi20000e'),
      valid.replace('i20000e', 'i9007199254740993e'),
      valid.replace('i20000e', 'i18446744073709551616e'),
      `${valid}\n`,
      valid.slice(0, -1),
    ]
    for (const text of broken) assert.throws(() => parseInfo(Buffer.from(text, 'latin1')), invalid)
  })

  it('says "not yet" of torrents that have a v2 half alone', () => {
    const tree = { n: { '': { length: 5 } } }
    const v2 = { length: undefined, pieces: undefined, 'meta version': 2, 'file tree': tree }
    assert.throws(() => parse(v2), { code: 'ERR_TORRENTFS_V2_ONLY', message: /not supported yet/ })
    const hybrid = parse({ 'meta version': 2, 'file tree': tree })
    assert.deepEqual([hybrid.hybrid, hybrid.length], [true, 20_000])
  })

  it('knows pad files by attribute, and by name where one would be', () => {
    const file = (length: number, path: string[], attr?: string): Record<string, BencodeInput> => ({
      length,
      path,
      ...(attr !== undefined && { attr }),
    })
    const pads = (...files: Record<string, BencodeInput>[]): boolean[] =>
      parseFiles(files).files.map(f => f.pad)
    assert.deepEqual(pads(file(16000, ['a']), file(384, ['.pad', '384'], 'p'), file(5, ['b'])), [
      false,
      true,
      false,
    ])
    assert.deepEqual(pads(file(16000, ['a']), file(384, ['x'], 'hp'), file(5, ['b'], 'x')), [
      false,
      true,
      false,
    ])
    assert.deepEqual(pads(file(16000, ['a']), file(384, ['.pad', '384'])), [false, true])
    assert.deepEqual(pads(file(16000, ['a']), file(384, ['_____padding_file_0_if you see this'])), [
      false,
      true,
    ])
    assert.deepEqual(pads(file(16000, ['a']), file(384, ['.pad', 'readme'])), [false, false])
    assert.deepEqual(pads(file(16000, ['a']), file(385, ['.pad', '385'])), [false, false])
    assert.deepEqual(pads(file(16384, ['.pad', '16384'])), [false])
    assert.deepEqual(pads(file(16384, ['_____padding_file_0'])), [false])
  })

  it('keeps pad files out of the way of the files that are there', () => {
    const info = parseFiles([
      { length: 100, path: ['.pad'] },
      { length: 16284, path: ['.pad', '16284'], attr: 'p' },
      { length: 100, path: ['b'] },
      { length: 16284, path: ['.pad', '16284'], attr: 'p' },
      { length: 100, path: ['b'] },
    ])
    assert.deepEqual(
      paths(info).filter((_, index) => !info.files[index]!.pad),
      ['.pad', 'b', 'b (2)'],
    )
    assert.equal(info.geometry.requestSize(0, 0), 100)
  })

  it('takes a symbolic link for an ordinary file', () => {
    const info = parseFiles([
      { path: ['link'], attr: 'l', 'symlink path': ['..', '..', 'etc', 'passwd'] },
      { length: 0, path: ['link2'], attr: 'l', 'symlink path': ['a'] },
      { length: 5, path: ['a'] },
    ])
    assert.deepEqual(paths(info), ['link', 'link2', 'a'])
    assert.deepEqual(
      info.files.map(file => file.length),
      [0, 0, 5],
    )
  })

  it('takes the .utf-8 names where they are UTF-8', () => {
    const latin1 = Uint8Array.of(0x66, 0xfc, 0x72)
    const info = parseFiles([{ length: 5, path: [latin1, 'a'], 'path.utf-8': ['für', 'a'] }], KIB16, {
      name: latin1,
      'name.utf-8': 'für',
    })
    assert.deepEqual([info.name, paths(info)], ['für', ['für/a']])
    const broken = parseFiles([{ length: 5, path: ['plain'], 'path.utf-8': [latin1] }], KIB16, {
      name: 'plain',
      'name.utf-8': latin1,
    })
    assert.deepEqual([broken.name, paths(broken)], ['plain', ['plain']])
  })

  it('makes names safe: the root, the components, and two of one path', () => {
    const table: [BencodeInput | undefined, string | RegExp][] = [
      ['../../x', '.._.._x'],
      ['..', '__'],
      ['.torrentfs', '_.torrentfs'],
      ['', /^[0-9a-f]{40}$/],
      [undefined, /^[0-9a-f]{40}$/],
      [5, /^[0-9a-f]{40}$/],
      ['x'.repeat(300), /^x{242}~[0-9a-f]{12}$/],
    ]
    for (const [name, expected] of table) {
      const info = parse({ name })
      if (typeof expected === 'string') assert.equal(info.name, expected)
      else assert.match(info.name, expected)
      assert.deepEqual(info.files[0]!.path, [info.name])
    }
    const info = parseFiles([
      { length: 1, path: ['..', '..', 'etc', 'passwd'] },
      { length: 1, path: ['a'] },
      { length: 1, path: ['a', 'b'] },
      { length: 1, path: ['a', 'b'] },
      { length: 1, path: [] },
      { length: 1, path: ['', 'x/y\0'] },
    ])
    assert.deepEqual(paths(info), ['__/__/etc/passwd', 'a (2)', 'a/b', 'a/b (2)', '_ (2)', '_/x_y_'])
  })

  it('is private only when it says so', () => {
    const table: [BencodeInput | undefined, boolean][] = [
      [1, true],
      [0, false],
      [undefined, false],
      ['1', false],
    ]
    for (const [value, expected] of table) assert.equal(parse({ private: value }).private, expected)
  })

  it('reads ten megabytes of metadata quickly and keeps the piece hashes as a view', () => {
    const pieces = 500_000
    const raw = bytesOf({ length: pieces * KIB16, pieces: hashes(pieces) })
    const began = performance.now()
    const info = parseInfo(raw)
    const took = performance.now() - began
    assert.equal(info.geometry.pieceCount, pieces)
    assert.equal(info.pieceHashes.buffer, raw.buffer)
    assert.ok(took < 5000, `${took.toFixed(0)} ms`)
  })

  it('reads two hundred thousand files quickly', () => {
    const files = Array.from({ length: 200_000 }, (_, index) => ({ length: 1, path: ['folder', `${index}`] }))
    const began = performance.now()
    const info = parseFiles(files)
    const took = performance.now() - began
    assert.equal(info.files.length, 200_000)
    assert.ok(took < 5000, `${took.toFixed(0)} ms`)
  })

  it('throws nothing but its two codes on bytes that were tampered with', () => {
    const codes = new Set(['ERR_TORRENTFS_METAINFO', 'ERR_TORRENTFS_V2_ONLY'])
    const valid = fc.constantFrom(
      bytesOf(),
      bytesOf({ 'meta version': 2, 'file tree': { n: { '': { length: 20_000 } } }, private: 1 }),
      bytesOf({
        length: undefined,
        files: [
          { length: 16000, path: ['a', 'b'] },
          { length: 384, path: ['.pad', '384'], attr: 'p' },
          { length: 3616, path: ['c'], 'path.utf-8': ['c'] },
        ],
      }),
    )
    fc.assert(
      fc.property(mutated(valid), bytes => {
        try {
          const info = parseInfo(bytes)
          assert.equal(info.pieceHashes.length, info.geometry.pieceCount * 20)
        } catch (error) {
          assert.ok(error instanceof TorrentError && codes.has(error.code), String(error))
        }
      }),
      { numRuns: 2000 },
    )
  })
})
