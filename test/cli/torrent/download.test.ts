/** `torrent download`, run as a user runs it, from a libtorrent seeder. */
import assert from 'node:assert/strict'
import {
  closeSync,
  copyFileSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  utimesSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { parseMetainfo } from '../../../src/torrent/index.js'
import { Child, type Outcome } from '../../support/child.js'
import { awkwardFolder, sha256OfFile, singleFile, type TestTorrent } from '../../support/content.js'
import { Libtorrent } from '../../support/libtorrent.js'
import { Network, type Host } from '../../support/network.js'
import { skipWithout, torrentEntry } from '../../support/project.js'
import { Scope } from '../../support/scope.js'
import { torrentCommand } from '../../support/torrent-command.js'

const skip = skipWithout('namespaces', 'libtorrent')

describe('torrent download', { skip, timeout: 180_000 }, () => {
  const scope = new Scope()
  let own: Host
  let seeder: Libtorrent
  let folder: TestTorrent
  let film: TestTorrent
  let slow: TestTorrent
  let peers: string[]

  before(async () => {
    const network = Network.create(scope)
    own = network.host('own')
    seeder = await Libtorrent.start(network.host('seeder'))
    const maker = await Libtorrent.maker(scope)
    folder = await maker.make(scope.folder(), awkwardFolder('awkward', 3), { pieceLength: 65536 })
    film = await maker.make(scope.folder(), singleFile('film.mkv', 5_000_000), { pieceLength: 262_144 })
    slow = await maker.make(scope.folder(), singleFile('slow.bin', 6_000_000), { pieceLength: 65536 })
    await seeder.seed(folder)
    await seeder.seed(film)
    await seeder.seed(slow, { uploadLimit: 1_000_000 })
    peers = ['--test-peer', `${seeder.address}:${seeder.port}`, '--no-dht', '--no-lsd', '--no-port-mapping']
  })
  after(() => scope.close())

  const download = (...args: string[]): Promise<Outcome> =>
    torrentCommand(scope, ['download', ...args, ...peers], {
      ...(own.namespace === undefined ? {} : { namespace: own.namespace }),
      deadlineMs: 60_000,
    })

  const compare = async (torrent: TestTorrent, at: string): Promise<void> => {
    for (const file of torrent.files) {
      if (file.length === 0 || file.pad) continue
      const expected = await sha256OfFile(join(torrent.source, ...file.path))
      assert.equal(await sha256OfFile(join(at, ...file.path)), expected, file.path.join('/'))
    }
  }

  it('fetches a path and a magnet link at once, and says that all is there', async () => {
    const at = scope.folder()
    const magnet = `magnet:?xt=urn:btih:${film.infohash}`
    const { code, stdout, stderr } = await download(
      folder.file,
      magnet,
      '-o',
      at,
      '--save-metainfos',
      '--stats',
    )
    assert.equal(stderr, '')
    assert.equal(code, 0)
    assert.match(stdout, /^downloaded ALL the torrents$/m)
    assert.match(stdout, /^\d+s: 2 torrents, 2 infos, (\S+ MB)\/\1 ready, upload 0 B, download \S+ .?B\/s$/m)
    assert.match(stdout, /^film\.mkv: downloaded 5\.0 MB, wasted 0 B, 0 pieces failed/m)
    await compare(folder, at)
    await compare(film, at)
    const kept = parseMetainfo(readFileSync(join(at, 'film.mkv.torrent')))
    assert.equal(kept.info.infohash, film.infohash)
  })

  it('goes on where it was stopped by Ctrl-C, and tells of it', async () => {
    const at = scope.folder()
    const args = [torrentEntry, 'download', slow.file, '-o', at, ...peers]
    const namespace = own.namespace === undefined ? {} : { namespace: own.namespace }
    const child = new Child(process.execPath, args, namespace, scope)
    await child.printed(/[1-9](\.\d)? MB\/6\.0 MB ready/, 30_000, 'stdout')
    child.signal('SIGINT')
    const { code, stderr } = await child.ended(20_000)
    assert.equal(code, 1)
    assert.match(stderr, /^torrent download: stopped: 0 of 1 are here; run it again to go on$/m)
    const before = await seeder.uploaded(slow.infohash)
    assert.ok(before < slow.length, `${before} bytes were sent: it was stopped too late`)
    const again = await download(slow.file, '-o', at)
    assert.equal(again.code, 0, again.stderr)
    await compare(slow, at)
    const sent = await seeder.uploaded(slow.infohash)
    // What was under way when it was stopped comes twice; libtorrent counts what it had queued, too.
    assert.ok(sent < slow.length * 1.5, `${sent} bytes were sent for ${slow.length}`)
  })

  it('fetches only the files that match, in order', async () => {
    const at = scope.folder()
    const { code, stdout, stderr } = await download(
      folder.file,
      '-o',
      at,
      '-f',
      'deep.bin',
      '--sequential',
      '--json',
    )
    assert.equal(code, 0, stderr)
    const events = stdout.split('\n').flatMap(line => (line === '' ? [] : [JSON.parse(line) as Event]))
    assert.deepEqual(
      events.map(({ event }) => event).filter(event => event !== 'status'),
      ['added', 'ready', 'completed', 'end'],
    )
    const ready = events.find(({ event }) => event === 'ready')!
    const path = folder.files.find(file => file.path.at(-1) === 'deep.bin')!.path
    assert.deepEqual(ready['files'], [
      { index: 2, path: path.slice(1).join('/'), length: statSync(join(folder.source, ...path)).size },
    ])
    assert.equal(await sha256OfFile(join(at, ...path)), await sha256OfFile(join(folder.source, ...path)))
    // Neighbours share pieces with it and are begun; who is further away is not.
    const far = folder.files.filter(({ length }) => length > 4 * folder.pieceLength).at(-1)!.path
    assert.notDeepEqual(far, path)
    assert.ok(!existsSync(join(at, ...far)), far.join('/'))
  })

  it('fetches anew what was cut off since', async () => {
    const at = scope.folder()
    assert.equal((await download(film.file, '-o', at)).code, 0)
    truncateSync(join(at, 'film.mkv'), 1_000_000)
    const again = await download(film.file, '-o', at)
    assert.equal(again.code, 0, again.stderr)
    await compare(film, at)
  })

  it('takes over with --verify what a copy in the folder has right, and fetches only the rest', async () => {
    const pieces = Math.ceil(film.length / film.pieceLength)
    const at = scope.folder()
    const path = join(at, 'film.mkv')
    copyFileSync(join(film.source, 'film.mkv'), path)
    spoil(path, 10, film.pieceLength)
    const { code, stdout, stderr } = await download(film.file, '-o', at, '--verify', '--stats')
    assert.deepEqual([code, stderr], [0, ''])
    assert.match(stdout, new RegExp(`^hashed film\\.mkv: 10 of ${pieces} pieces are here$`, 'm'))
    // 5,000,000 bytes less 10 pieces of 256 KiB.
    assert.match(stdout, /^film\.mkv: downloaded 2\.4 MB, wasted 0 B, 0 pieces failed/m)
    await compare(film, at)
  })

  it('finds with --verify what was spoilt in a finished file without a trace, and only in files that are meant', async () => {
    const at = scope.folder()
    assert.equal((await download(film.file, '-o', at)).code, 0)
    const path = join(at, 'film.mkv')
    const { atime, mtime } = statSync(path)
    spoil(path, 15, film.pieceLength)
    utimesSync(path, atime, mtime)
    const { code, stdout, stderr } = await download(film.file, '-o', at, '--verify', '--json')
    assert.equal(code, 0, stderr)
    assert.match(stdout, /"event":"verified",[^\n]*"good":15,"pieces":20\}/)
    await compare(film, at)
    const some = await download(folder.file, '-o', at, '-f', 'deep.bin', '--verify')
    const file = folder.files.find(({ path }) => path.at(-1) === 'deep.bin')!
    const touched =
      Math.ceil((file.offset + file.length) / folder.pieceLength) -
      Math.floor(file.offset / folder.pieceLength)
    assert.match(some.stdout, new RegExp(`^hashed awkward: 0 of ${touched} pieces are here$`, 'm'))
  })

  it('names the sources that fail, and fetches the others all the same', async () => {
    const at = scope.folder()
    const { code, stdout, stderr } = await download(
      join(at, 'none.torrent'),
      film.file,
      'infohash:12',
      '-o',
      at,
    )
    assert.equal(code, 1)
    assert.doesNotMatch(stdout, /ALL/)
    assert.match(stderr, /^torrent download: cannot read .*none\.torrent: ENOENT/m)
    assert.match(stderr, /^torrent download: source: "infohash:12" is no infohash/m)
    assert.match(stderr, /^torrent download: 2 of 3 failed$/m)
    await compare(film, at)
  })

  it('seeds until it is stopped, and has done what it was asked for then', async () => {
    const at = scope.folder()
    const args = [torrentEntry, 'download', '--seed', film.file, '-o', at, ...peers]
    const namespace = own.namespace === undefined ? {} : { namespace: own.namespace }
    const child = new Child(process.execPath, args, namespace, scope)
    await child.printed(/downloaded ALL the torrents/, 30_000, 'stdout')
    assert.equal(child.exit, undefined)
    child.signal('SIGTERM')
    assert.equal((await child.ended(20_000)).code, 0)
  })

  const wrong: readonly (readonly [what: string, args: readonly string[], message: RegExp])[] = [
    ['no source', [], /missing required argument 'SOURCE'/],
    ['a pattern nothing matches', ['FILM', '-f', '*.avi'], /no file of film\.mkv matches \*\.avi/],
    [
      'no way to reach peers',
      ['FILM', '--no-tcp', '--no-utp'],
      /--no-tcp: with --no-utp no peer can be reached/,
    ],
    ['a proxy of no kind', ['FILM', '--proxy', 'ftp://a:1'], /--proxy/],
    ['a size that is none', ['FILM', '--max-down', 'fast'], /--max-down=fast: expected a size/],
    ['a peer without a port', ['FILM', '--test-peer', 'host'], /--test-peer=\S+: expected host:port/],
  ]
  for (const [what, args, message] of wrong) {
    it(`says in one line what is wrong with ${what}`, async () => {
      const at = scope.folder()
      const sources = args.map(word => (word === 'FILM' ? film.file : word))
      const { code, stdout, stderr } = await download(...sources, '-o', at)
      assert.deepEqual([code, stdout], [args.includes('-f') ? 1 : 2, ''])
      assert.match(stderr.split('\n')[0]!, message)
      assert.deepEqual(readdirSync(at), [], 'nothing was made')
    })
  }
})

/** Changes a byte of each piece from `first` on. */
function spoil(path: string, first: number, pieceLength: number): void {
  const file = openSync(path, 'r+')
  const { size } = statSync(path)
  for (let at = first * pieceLength; at < size; at += pieceLength) writeSync(file, 'spoilt', at)
  closeSync(file)
}

interface Event extends Record<string, unknown> {
  readonly event: string
}
