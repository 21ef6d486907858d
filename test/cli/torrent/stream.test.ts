/** `torrent stream`: what curl, ffprobe and a player get of it, from a libtorrent seeder. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { check, Child, run, type Outcome } from '../../support/child.js'
import { contentBytes, type TestTorrent } from '../../support/content.js'
import { Libtorrent } from '../../support/libtorrent.js'
import { Network, type Host } from '../../support/network.js'
import { skipWithout, torrentEntry } from '../../support/project.js'
import { Scope } from '../../support/scope.js'
import { torrentCommand } from '../../support/torrent-command.js'

const skip = skipWithout('namespaces', 'libtorrent')
const FILM = 12_000_000

describe('torrent stream', { skip, timeout: 180_000 }, () => {
  const scope = new Scope()
  let own: Host
  let seeder: Libtorrent
  let torrent: TestTorrent
  let args: string[]
  let options: { namespace?: string }

  before(async () => {
    const network = Network.create(scope)
    own = network.host('own')
    options = own.namespace === undefined ? {} : { namespace: own.namespace }
    seeder = await Libtorrent.start(network.host('seeder'))
    const maker = await Libtorrent.maker(scope)
    const folder = scope.folder()
    mkdirSync(join(folder, 'show'))
    const files = [
      ['film.mkv', FILM],
      ['readme.html', 20_000_000],
      ['tone.wav', 1_440_044],
    ] as const
    for (const [name, length] of files)
      writeFileSync(join(folder, 'show', name), contentBytes(name, 0, length))
    writeFileSync(join(folder, 'show', 'tone.wav'), wave(1_440_000))
    const placed = files.map(([name, length]) => ({ path: [name], length }))
    torrent = await maker.makeOf(folder, { name: 'show', files: placed }, { pieceLength: 262_144 })
    await seeder.seed(torrent)
    args = [torrent.file, '--test-peer', `${seeder.address}:${seeder.port}`]
    args.push('--no-dht', '--no-lsd', '--no-port-mapping')
  })
  after(() => scope.close())

  const start = async (...more: string[]): Promise<{ child: Child; urls: string[] }> => {
    const child = new Child(process.execPath, [torrentEntry, 'stream', ...args, ...more], options, scope)
    await child.printed(/^http:.*\n/m, 30_000, 'stdout')
    return { child, urls: child.stdout.trim().split('\n') }
  }
  const curl = (url: string, ...more: string[]): Promise<Outcome> =>
    run(scope, 'curl', ['-sS', '--max-time', '40', ...more, url], options)
  const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

  it('serves the biggest file that can be played: ranges, the whole, and its head', async () => {
    const temporary = scope.folder()
    const child = new Child(
      process.execPath,
      [torrentEntry, 'stream', ...args],
      { ...options, env: { TMPDIR: temporary } },
      scope,
    )
    const [url] = await child.printed(/http:\/\/127\.0\.0\.1:\d+\/0\/film\.mkv/, 30_000, 'stdout')
    const out = join(scope.folder(), 'out')
    const before = await seeder.uploaded(torrent.infohash)

    const range = await curl(url, '-D-', '-o', out, '-H', 'Range: bytes=7000001-7000100')
    assert.match(range.stdout, /^HTTP\/1\.1 206 /)
    assert.match(range.stdout, /^content-range: bytes 7000001-7000100\/12000000\r$/im)
    assert.match(range.stdout, /^content-type: video\/x-matroska\r$/im)
    assert.deepEqual(readFileSync(out), contentBytes('film.mkv', 7_000_001, 100))
    // Some pieces and their neighbours; the rest is not fetched for it.
    const sent = (await seeder.uploaded(torrent.infohash)) - before
    assert.ok(sent < FILM / 2, `${sent} bytes were sent for a hundred`)

    const head = await curl(url, '-I')
    assert.match(head.stdout, /^HTTP\/1\.1 200 [^]*^content-length: 12000000\r$/im)
    const tag = /^etag: (.*)\r$/im.exec(head.stdout)![1]!
    assert.match(tag, new RegExp(torrent.infohash))
    const same = await curl(url, '-D-', '-o', out, '-r', '-50', '-H', `If-Range: ${tag}`)
    assert.match(same.stdout, /^HTTP\/1\.1 206 /)
    assert.deepEqual(readFileSync(out), contentBytes('film.mkv', FILM - 50, 50))
    const other = await curl(url, '-D-', '-o', out, '-r', '-50', '-H', 'If-Range: "other"')
    assert.match(other.stdout, /^HTTP\/1\.1 200 /)
    assert.equal(digest(readFileSync(out)), digest(contentBytes('film.mkv', 0, FILM)))
    const known = await curl(url, '-D-', '-H', `If-None-Match: ${tag}`)
    assert.match(known.stdout, /^HTTP\/1\.1 304 /)

    child.signal('SIGINT')
    assert.equal((await child.ended(20_000)).code, 0)
    assert.deepEqual(readdirSync(temporary), [], 'what was fetched went with it')
  })

  it('turns away who asks for what there is not, or under a name of another host', async () => {
    const { child, urls } = await start('-f', 'tone.wav', '-f', 'film.mkv')
    assert.equal(urls.length, 2)
    const base = new URL(urls[0]!).origin
    const cases: readonly (readonly [what: string, path: string, args: readonly string[], status: string])[] =
      [
        ['a range behind the end', '/0/film.mkv', ['-r', '12000000-'], '416'],
        ['a file that is none', '/7/x', [], '404'],
        ['a path that is none', '/../../etc/passwd', ['--path-as-is'], '404'],
        ['a file by a number alone', '/1', ['-r', '0-3'], '206'],
        ['a method that changes', '/0/film.mkv', ['-X', 'PUT'], '405'],
        ['the name of a web page', '/', ['-H', 'Host: example.org'], '403'],
        ['this machine by name', '/', ['-H', 'Host: localhost:80'], '200'],
        ['no name at all', '/', ['-0', '-H', 'Host:'], '200'],
      ]
    for (const [what, path, more, status] of cases) {
      const { stdout } = await curl(`${base}${path}`, '-o', '/dev/null', '-w', '%{http_code}', ...more)
      assert.equal(stdout, status, what)
    }
    assert.equal((await curl(`${base}/`)).stdout, `${urls.join('\n')}\n`)
    await child.stop()
  })

  it('fetches nothing more for who went away', async () => {
    const network = ['--max-down', '300k']
    const { child, urls } = await start('-f', 'readme.html', ...network)
    const gone = await curl(urls[0]!, '-o', '/dev/null', '--max-time', '2')
    assert.equal(gone.code, 28)
    // What was asked of peers comes still; then it is quiet.
    await new Promise(resolve => setTimeout(resolve, 3000))
    const after = await seeder.uploaded(torrent.infohash)
    await new Promise(resolve => setTimeout(resolve, 2000))
    assert.equal(await seeder.uploaded(torrent.infohash), after)
    await child.stop()
  })

  it('is read by ffprobe', { skip: skipWithout('ffmpeg') }, async () => {
    const { child, urls } = await start('-f', 'tone.wav')
    const probe = ['-v', 'error', '-show_entries', 'format=format_name,duration', '-of', 'csv=p=0', urls[0]!]
    const { stdout } = await check(scope, 'ffprobe', probe, options)
    assert.equal(stdout.trim(), 'wav,7.500000')
    await child.stop()
  })

  it('opens a player with the URL, and ends as it does', async () => {
    const player = join(scope.folder(), 'player')
    const script = '#!/bin/sh\ncurl -sS -r 0-99 -o "$1" "$2" && exit 3\n'
    writeFileSync(player, script, { mode: 0o755 })
    const out = join(scope.folder(), 'out')
    const { code, stdout, stderr } = await torrentCommand(
      scope,
      ['stream', ...args, '--player', `${player} ${out}`],
      options,
    )
    assert.equal(code, 3, stderr)
    assert.match(stdout, /^http:\S+film\.mkv\n$/)
    assert.deepEqual(readFileSync(out), contentBytes('film.mkv', 0, 100))
    const none = await torrentCommand(scope, ['stream', ...args, '--player', 'no-such-player'], options)
    assert.equal(none.code, 1)
    assert.match(none.stderr, /^torrent stream: --player: cannot run no-such-player: no such program$/m)
  })

  it('says in one line what is wrong', async () => {
    const cases = [
      [['-f', '*.avi'], 1, /^torrent stream: no file of show matches \*\.avi$/m],
      [['--http', 'nowhere'], 2, /--http=nowhere: expected host:port/],
      [['--http', '192.0.2.1:80'], 1, /^torrent stream: .*192\.0\.2\.1/m],
    ] as const
    for (const [more, status, message] of cases) {
      const { code, stderr } = await torrentCommand(scope, ['stream', ...args, ...more], options)
      assert.equal(code, status, stderr)
      assert.match(stderr, message)
    }
  })
})

/** A wave file of silence: 48 kHz, two channels, 16 bits. */
function wave(bytes: number): Buffer {
  const head = Buffer.alloc(44)
  head.write('RIFF', 0)
  head.writeUInt32LE(36 + bytes, 4)
  head.write('WAVEfmt ', 8)
  head.writeUInt32LE(16, 16)
  head.writeUInt16LE(1, 20)
  head.writeUInt16LE(2, 22)
  head.writeUInt32LE(48_000, 24)
  head.writeUInt32LE(192_000, 28)
  head.writeUInt16LE(4, 32)
  head.writeUInt16LE(16, 34)
  head.write('data', 36)
  head.writeUInt32LE(bytes, 40)
  return Buffer.concat([head, Buffer.alloc(bytes)])
}
