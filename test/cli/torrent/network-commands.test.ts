/**
 * The subcommands that talk to trackers, the DHT and the local network, among real programs in a network of their own.
 */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Child, Outcome } from '../../support/child.js'
import { eventually } from '../../support/child.js'
import { singleFile, type TestTorrent } from '../../support/content.js'
import { dhtSettings, LibtorrentNodes } from '../../support/dht-nodes.js'
import { Libtorrent } from '../../support/libtorrent.js'
import { Network, type Host } from '../../support/network.js'
import { Opentracker } from '../../support/opentracker.js'
import { skipWithout, torrentEntry } from '../../support/project.js'
import { Scope } from '../../support/scope.js'
import { torrentCommand } from '../../support/torrent-command.js'

const INFOHASH = '0123456789abcdef0123456789abcdef01234567'

describe('commands of the network, called wrongly', { timeout: 60_000, concurrency: 4 }, () => {
  const scope = new Scope()
  after(() => scope.close())

  const table: [args: string[], code: number, stderr: RegExp][] = [
    [['announce'], 2, /^torrent announce: missing required argument 'TARGET'/],
    [['announce', 'http://t.example/announce'], 2, /an infohash is needed behind the tracker/],
    [['announce', 'ftp://t.example', INFOHASH], 2, /ftp:\/\/t\.example is no tracker/],
    [['announce', 'udp://t.example', INFOHASH], 2, /udp:\/\/t\.example is no tracker: .*a port/],
    [['announce', 'udp://t.example:1', 'abc'], 2, /abc is no infohash: expected 40 hexadecimal/],
    [['announce', 'udp://t.example:1', INFOHASH, '--port', '0'], 2, /--port=0: expected a port, 1 to 65535/],
    [['announce', 'udp://t.example:1', INFOHASH, '--event', 'paused'], 2, /--event=paused: expected one of/],
    [['announce', '/no/such.torrent'], 1, /cannot read \/no\/such\.torrent: ENOENT/],
    [['announce', '/no/such.torrent', INFOHASH], 2, /no tracker's URL/],
    [['announce', `magnet:?xt=urn:btih:${INFOHASH}`], 1, /names no tracker/],
    [['announce', 'http://127.0.0.1:1/announce', INFOHASH], 1, /http:\/\/127\.0\.0\.1:1: .*ECONNREFUSED/],
    [['scrape', 'http://t.example/announce'], 2, /an infohash is needed/],
    [['scrape', 'http://127.0.0.1:1/x', INFOHASH], 1, /refused: a tracker without scrape/],
    [['dht', 'get-peers', 'xyz'], 2, /xyz is no infohash/],
    [['dht', 'ping', 'router'], 2, /HOST:PORT router: expected host:port/],
    [['lsd', 'announce', 'xyz'], 2, /xyz is no infohash/],
    [['lsd', 'listen', '--for', 'ever'], 2, /--for=ever: expected a time/],
    [['tracker', '--http', 'nowhere'], 2, /--http=nowhere: expected host:port/],
    [['tracker', '--interval', '1ms'], 2, /--interval=1ms: expected a time of at least 1s/],
    [['tracker', '--whitelist', '/no/list'], 1, /cannot read the whitelist \/no\/list: ENOENT/],
    [['tracker', '--http', '192.0.2.1:80'], 1, /cannot take HTTP at 192\.0\.2\.1:80/],
  ]
  for (const [args, code, stderr] of table) {
    it(`"torrent ${args.join(' ')}" ends with ${code} and says why in one line`, async () => {
      const outcome = await torrentCommand(scope, args)
      assert.match(outcome.stderr, stderr)
      assert.equal(outcome.stderr.trimEnd().split('\n').length, 1)
      assert.deepEqual([outcome.code, outcome.stdout], [code, ''])
    })
  }
})

describe(
  'commands of the network',
  {
    skip: skipWithout('namespaces', 'libtorrent', 'opentracker'),
    timeout: 120_000,
  },
  () => {
    const scope = new Scope()
    let network: Network
    let host: Host
    let opentracker: Opentracker
    let nodes: LibtorrentNodes
    let seeder: Libtorrent
    let torrent: TestTorrent

    before(async () => {
      network = Network.create(scope)
      host = network.host('command')
      const maker = await Libtorrent.maker(scope)
      const trackerHost = network.host('opentracker')
      const trackers = ['http', 'udp'].map(scheme => `${scheme}://${trackerHost.address}:6969/announce`)
      const layout = singleFile('found by all means.bin', 300_000)
      torrent = await maker.make(scope.folder(), layout, { pieceLength: 65536, trackers })
      ;[opentracker, nodes] = await Promise.all([
        Opentracker.start(scope, trackerHost, [torrent.infohash]),
        LibtorrentNodes.start(network.host('nodes'), { count: 8 }),
      ])
      const settings = { ...dhtSettings(nodes.addresses[0]!), enable_lsd: true }
      seeder = await Libtorrent.start(network.host('seeder'), settings)
    })
    after(() => scope.close())

    const start = (...args: string[]): Child => host.start(process.execPath, [torrentEntry, ...args])
    const run = (...args: string[]): Promise<Outcome> => start(...args).ended(60_000)
    const place = (): string => `${seeder.address}:6881`

    it('"lsd listen" prints what libtorrent announces to the network, until it is stopped', async () => {
      const listening = start('lsd', 'listen')
      const json = start('lsd', 'listen', '--json')
      // Both hear by the time the seeder speaks.
      await eventually('both listen', 10_000, async () => {
        const { stdout } = await host.start('ss', ['-lunH', 'sport', '=', ':6771']).ended(5000)
        return (
          stdout
            .trim()
            .split('\n')
            .filter(line => !line.includes('[')).length >= 2
        )
      })
      await seeder.seed(torrent)
      await listening.printed(
        new RegExp(`^${torrent.infohash} ${place().replaceAll('.', '\\.')}$`, 'm'),
        30_000,
      )
      await json.printed(/\}\n/, 30_000)
      for (const child of [listening, json]) child.signal('SIGINT')
      const { code, stderr } = await listening.ended(10_000)
      assert.deepEqual([code, stderr], [0, ''])
      const line = (await json.ended(10_000)).stdout.split('\n')[0]!
      assert.equal((await run('lsd', 'listen', '--for', '100ms')).code, 0)
      assert.deepEqual(JSON.parse(line), {
        infohash: torrent.infohash,
        peer: { host: seeder.address, port: 6881 },
      })
    })

    it('"announce" prints the peers that opentracker gives, and "scrape" its numbers', async () => {
      const announced = await Libtorrent.start(network.host('announced'))
      await announced.seed(torrent, { trackers: [opentracker.httpUrl] })
      await opentracker.seeders(torrent.infohash, 1)
      for (const url of [opentracker.httpUrl, opentracker.udpUrl]) {
        const { stdout, stderr, code } = await run('announce', url, torrent.infohash, '--port', '7001')
        assert.deepEqual([code, stderr], [0, ''])
        assert.match(
          stdout,
          /^(http|udp):\/\/[\d.]+:6969: \d+ peers?, 1 seeder, \d leechers?, again in \d+m\d\ds\n/,
        )
        assert.ok(stdout.includes(`\n  ${announced.address}:6881\n`), stdout)
      }
      const json = await run('announce', torrent.file, '--event', 'stopped', '--port', '7001', '--json')
      const answers = JSON.parse(json.stdout) as { tracker: string; peers: unknown[]; interval: number }[]
      assert.deepEqual(
        answers.map(({ tracker }) => tracker),
        ['http', 'udp'].map(scheme => `${scheme}://${opentracker.host.address}:6969`),
      )
      assert.ok(answers.every(({ interval, peers }) => interval > 60 && Array.isArray(peers)))

      const scraped = await run('scrape', torrent.file)
      assert.match(
        scraped.stdout,
        new RegExp(`^http://.* ${torrent.infohash}: seeders 1, leechers 0, downloads \\d\nudp`),
      )
      const both = await run('scrape', opentracker.httpUrl, torrent.infohash, INFOHASH, '--json')
      const [first] = JSON.parse(both.stdout) as { torrents: { infohash: string; seeders: number }[] }[]
      assert.equal(first!.torrents.find(({ infohash }) => infohash === torrent.infohash)?.seeders, 1)
      assert.equal(both.code, 0)
    })

    it('"announce" says what a tracker refuses, and goes on with the others', async () => {
      const { stdout, stderr, code } = await run('announce', opentracker.httpUrl, INFOHASH)
      assert.deepEqual([code, stdout], [1, ''])
      assert.match(stderr, /^torrent announce: http:\/\/[\d.]+:6969: refused: .*not authorized.*\n$/)
    })

    it('"dht ping" asks a node of libtorrent, and says when there is none', async () => {
      const [node] = nodes.addresses
      const { stdout, code } = await run('dht', 'ping', node!)
      assert.equal(code, 0)
      assert.match(
        stdout,
        new RegExp(`^${node!.replaceAll('.', '\\.')}: node [0-9a-f]{40}, \\d+\\.\\d ms\n$`),
      )
      const json = await run('dht', 'ping', node!, '--json')
      assert.deepEqual(Object.keys(JSON.parse(json.stdout) as object), ['node', 'id', 'ms'])
      const silent = await run('dht', 'ping', `${seeder.address}:9`)
      assert.deepEqual([silent.code, silent.stdout], [1, ''])
      assert.match(silent.stderr, /: no answer\n$/)
    })

    it('"dht get-peers" finds the peer that libtorrent announced', async () => {
      await nodes.finds(torrent.infohash, async () => {
        await seeder.ask('dhtAnnounce', { infohash: torrent.infohash })
      })
      const [node] = nodes.addresses
      const { stdout, stderr, code } = await run('dht', 'get-peers', torrent.infohash, '--bootstrap', node!)
      assert.deepEqual([code, stderr], [0, ''])
      assert.ok(stdout.split('\n').includes(place()), stdout)
      const json = await run('dht', 'get-peers', torrent.infohash, '--bootstrap', node!, '--json')
      const peers = JSON.parse(json.stdout) as { host: string; port: number }[]
      assert.ok(peers.some(peer => `${peer.host}:${peer.port}` === place()))
      const none = await run('dht', 'get-peers', INFOHASH, '--bootstrap', node!, '--timeout', '15s')
      assert.deepEqual([none.code, none.stdout], [1, ''])
      assert.match(none.stderr, /^torrent dht get-peers: \d+ nodes? answered, none knows a peer\n$/)
    })

    it('"lsd announce" makes libtorrent connect to this machine', async () => {
      const folder = scope.folder()
      const leecherHost = network.host('leecher')
      const leecher = await Libtorrent.start(leecherHost, { enable_lsd: true })
      await leecher.add({ torrent: torrent.file, folder, trackers: [] })
      // A program of the seeder's machine, as if it could not speak for itself.
      const announcing = network.host('silent')
      const silent = await Libtorrent.start(announcing, {}, 6881)
      await silent.seed(torrent, { trackers: [] })
      const child = announcing.start(process.execPath, [
        torrentEntry,
        'lsd',
        'announce',
        torrent.infohash,
        '--wait',
        '1s',
      ])
      assert.equal((await child.ended(20_000)).code, 0)
      await leecher.until(torrent.infohash, status => status.seeding, 30_000, 'complete')
    })

    it('"tracker" serves libtorrent what its whitelist names, as it changes, and ends with its numbers', async () => {
      const list = join(scope.folder(), 'served')
      writeFileSync(list, `# nothing yet\n`)
      const address = `${host.address}:6970`
      const args = ['--http', address, '--udp', address, '--whitelist', list, '--stats', '200ms', '-v']
      const tracker = start('tracker', ...args)
      await tracker.printed(/listening at udp:/, 20_000)
      const [http, udp] = [`http://${address}/announce`, `udp://${address}`]
      const refused = await run('announce', http, torrent.infohash)
      assert.match(refused.stderr, /refused: not a torrent of this tracker/)
      writeFileSync(list, `${torrent.infohash} # served now\n`)
      await tracker.printed(/served: 1 torrent\n/, 20_000)
      const served = await Libtorrent.start(network.host('served'))
      await served.seed(torrent, { trackers: [udp] })
      await tracker.printed(
        new RegExp(`udp ${torrent.infohash} ${served.address}:6881 started seeder, 0 peers given`),
        20_000,
      )
      const told = await run('announce', http, torrent.infohash, '--json')
      const [answer] = JSON.parse(told.stdout) as { peers: unknown[] }[]
      assert.deepEqual(answer!.peers, [{ host: served.address, port: 6881 }])
      // Without a port it took itself back.
      await tracker.printed(/:1 announce leecher, 1 peer given\n.*:1 stopped leecher/, 10_000)
      await tracker.printed(/^1 torrent, 1 seeder, 0 leechers; 3 announces, 0 scrapes, 1 refused$/m, 10_000)
      writeFileSync(list, 'no infohash\n')
      await tracker.printed(/served, line 1: no infohash is no infohash.* stays/, 20_000, 'stderr')
      tracker.signal('SIGINT')
      const { code, stdout } = await tracker.ended(10_000)
      assert.equal(code, 0)
      assert.match(stdout, /1 torrent, 1 seeder, .*refused\n$/)
    })
  },
)
