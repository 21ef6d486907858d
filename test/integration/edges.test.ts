/** By which ways the daemon reaches others, seen from outside: proxies, one interface, the router, and anonymity. */

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { eventually } from '../support/child.js'
import { sha256OfFile, singleFile, type TestTorrent } from '../support/content.js'
import { Daemon } from '../support/daemon.js'
import { Libtorrent } from '../support/libtorrent.js'
import { Network, type Host } from '../support/network.js'
import { PacketFile } from '../support/packet-file.js'
import { skipWithout } from '../support/project.js'
import { Scope } from '../support/scope.js'
import { ScriptedPeer } from '../support/scripted-peer.js'
import { withTracker } from '../support/torrent-file.js'

const base = ['daemon', 'fuse', 'namespaces', 'libtorrent', 'tcpdump'] as const
const limit = { timeout: 240_000 }
const MiB = 1 << 20

/** Runs a program inside a host's network. */
function inside(host: Host, command: string, ...args: string[]): string {
  return execFileSync('nsenter', [`--net=${host.namespace}`, command, ...args], { encoding: 'utf8' })
}

/** Gives a host a way to everywhere, so that what leaks leaks visibly. */
function routeOut(host: Host, by: string): void {
  inside(host, 'ip', 'route', 'replace', 'default', 'via', by)
}

async function makeTorrent(scope: Scope, name: string): Promise<TestTorrent> {
  const maker = await Libtorrent.maker(scope)
  return await maker.make(scope.folder(), singleFile(name, 2 * MiB + 7), { pieceLength: MiB / 4 })
}

describe('behind a proxy', { skip: skipWithout(...base, 'microsocks', 'tinyproxy') }, () => {
  let scope: Scope
  let network: Network
  let torrent: TestTorrent
  let seeder: ScriptedPeer
  before(async () => {
    scope = new Scope()
    network = Network.create(scope)
    torrent = await makeTorrent(scope, 'through a proxy.bin')
    seeder = await ScriptedPeer.start(scope, network.ownAddress(), torrent)
  })
  after(() => scope.close())

  /** A daemon with everything to tempt it: a peer, and trackers of each kind, one of them a name. */
  async function tempted(host: Host, args: string[]): Promise<Daemon> {
    const folder = scope.folder()
    const daemon = await Daemon.start(scope, {
      host,
      trackers: true,
      torrents: [
        withTracker(torrent, 'http://tracker.example.org/announce', folder),
        withTracker(torrent, `udp://${network.address}:6969/announce`, folder),
      ],
      testPeers: [seeder.endpoint],
      args: ['-logLevel=debug', ...args],
    })
    await daemon.listed(torrent.name)
    return daemon
  }

  async function startSocks(host: Host, ...credentials: string[]): Promise<string> {
    host.start('microsocks', ['-i', host.address, '-p', '1080', ...credentials])
    await eventually('the proxy listens', 20_000, () => inside(host, 'ss', '-Hltn').includes(':1080'))
    return `${host.address}:1080`
  }

  async function startHttp(host: Host): Promise<string> {
    const file = join(scope.folder(), 'tinyproxy.conf')
    writeFileSync(
      file,
      `Port 8888\nListen ${host.address}\nTimeout 60\nMaxClients 50\nBasicAuth user s3cret\n`,
    )
    host.start('tinyproxy', ['-d', '-c', file])
    await eventually('the proxy listens', 20_000, () => inside(host, 'ss', '-Hltn').includes(':8888'))
    return `${host.address}:8888`
  }

  it('sends to others without one: the captures below would see it', limit, async () => {
    const host = network.host('bare')
    routeOut(host, network.address)
    const capture = await PacketFile.start(scope, host, 'out')
    const daemon = await tempted(host, ['-disablePortMapping'])
    await daemon.sha256(daemon.path(torrent.name))
    await capture.stop()
    assert.notDeepEqual(await capture.packets(`tcp and host ${seeder.address}`), [])
    assert.notDeepEqual(await capture.packets(`udp and host ${network.address} and port 6969`), [])
    await daemon.stop()
  })

  for (const [kind, start, url] of [
    ['SOCKS5', startSocks, (at: string) => `socks5://user:s3cret@${at}`],
    ['HTTP', startHttp, (at: string) => `http://user:s3cret@${at}`],
  ] as const) {
    it(`of ${kind}, reads through it and sends not one packet past it`, limit, async () => {
      const [host, proxy] = [network.host('daemon'), network.host('proxy')]
      routeOut(host, network.address)
      const at = await start(proxy, ...(kind === 'SOCKS5' ? ['-u', 'user', '-P', 's3cret'] : []))
      const capture = await PacketFile.start(scope, host, 'out')
      const daemon = await tempted(host, [`-proxy=${url(at)}`])
      assert.equal(
        await daemon.sha256(daemon.path(torrent.name)),
        await sha256OfFile(join(torrent.source, torrent.name)),
      )
      await daemon.stop()
      await capture.stop()
      assert.deepEqual(
        await capture.packets(
          `(ip or ip6) and not host ${proxy.address} and not icmp6 and not dst host ff02::16`,
        ),
        [],
      )
      assert.notDeepEqual(await capture.packets(`tcp and host ${proxy.address}`), [])
      assert.equal(inside(host, 'ss', '-Hltun'), '')
      assert.match(daemon.child.stderr, /all connections go through .*UDP trackers, DHT, uTP/)
      assert.doesNotMatch(daemon.child.stderr, /s3cret/)
    })
  }

  for (const [title, startProxy, url, message] of [
    [
      'with a wrong password',
      startSocks,
      (at: string) => `socks5://user:wrong@${at}`,
      /wrong user name or password/,
    ],
    [
      'of SOCKS5 that is none',
      startHttp,
      (at: string) => `socks5://${at}`,
      /proxy socks5:.*: (it closed|it says nothing|.*invalid)/i,
    ],
    [
      'of HTTP without a password',
      startHttp,
      (at: string) => `http://${at}`,
      /wants a user name and a password/,
    ],
    [
      'that is down',
      () => Promise.resolve(''),
      (_: string, host: Host) => `socks5://${host.address}:1080`,
      /cannot be reached: .*ECONNREFUSED/,
    ],
  ] as const) {
    it(`${title}, says so, and goes no other way`, limit, async () => {
      const [host, proxy] = [network.host('daemon'), network.host('proxy')]
      routeOut(host, network.address)
      const credentials = title === 'with a wrong password' ? ['-u', 'user', '-P', 's3cret'] : []
      const at = await startProxy(proxy, ...credentials)
      const capture = await PacketFile.start(scope, host, 'out')
      const daemon = await tempted(host, [`-proxy=${url(at, proxy)}`])
      await daemon.child.printed(message, 60_000)
      await daemon.child.printed(/nothing goes out without it/, 60_000)
      await daemon.stop()
      await capture.stop()
      assert.deepEqual(
        await capture.packets(
          `(ip or ip6) and not host ${proxy.address} and not icmp6 and not dst host ff02::16`,
        ),
        [],
      )
    })
  }
})

describe('bound to one interface of two', { skip: skipWithout(...base) }, () => {
  const scope = new Scope()
  after(() => scope.close())

  it(
    'sends nothing by the other, not even when its own is gone, and goes on when it is back',
    limit,
    async () => {
      const network = Network.create(scope)
      const torrent = await makeTorrent(scope, 'by one interface.bin')
      const host = network.host('daemon')
      const { own, far } = network.secondInterface(host)
      const seeder = await ScriptedPeer.start(scope, far, torrent, { bytesPerSecond: 200_000 })
      routeOut(host, network.address)
      const capture = await PacketFile.start(scope, host, 'out')
      const daemon = await Daemon.start(scope, {
        host,
        trackers: true,
        torrents: [withTracker(torrent, `udp://${far}:6969/announce`, scope.folder())],
        testPeers: [seeder.endpoint],
        args: ['-bindInterface=eth1', '-logLevel=debug'],
      })
      await daemon.listed(torrent.name)
      const reading = daemon.sha256(daemon.path(torrent.name), 180_000)
      reading.catch(() => undefined)
      await eventually('some of it is read', 60_000, () => seeder.payloadSent > 300_000)
      assert.match(inside(host, 'ss', '-Hltn'), new RegExp(`${own.replaceAll('.', '\\.')}:42069`))
      inside(host, 'ip', 'addr', 'del', `${own}/24`, 'dev', 'eth1')
      await daemon.child.printed(/interface eth1 has no address: nothing goes out/, 60_000)
      const before = seeder.connections
      // A peer of this kind is called again every 10 s: by the other interface, could it be.
      await new Promise(resolve => setTimeout(resolve, 12_000))
      assert.equal(seeder.connections, before)
      inside(host, 'ip', 'addr', 'add', `${own}/24`, 'dev', 'eth1')
      assert.equal(await reading, await sha256OfFile(join(torrent.source, torrent.name)))
      await eventually('it listens again', 30_000, () => inside(host, 'ss', '-Hltn').includes(`${own}:42069`))
      await daemon.stop()
      await capture.stop()
      assert.deepEqual(await capture.packets('(ip or ip6) and not icmp6 and not dst host ff02::16'), [])
    },
  )
})

describe('behind a router that maps ports', { skip: skipWithout(...base, 'miniupnpd') }, () => {
  const scope = new Scope()
  let network: Network
  before(() => {
    network = Network.create(scope)
  })
  after(() => scope.close())

  /** The router's table of ports. */
  const mapped = (router: Host): string => inside(router, 'nft', 'list', 'ruleset')

  for (const [kind, pmp] of [
    ['UPnP', 'no'],
    ['NAT-PMP', 'yes'],
  ] as const) {
    it(`by ${kind}, is let in from outside, and takes that back when it ends`, limit, async () => {
      const router = network.host('router')
      const host = network.host('daemon')
      inside(router, 'ip', 'link', 'add', 'ext0', 'type', 'veth', 'peer', 'name', 'ext1')
      inside(router, 'ip', 'link', 'set', 'ext1', 'up')
      inside(router, 'ip', 'addr', 'add', '8.8.4.4/24', 'dev', 'ext0')
      inside(router, 'ip', 'link', 'set', 'ext0', 'up')
      inside(router, 'ip', 'route', 'add', 'default', 'dev', 'ext0')
      inside(host, 'ip', 'route', 'add', 'default', 'via', router.address)
      const rules =
        'table inet filter { chain forward { type filter hook forward priority 0; }; chain miniupnpd {}; chain prerouting { type nat hook prerouting priority -100; jump prerouting_miniupnpd; }; chain postrouting { type nat hook postrouting priority 100; jump postrouting_miniupnpd; }; chain prerouting_miniupnpd {}; chain postrouting_miniupnpd {}; }'
      inside(router, 'nft', rules)
      const folder = scope.folder()
      const file = join(folder, 'miniupnpd.conf')
      writeFileSync(
        file,
        `ext_ifname=ext0\nlistening_ip=eth0\nport=0\nenable_upnp=${pmp === 'no' ? 'yes' : 'no'}\nenable_natpmp=${pmp}\n` +
          `secure_mode=yes\nuuid=00000000-0000-0000-0000-00000000000${pmp.length}\nupnp_table_name=filter\nupnp_nat_table_name=filter\n` +
          'allow 1024-65535 0.0.0.0/0 1024-65535\n',
      )
      const server = router.start('miniupnpd', ['-d', '-f', file, '-P', join(folder, 'pid')])
      await server.printed(/HTTP listening|Listening for NAT-PMP|listening on/i, 20_000)
      const daemon = await Daemon.start(scope, { host, args: ['-logLevel=debug'] })
      await daemon.child
        .printed(
          new RegExp(`lets peers in at 8\\.8\\.4\\.4, port 42069 \\(TCP and UDP\\), by ${kind}`),
          60_000,
        )
        .catch((error: unknown) => {
          throw new Error(
            `${String(error)}\nrouter: ${server.stderr.slice(-3000)}${server.stdout.slice(-3000)}`,
          )
        })
      assert.match(mapped(router), new RegExp(`42069[^\\n]*${host.address.replaceAll('.', '\\.')}`))
      const ended = await daemon.stop()
      assert.equal(ended.code, 0)
      assert.doesNotMatch(mapped(router), /42069/)
      await server.stop()
    })
  }
})

describe('an anonymous daemon', { skip: skipWithout(...base) }, () => {
  const scope = new Scope()
  let network: Network
  let torrent: TestTorrent
  before(async () => {
    network = Network.create(scope)
    torrent = await makeTorrent(scope, 'by nobody.bin')
  })
  after(() => scope.close())

  /** Every byte that a daemon with these flags sends and gets, while it reads, with a tracker beside. */
  async function captured(
    args: string[],
  ): Promise<{ bytes: Buffer; agents: Set<string | undefined>; urls: string[] }> {
    const agents = new Set<string | undefined>()
    const urls: string[] = []
    const server = createServer((request, response) => {
      agents.add(request.headers['user-agent'])
      urls.push(request.url ?? '')
      response.end('d8:intervali1800e5:peers0:e')
    })
    await new Promise<void>(resolve => server.listen(0, network.address, resolve))
    scope.defer(() => server.close())
    const seeder = await ScriptedPeer.start(scope, network.ownAddress(), torrent)
    const host = network.host('daemon')
    const tracker = `http://${network.address}:${(server.address() as AddressInfo).port}/announce`
    const capture = await PacketFile.start(scope, host)
    const daemon = await Daemon.start(scope, {
      host,
      trackers: true,
      torrents: [withTracker(torrent, tracker, scope.folder())],
      testPeers: [seeder.endpoint],
      args,
    })
    await daemon.listed(torrent.name)
    await daemon.sha256(daemon.path(torrent.name))
    await eventually('an announce', 30_000, () => urls.length > 0)
    await daemon.stop()
    return { bytes: await capture.stop(), agents, urls }
  }

  it('names itself to nobody, where another does', limit, async () => {
    // Compared by hand: the whole capture in a message of failure would drown it.
    const names = ({ bytes }: { bytes: Buffer }): string[] =>
      ['-TF0', 'torrentfs'].filter(name =>
        bytes.toString('latin1').toLowerCase().includes(name.toLowerCase()),
      )
    const named = await captured([])
    assert.deepEqual(names(named), ['-TF0', 'torrentfs'])
    assert.match(String([...named.agents][0]), /torrentfs/)
    const nameless = await captured(['-anonymous'])
    assert.ok(nameless.bytes.length > 2 * MiB, 'the payload is in the capture')
    assert.deepEqual(names(nameless), [])
    assert.deepEqual([...nameless.agents], [undefined])
    assert.doesNotMatch(nameless.urls[0]!, /peer_id=-TF/)
  })
})
