/** `torrent serve`: what a libtorrent leecher gets of it. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { parseMetainfo } from '../../../src/torrent/index.js'
import { Child } from '../../support/child.js'
import { awkwardFolder, sha256OfFile, singleFile, writeLayout } from '../../support/content.js'
import { Libtorrent } from '../../support/libtorrent.js'
import { Network, type Host } from '../../support/network.js'
import { skipWithout, torrentEntry } from '../../support/project.js'
import { Scope } from '../../support/scope.js'
import { torrentCommand } from '../../support/torrent-command.js'

const skip = skipWithout('namespaces', 'libtorrent')
const QUIET = ['--no-dht', '--no-lsd', '--no-port-mapping']

describe('torrent serve', { skip, timeout: 120_000 }, () => {
  const scope = new Scope()
  let own: Host
  let leecher: Libtorrent
  let options: { namespace?: string }

  before(async () => {
    const network = Network.create(scope)
    own = network.host('own')
    options = own.namespace === undefined ? {} : { namespace: own.namespace }
    leecher = await Libtorrent.start(network.host('leecher'))
  })
  after(() => scope.close())

  const start = (cwd: string, ...args: string[]): Child =>
    new Child(process.execPath, [torrentEntry, 'serve', ...QUIET, ...args], { ...options, cwd }, scope)

  it('makes a torrent of a folder, and gives it to whoever has the magnet link', async () => {
    const source = scope.folder()
    const layout = awkwardFolder('shared', 3)
    writeLayout(source, layout)
    const child = start(source, 'shared', '--listen', `${own.address}:7000`, '--save-metainfos')
    const [magnet, infohash] = await child.printed(/^magnet:\?xt=urn:btih:([0-9a-f]{40})&dn=shared$/m, 30_000)
    await child.printed(/^serving 1 torrent at port 7000; Ctrl-C ends it$/m)
    const folder = scope.folder()
    await leecher.add({ magnet: magnet, folder, peers: [[own.address, 7000]] })
    await leecher.until(infohash!, status => status.seeding, 40_000, 'everything is there')
    for (const { path, length } of layout.files) {
      if (length === 0) continue
      const expected = await sha256OfFile(join(source, 'shared', ...path))
      assert.equal(await sha256OfFile(join(folder, 'shared', ...path)), expected, path.join('/'))
    }
    await child.printed(/^\d+s: 1 torrent, (\S+ MB)\/\1 here, \d peers?, upload [1-9]/m)
    child.signal('SIGINT')
    assert.equal((await child.ended(20_000)).code, 0)
    assert.deepEqual(readdirSync(source).sort(), ['shared', 'shared.torrent'], 'nothing is left beside it')
    assert.equal(parseMetainfo(readFileSync(join(source, 'shared.torrent'))).info.infohash, infohash)
  })

  it('gives of the data of a torrent only what matches, and does not touch the rest', async () => {
    const maker = await Libtorrent.maker(scope)
    const source = scope.folder()
    const torrent = await maker.make(source, singleFile('film.mkv', 1_000_000), { pieceLength: 65_536 })
    const damaged = readFileSync(join(source, 'film.mkv')).subarray(0, 900_000)
    damaged.fill(7, 300_000, 300_100)
    const data = scope.folder()
    writeFileSync(join(data, 'film.mkv'), damaged)
    const child = start(data, torrent.file, '--data', data, '--listen', `${own.address}:7001`, '--json')
    await child.printed(/"event":"serving".*film\.mkv/, 30_000)
    const folder = scope.folder()
    await leecher.add({ torrent: torrent.file, folder, trackers: [], peers: [[own.address, 7001]] })
    // 900,000 bytes hold 13 whole pieces, one of them is damaged.
    const expected = 12 * 65_536
    await leecher.until(torrent.infohash, status => status.done >= expected, 30_000, 'what is good is there')
    assert.equal((await leecher.status(torrent.infohash)).done, expected)
    await child.stop()
    assert.deepEqual(readFileSync(join(data, 'film.mkv')), damaged)
    assert.ok(!existsSync(join(data, '.torrentfs')))
  })

  it('names the paths it cannot serve, and serves the others all the same', async () => {
    const folder = scope.folder()
    mkdirSync(join(folder, 'empty'))
    writeFileSync(join(folder, 'a file'), 'something')
    const child = start(folder, 'none', 'empty', 'a file')
    await child.printed(/^serving 1 torrent/m, 30_000)
    child.signal('SIGINT')
    const { code, stderr } = await child.ended(20_000)
    assert.equal(code, 1)
    assert.match(stderr, /^torrent serve: .*none/m)
    assert.match(stderr, /^torrent serve: .*empty/m)
  })

  it('says in one line what is wrong', async () => {
    const none = await torrentCommand(scope, ['serve', '/nowhere', ...QUIET], options)
    assert.equal(none.code, 1)
    assert.match(none.stderr, /^torrent serve: cannot read \/nowhere: no such file or directory\n$/)
    const tracker = await torrentCommand(scope, ['serve', '/tmp', '-t', 'nonsense'], options)
    assert.equal(tracker.code, 2)
    assert.match(tracker.stderr, /--tracker=nonsense: expected a URL of http, https or udp/)
  })
})
