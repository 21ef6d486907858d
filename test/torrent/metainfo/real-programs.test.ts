import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { createTorrent } from '../../../src/torrent/create.js'
import type { Info } from '../../../src/torrent/metainfo/info.js'
import { formatMagnet, parseMagnet } from '../../../src/torrent/metainfo/magnet.js'
import { parseMetainfo } from '../../../src/torrent/metainfo/metainfo.js'
import { skipWithout, systemPython } from '../../support/project.js'

/** What libtorrent says of a torrent; offsets and flags (1: pad) are its own. */
interface Said {
  readonly infohash: string
  readonly name: string
  readonly pieceLength: number
  readonly pieces: number
  readonly length: number
  readonly private: boolean
  readonly trackers: readonly string[]
  readonly magnet: string
  readonly files: readonly { path: string; offset: number; length: number; flags: number }[]
}

/** Makes `kind` of torrent from the folder argv[2] into argv[3] (kind `read`: reads argv[3]) and describes it in JSON. */
const PYTHON = `
import json, os, sys
import libtorrent as lt
kind, source, out = sys.argv[1:4]
if kind != 'read':
    storage = lt.file_storage()
    lt.add_files(storage, source)
    make = lt.create_torrent
    flags = {'v1': make.v1_only, 'pads': make.v1_only | make.canonical_files, 'hybrid': 0, 'v2': make.v2_only}[kind]
    torrent = make(storage, 16384, flags)
    torrent.add_tracker('http://tracker.example/announce', 0)
    torrent.add_tracker('udp://tracker.example:80/announce', 1)
    torrent.set_priv(True)
    lt.set_piece_hashes(torrent, os.path.dirname(source))
    with open(out, 'wb') as file:
        file.write(lt.bencode(torrent.generate()))
info = lt.torrent_info(out)
files = info.files()
json.dump({
    'infohash': str(info.info_hashes().v1),
    'name': info.name(),
    'pieceLength': info.piece_length(),
    'pieces': info.num_pieces(),
    'length': info.total_size(),
    'private': info.priv(),
    'trackers': [tracker.url for tracker in info.trackers()],
    'magnet': lt.make_magnet_uri(info),
    'files': [{
        'path': files.file_path(index),
        'offset': files.file_offset(index),
        'length': files.file_size(index),
        'flags': int(files.file_flags(index)),
    } for index in range(files.num_files())],
}, sys.stdout)
`

const CONTENT: readonly [path: string, length: number][] = [
  ['a small one', 5],
  ['big.bin', 100_000],
  ['empty', 0],
  ['folder/exact', 32768],
  ['folder/ünï 日本.txt', 20_000],
  ['folder/deep/er/z', 1],
  ['z', 16385],
]

describe('torrents of other programs', { skip: skipWithout('libtorrent', 'transmission') }, () => {
  let folder: string
  let content: string

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'torrentfs-metainfo-'))
    content = join(folder, 'content ünï')
    for (const [path, length] of CONTENT) {
      mkdirSync(join(content, path, '..'), { recursive: true })
      writeFileSync(
        join(content, path),
        new Uint8Array(length).map((_, index) => (index * 31 + length) & 0xff),
      )
    }
  })

  after(() => rmSync(folder, { recursive: true, force: true }))

  function libtorrent(kind: 'v1' | 'pads' | 'hybrid' | 'v2' | 'read', out: string, source = content): Said {
    const text = execFileSync(systemPython, ['-c', PYTHON, kind, source, out], {
      encoding: 'utf8',
      timeout: 30_000,
    })
    return JSON.parse(text) as Said
  }

  /** Compares all that both say; pad files have no path here. */
  function assertSame(info: Info, said: Said): void {
    assert.equal(info.infohash, said.infohash)
    assert.equal(info.name, said.name)
    assert.equal(info.pieceLength, said.pieceLength)
    assert.equal(info.geometry.pieceCount, said.pieces)
    assert.equal(info.length, said.length)
    assert.equal(info.private, said.private)
    const path = (components: readonly string[]): string =>
      (info.multiFile ? [info.name, ...components] : components).join('/')
    assert.deepEqual(
      info.files.map(file => ({
        path: file.pad ? 'pad' : path(file.path),
        offset: file.offset,
        length: file.length,
        pad: file.pad,
      })),
      said.files.map(file => {
        const pad = (file.flags & 1) !== 0
        return { path: pad ? 'pad' : file.path, offset: file.offset, length: file.length, pad }
      }),
    )
  }

  for (const kind of ['v1', 'pads', 'hybrid'] as const) {
    it(`reads a torrent of kind ${kind} as libtorrent, who made it, does`, () => {
      const out = join(folder, `${kind}.torrent`)
      const said = libtorrent(kind, out)
      const metainfo = parseMetainfo(readFileSync(out))
      assertSame(metainfo.info, said)
      assert.equal(metainfo.info.hybrid, kind === 'hybrid')
      assert.equal(
        metainfo.info.files.some(file => file.pad),
        kind !== 'v1',
      )
      assert.deepEqual(metainfo.trackers, [
        ['http://tracker.example/announce'],
        ['udp://tracker.example:80/announce'],
      ])
      const magnet = parseMagnet(said.magnet)
      assert.equal(magnet.infohash, said.infohash)
      assert.equal(magnet.name, said.name)
      assert.deepEqual(magnet.trackers, metainfo.trackers)
    })
  }

  it('says "not yet" of a torrent that libtorrent made of version 2 alone, and of its magnet link', () => {
    const out = join(folder, 'v2.torrent')
    const said = libtorrent('v2', out)
    assert.throws(() => parseMetainfo(readFileSync(out)), { code: 'ERR_TORRENTFS_V2_ONLY' })
    assert.throws(() => parseMagnet(said.magnet), { code: 'ERR_TORRENTFS_V2_ONLY' })
  })

  for (const path of ['.', 'big.bin']) {
    it(`reads what transmission made of ${path === '.' ? 'a folder' : 'a file'} as libtorrent does`, () => {
      const out = join(folder, `transmission-${path}.torrent`)
      const source = path === '.' ? content : join(content, path)
      execFileSync(
        'transmission-create',
        ['-o', out, '-s', '32', '-p', '-t', 'http://t.example/a', '-c', 'ç', source],
        {
          timeout: 30_000,
          stdio: 'pipe',
        },
      )
      const metainfo = parseMetainfo(readFileSync(out))
      assertSame(metainfo.info, libtorrent('read', out))
      assert.deepEqual(metainfo.trackers, [['http://t.example/a']])
      assert.equal(metainfo.comment, 'ç')
      assert.match(metainfo.createdBy ?? '', /^Transmission/)
      assert.ok(Math.abs((metainfo.creationDate ?? 0) - Date.now()) < 60_000)
      const shown = execFileSync('transmission-show', [out], { encoding: 'utf8', timeout: 30_000 })
      assert.match(shown, new RegExp(`Hash.*: ${metainfo.info.infohash}`))
    })
  }

  for (const path of ['.', 'big.bin']) {
    it(`writes of ${path === '.' ? 'a folder' : path} what libtorrent and transmission read alike`, async () => {
      const source = path === '.' ? content : join(content, path)
      const trackers = [
        ['http://a.example/announce', 'udp://b.example:1/announce'],
        ['http://c.example/announce'],
      ]
      const bytes = await createTorrent(source, { pieceLength: 16384, trackers, private: true, comment: 'ç' })
      const out = join(folder, `ours-${path}.torrent`)
      writeFileSync(out, bytes)
      const { info } = parseMetainfo(bytes)
      const said = libtorrent('read', out)
      assertSame(info, said)
      assert.deepEqual([...said.trackers].sort(), trackers.flat().sort())
      const shown = execFileSync('transmission-show', [out], { encoding: 'utf8', timeout: 30_000 })
      assert.match(shown, new RegExp(`Hash.*: ${info.infohash}`))
      for (const url of trackers.flat()) assert.ok(shown.includes(url))
    })
  }

  it('hashes pieces as transmission does', async () => {
    const out = join(folder, 'transmission-hashes.torrent')
    const source = join(content, 'big.bin')
    execFileSync('transmission-create', ['-o', out, '-s', '16', source], { timeout: 30_000, stdio: 'pipe' })
    const theirs = parseMetainfo(readFileSync(out)).info
    const ours = parseMetainfo(await createTorrent(source, { pieceLength: 16384 })).info
    assert.equal(theirs.geometry.pieceCount, 7)
    assert.deepEqual(ours.pieceHashes, theirs.pieceHashes)
  })

  it('writes magnet links that libtorrent reads', () => {
    const infohash = '0123456789abcdef0123456789abcdef01234567'
    const uri = formatMagnet({ infohash, name: 'a & ü', trackers: [['http://a.example/x?k=v&l=w']] })
    const script =
      'import json, sys, libtorrent as lt; p = lt.parse_magnet_uri(sys.argv[1]); json.dump([str(p.info_hashes.v1), p.name, p.trackers], sys.stdout)'
    const text = execFileSync(systemPython, ['-c', script, uri], { encoding: 'utf8', timeout: 30_000 })
    assert.deepEqual(JSON.parse(text), [infohash, 'a & ü', ['http://a.example/x?k=v&l=w']])
  })
})
