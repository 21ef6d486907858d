/** The examples of the library, run as they are against each other and libtorrent: what a reader of the README would do. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { check, type Child } from '../support/child.js'
import { sha256OfFile, writeLayout } from '../support/content.js'
import { Libtorrent } from '../support/libtorrent.js'
import { Network, type Host } from '../support/network.js'
import { projectRoot, skipWithout } from '../support/project.js'
import { Scope } from '../support/scope.js'

const FILM = ['film.mkv']
const SUBTITLES = ['extra', 'film.en.srt']
const OTHER = ['extra', 'making of.mkv']
/** Of many pieces each, so that what was not asked for is seen to be missing. */
const LAYOUT = {
  name: 'set',
  files: [
    { path: OTHER, length: 1_500_000 },
    { path: SUBTITLES, length: 60_001 },
    { path: FILM, length: 2_000_003 },
  ],
}
const LENGTH = 3_560_004

describe('the examples', { skip: skipWithout('namespaces', 'libtorrent'), timeout: 150_000 }, () => {
  const scope = new Scope()
  const source = scope.folder()
  let network: Network
  let seed: Child
  let seedAt: Host
  let peer: Libtorrent
  /** The magnet link that the seeding example printed, with libtorrent's address. */
  let magnet: string

  before(async () => {
    network = Network.create(scope)
    writeLayout(source, LAYOUT)
    seedAt = network.host('seed')
    seed = example(seedAt, 'seed-a-folder', join(source, 'set'), join(source, 'set.torrent'))
    peer = await Libtorrent.start(network.host('peer'))
    const [link, infohash] = await seed.printed(/^magnet:\?xt=urn:btih:([0-9a-f]{40})&dn=set$/m, 30_000)
    const [, port] = await seed.printed(/^seeding \d+ pieces on port (\d+)$/m)
    const folder = scope.folder()
    await peer.add({
      torrent: join(source, 'set.torrent'),
      folder,
      peers: [[seedAt.address, Number(port)]],
    })
    await peer.until(infohash!, status => status.seeding, 40_000, 'everything is there')
    for (const { path } of LAYOUT.files) await sameFile(folder, path)
    magnet = `${link}&x.pe=${peer.address}:${peer.port}`
  })
  after(() => scope.close())

  function example(host: Host, name: string, ...args: string[]): Child {
    return host.start(process.execPath, [join(projectRoot, 'examples', `${name}.mjs`), ...args])
  }

  async function sameFile(folder: string, path: readonly string[]): Promise<void> {
    const expected = await sha256OfFile(join(source, 'set', ...path))
    assert.equal(await sha256OfFile(join(folder, 'set', ...path)), expected, path.join('/'))
  }

  it('seed a folder where it lies, until they are interrupted', async () => {
    seed.signal('SIGINT')
    const { code, stdout } = await seed.ended(20_000)
    assert.equal(code, 0)
    const [, given] = /^gave (\d+) bytes$/m.exec(stdout)!
    assert.ok(Number(given) >= LENGTH, given)
  })

  it('download the files that were asked for, and no others', async () => {
    const folder = scope.folder()
    const child = example(network.host('files'), 'download-files', magnet, folder, '.srt', 'film.mkv')
    const { code, stdout, stderr } = await child.ended(40_000)
    assert.equal(code, 0, stderr)
    const lines = stdout.trim().split('\n').sort()
    assert.deepEqual(lines, ['extra/film.en.srt: 60001 bytes', 'film.mkv: 2000003 bytes'])
    await sameFile(folder, SUBTITLES)
    await sameFile(folder, FILM)
    const other = join(folder, 'set', ...OTHER)
    if (existsSync(other)) {
      const wanted = readFileSync(join(source, 'set', ...OTHER)).subarray(0, 1_000_000)
      assert.ok(!readFileSync(other).subarray(0, 1_000_000).equals(wanted), 'more than was asked for')
    }
  })

  it('say so when no file is meant', async () => {
    const child = example(network.host('none'), 'download-files', magnet, scope.folder(), '.iso')
    const { code, stderr } = await child.ended(40_000)
    assert.equal(code, 1)
    assert.match(stderr, /set: no file ends with \.iso/)
  })

  it('follow the progress of a download to its end', async () => {
    const folder = scope.folder()
    const child = example(network.host('progress'), 'follow-progress', magnet, folder)
    const { code, stdout, stderr } = await child.ended(40_000)
    assert.equal(code, 0, stderr)
    assert.match(stdout, /^set: 3560004 bytes in \d+ pieces\n/)
    assert.match(stdout, /\n100 % \[#{40}\] \d+ peers, 3560004 B useful, \d+ B wasted\n$/)
    for (const { path } of LAYOUT.files) await sameFile(folder, path)
  })

  it('stream the largest file over HTTP, whole and in ranges', async () => {
    const host = network.host('stream')
    const child = example(host, 'stream-over-http', magnet, scope.folder(), '0')
    const [, url] = await child.printed(/^film\.mkv is at (http:\/\/127\.0\.0\.1:\d+\/)$/m, 40_000)
    const out = join(scope.folder(), 'got')
    const curl = async (...more: string[]): Promise<string> => {
      const args = ['-sS', '--max-time', '40', '-D-', '-o', out, ...more, url!]
      const options = host.namespace === undefined ? {} : { namespace: host.namespace }
      return (await check(scope, 'curl', args, { ...options, deadlineMs: 50_000 })).stdout.toLowerCase()
    }
    const film = readFileSync(join(source, 'set', ...FILM))
    const ranges = [
      ['bytes=1500000-1500099', 1_500_000, 1_500_100],
      ['bytes=1999000-', 1_999_000, 2_000_003],
      ['bytes=-500', 1_999_503, 2_000_003],
      ['bytes=2000000-9999999', 2_000_000, 2_000_003],
    ] as const
    for (const [range, begin, end] of ranges) {
      const head = await curl('-H', `Range: ${range}`)
      assert.match(head, /^http\/1\.1 206 /, range)
      assert.ok(head.includes(`content-range: bytes ${begin}-${end - 1}/2000003\r\n`), head)
      assert.ok(readFileSync(out).equals(film.subarray(begin, end)), range)
    }
    assert.match(
      await curl('-H', 'Range: bytes=2000003-'),
      /^http\/1\.1 416 [^]*content-range: bytes \*\/2000003/,
    )
    assert.match(await curl('-I'), /^http\/1\.1 200 [^]*content-length: 2000003/)
    assert.match(await curl(), /^http\/1\.1 200 /)
    assert.ok(readFileSync(out).equals(film))
    child.signal('SIGINT')
    assert.equal((await child.ended(20_000)).code, 0)
  })
})
