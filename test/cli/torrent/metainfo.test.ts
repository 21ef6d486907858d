/** `torrent metainfo` and `torrent magnet`, as a user runs them. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { createTorrent } from '../../../src/torrent/create.js'
import { buildMetainfo } from '../../../src/torrent/metainfo/create.js'
import { parseMetainfo } from '../../../src/torrent/metainfo/metainfo.js'
import type { Outcome } from '../../support/child.js'
import { Libtorrent } from '../../support/libtorrent.js'
import { Network } from '../../support/network.js'
import { skipWithout } from '../../support/project.js'
import { Scope } from '../../support/scope.js'
import { torrentCommand } from '../../support/torrent-command.js'

const scope = new Scope()
after(() => scope.close())
const folder = scope.folder('torrentfs-metainfo-')
const root = join(folder, 'two files')
let infohash = ''

async function torrent(...args: string[]): Promise<Outcome> {
  return torrentCommand(scope, args, { cwd: folder })
}

async function output(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await torrent(...args)
  assert.equal(code, 0, stderr)
  assert.equal(stderr, '')
  return stdout
}

before(async () => {
  mkdirSync(join(root, 'in'), { recursive: true })
  writeFileSync(join(root, 'in', 'a\nb'), randomBytes(40_000))
  writeFileSync(join(root, 'c'), randomBytes(5))
  const bytes = await createTorrent(root, {
    trackers: [['http://t.example/announce?k=v&x=y z']],
    comment: 'evil \u001b[2J comment',
    creationDate: 1e12,
  })
  writeFileSync(join(folder, 'two.torrent'), bytes)
  infohash = parseMetainfo(bytes).info.infohash
})

describe('torrent metainfo', { timeout: 120_000 }, () => {
  it('prints the magnet link of a torrent with one tracker and name exactly so', async () => {
    const expected = `magnet:?xt=urn:btih:${infohash}&dn=two+files&tr=http%3A%2F%2Ft.example%2Fannounce%3Fk%3Dv%26x%3Dy+z\n`
    assert.equal(await output('metainfo', 'two.torrent', 'magnet'), expected)
    assert.equal(await output('metainfo', 'magnet', 'two.torrent'), expected)
    assert.deepEqual(JSON.parse(await output('metainfo', 'two.torrent', 'magnet', '--json')), {
      magnet: expected.trimEnd(),
    })
  })

  it('prints infohash, piece length and files, for people and for programs', async () => {
    assert.equal(await output('metainfo', 'two.torrent', 'infohash'), `${infohash}\n`)
    assert.equal(await output('metainfo', 'two.torrent', 'piece-length'), '16384\n')
    assert.equal(
      await output('metainfo', 'two.torrent', 'files'),
      '5\ttwo files/c\n40000\ttwo files/in/a_b\n',
      'a name keeps no line end',
    )
    assert.deepEqual(JSON.parse(await output('metainfo', 'two.torrent', 'files', '--json')), [
      { path: 'two files/c', length: 5 },
      { path: 'two files/in/a_b', length: 40_000 },
    ])
  })

  it('prints everything by default, with nothing that could move the cursor', async () => {
    const text = await output('metainfo', 'two.torrent')
    for (const part of [
      /^name +two files$/m,
      new RegExp(`^infohash +${infohash}$`, 'm'),
      /^length +40005 \(40 kB\) in 2 files$/m,
      /^pieces +3 of 16384 bytes$/m,
      /^tracker 1 +http:\/\/t\.example/m,
      /^comment +evil \\u001b\[2J comment$/m,
      /^created +2001-09-09T01:46:40\.000Z$/m,
    ])
      assert.match(text, part)
    assert.doesNotMatch(text, /\x1b|^file/m)
    const more = await output('metainfo', 'two.torrent', '--files', '--piece-hashes')
    assert.match(more, /^file +5 two files\/c$/m)
    assert.match(more, /^piece 2 +[0-9a-f]{40}$/m)
    assert.equal(await output('metainfo', 'two.torrent', 'pprint', '--just-name'), 'two files\n')
    const json = JSON.parse(await output('metainfo', 'two.torrent', '--json', '--piece-hashes')) as {
      infohash: string
      pieceHashes: string[]
    }
    assert.equal(json.infohash, infohash)
    assert.equal(json.pieceHashes.length, 3)
  })

  it('reads standard input and the web', async () => {
    const bytes = readFileSync(join(folder, 'two.torrent'))
    const piped = await torrentCommand(scope, ['bencode', 'json', '-', '--compact'], { input: 'd1:ai1ee' })
    assert.equal(piped.stdout, '{"a":1}\n')
    const server = createServer((request, response) => {
      if (request.url === '/x.torrent') return response.end(bytes)
      response.statusCode = 404
      response.end()
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    try {
      const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      assert.equal(await output('metainfo', `${base}/x.torrent`, 'infohash'), `${infohash}\n`)
      const { code, stderr } = await torrent('metainfo', `${base}/y.torrent`)
      assert.equal(code, 1)
      assert.match(stderr, /^torrent metainfo: cannot fetch http:.*\/y\.torrent: HTTP status 404\n$/)
    } finally {
      server.close()
    }
  })

  it('says of a file whether it is valid, and what others may not like', async () => {
    assert.equal(
      await output('metainfo', 'two.torrent', 'validate'),
      'two.torrent: valid, 40 kB in 3 pieces\n',
    )
    const odd = buildMetainfo({
      name: 'odd',
      length: 3000,
      pieceLength: 3000,
      pieceHashes: randomBytes(20),
      private: true,
    })
    writeFileSync(join(folder, 'odd.torrent'), Buffer.concat([odd, Buffer.from('\n')]))
    const { notes, valid } = JSON.parse(await output('metainfo', 'odd.torrent', 'validate', '--json')) as {
      valid: boolean
      notes: string[]
    }
    assert.equal(valid, true)
    for (const [index, part] of [
      /behind the end/,
      /no power of two/,
      /less than 16 KiB/,
      /no tracker/,
    ].entries())
      assert.match(notes[index]!, part)
    writeFileSync(join(folder, 'bad.torrent'), odd.subarray(0, 60))
    const bad = await torrent('metainfo', 'bad.torrent', 'validate')
    assert.equal(bad.code, 1)
    assert.match(bad.stderr, /^torrent metainfo: bad\.torrent: not a valid metainfo file: .*\n$/)
    const json = await torrent('metainfo', 'bad.torrent', 'validate', '--json')
    assert.equal(json.code, 1)
    assert.equal((JSON.parse(json.stdout) as { valid: boolean }).valid, false)
  })

  const wrong: readonly (readonly [args: readonly string[], status: number, message: RegExp])[] = [
    [[], 2, /missing required argument 'FILE'/],
    [['magnet'], 2, /the FILE to show the magnet of is missing/],
    [['two.torrent', 'magnett'], 2, /no such action: magnett; there are pprint, magnet/],
    [['two.torrent', 'magnet', '--files'], 2, /--files, .* are for pprint, not for magnet/],
    [['absent.torrent'], 1, /cannot read absent\.torrent: no such file or directory\n/],
    [['two files'], 1, /cannot read two files: it is a folder/],
    [['two files/c'], 1, /two files\/c: not a valid metainfo file: /],
    [['magnet:?xt=urn:btih:x'], 1, /a magnet link is no file: use "torrent magnet"/],
  ]
  for (const [args, status, message] of wrong) {
    it(`ends with ${status} and one line for "metainfo ${args.join(' ')}"`, async () => {
      const { code, stdout, stderr } = await torrent('metainfo', ...args)
      assert.equal(code, status, stderr)
      assert.equal(stdout, '')
      assert.match(stderr, message)
      assert.match(stderr, /^torrent metainfo: [^\n]+\n$/)
    })
  }
})

describe('torrent magnet', { timeout: 120_000 }, () => {
  it('shows what a link says', async () => {
    const uri = `magnet:?xt=urn:btih:${infohash}&dn=a+b&tr=udp%3A%2F%2Ft%3A1&x.pe=10.0.0.1:5&ws=http://w/&so=0,3-5`
    const text = await output('magnet', uri)
    for (const part of [infohash, 'a b', 'udp://t:1', '10.0.0.1:5', 'http://w/', '0, 3-5'])
      assert.ok(text.includes(`  ${part}\n`), `${part} in ${text}`)
    const { name, trackers } = JSON.parse(await output('magnet', uri, '--json')) as Record<string, unknown>
    assert.deepEqual([name, trackers], ['a b', ['udp://t:1']])
  })

  it('fetches the torrent file from a peer', { skip: skipWithout('namespaces', 'libtorrent') }, async () => {
    const network = Network.create(scope)
    const seeder = await Libtorrent.start(network.host('seeder'))
    const { namespace } = network.host('own')
    const bytes = readFileSync(join(folder, 'two.torrent'))
    await seeder.add({ torrent: join(folder, 'two.torrent'), folder, seed: true })
    const link = (await output('metainfo', 'two.torrent', 'magnet')).trim()
    const args = ['magnet', link, '--fetch', '-o', 'fetched.torrent', '--no-dht', '--no-trackers', '--no-lsd']
    const { code, stdout, stderr } = await torrentCommand(
      scope,
      [...args, '--test-peer', `${seeder.address}:${seeder.port}`],
      { cwd: folder, ...(namespace !== undefined && { namespace }) },
    )
    assert.equal(code, 0, stderr)
    assert.equal(stdout, 'fetched.torrent\n')
    const fetched = parseMetainfo(readFileSync(join(folder, 'fetched.torrent')))
    assert.deepEqual(fetched.info.raw, parseMetainfo(bytes).info.raw)
    assert.deepEqual(fetched.trackers, parseMetainfo(bytes).trackers)
  })

  it('gives up when nobody has it', async () => {
    const link = `magnet:?xt=urn:btih:${'0'.repeat(39)}1`
    const args = [link, '--fetch', '--timeout', '300ms', '--no-dht', '--no-trackers', '--no-lsd']
    const { code, stderr } = await torrent('magnet', ...args)
    assert.equal(code, 1)
    assert.match(
      stderr,
      /^torrent magnet: no peer gave the metadata of 0{39}1 in 0s \(0 peers connected\)\n$/,
    )
  })

  for (const [args, message] of [
    [['http://x/'], /not a magnet link of a torrent: it does not begin with magnet:/],
    [['magnet:?dn=x'], /it has no infohash/],
    [[`magnet:?xt=urn:btih:${'a'.repeat(40)}`, '-o', 'x'], /--output needs --fetch/],
    [[`magnet:?xt=urn:btih:${'a'.repeat(40)}`, '--timeout', 'soon'], /--timeout=soon: expected a time/],
  ] as const) {
    it(`ends with 2 and one line for "magnet ${args.join(' ')}"`, async () => {
      const { code, stderr } = await torrent('magnet', ...args)
      assert.equal(code, 2, stderr)
      assert.match(stderr, message)
      assert.match(stderr, /^torrent magnet: [^\n]+\n$/)
    })
  }
})
