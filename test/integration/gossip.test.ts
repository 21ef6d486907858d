/**
 * Peers found by what other peers and the local network say, with real programs in namespaces: PEX alone, LSD alone, both
 * ways, and nothing of private torrents.
 */
import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { eventually } from '../support/child.js'
import { sha256OfFile, type TestTorrent } from '../support/content.js'
import { Daemon } from '../support/daemon.js'
import { Libtorrent } from '../support/libtorrent.js'
import { Network, type Host } from '../support/network.js'
import { skipWithout } from '../support/project.js'
import { Scope } from '../support/scope.js'
import { Transmission } from '../support/transmission.js'

const skip = skipWithout('daemon', 'fuse', 'namespaces', 'libtorrent', 'transmission')
const programs = ['libtorrent', 'transmission'] as const
type Program = (typeof programs)[number]

const LENGTH = 3 * 65536 + 17
const DEADLINE_MS = 120_000

async function makeTorrent(scope: Scope, name: string, isPrivate = false): Promise<TestTorrent> {
  const maker = await Libtorrent.maker(scope)
  const layout = { name, files: [{ path: ['file'], length: LENGTH }] }
  return await maker.make(scope.folder(), layout, { pieceLength: 65536, private: isPrivate })
}

async function assertReads(daemon: Daemon, torrent: TestTorrent): Promise<void> {
  await daemon.listed(torrent.name, 30_000)
  const path = daemon.path(torrent.name, 'file')
  assert.equal(
    await daemon.sha256(path, DEADLINE_MS),
    await sha256OfFile(`${torrent.source}/${torrent.name}/file`),
  )
}

describe('the local network alone', { skip }, () => {
  const scope = new Scope()
  after(() => scope.close())

  const seed = async (inner: Scope, program: Program, host: Host, torrent: TestTorrent): Promise<void> => {
    if (program === 'libtorrent') {
      const session = await Libtorrent.start(host, { enable_lsd: true })
      await session.seed(torrent)
    } else {
      const daemon = await Transmission.start(inner, host, { 'lpd-enabled': true })
      await daemon.seed(torrent)
    }
  }

  for (const program of programs) {
    for (const first of ['theirs', 'ours'] as const) {
      const who = first === 'theirs' ? `${program} hears of us` : `we hear of ${program}`
      it(`brings us together when ${who}`, { timeout: 240_000 }, async () => {
        const inner = new Scope()
        try {
          const network = Network.create(inner)
          const torrent = await makeTorrent(inner, `near ${program} ${first}`)
          const [here, there] = [network.host('daemon'), network.host('seed')]
          const args = ['-disablePex', '-disableDht']
          if (first === 'theirs') await seed(inner, program, there, torrent)
          const daemon = await Daemon.start(inner, { host: here, torrents: [torrent.file], args })
          // What was announced before the other listened is lost: its word alone can tell.
          if (first === 'ours') await seed(inner, program, there, torrent)
          await assertReads(daemon, torrent)
        } finally {
          await inner.close()
        }
      })
    }
  }

  it('is told of a public torrent, and never of a private one', { timeout: 120_000 }, async () => {
    const inner = new Scope()
    try {
      const network = Network.create(inner)
      const open = await makeTorrent(inner, 'public')
      const closed = await makeTorrent(inner, 'private', true)
      const host = network.host('daemon')
      const capture = host.start('tcpdump', [
        '-i',
        'eth0',
        '-n',
        '-l',
        '-A',
        '-s',
        '0',
        'udp',
        'port',
        '6771',
      ])
      await capture.printed(/listening on/, 20_000)
      await Daemon.start(inner, { host, torrents: [open.file, closed.file], args: ['-disableDht'] })
      await capture.printed(new RegExp(open.infohash, 'i'), 30_000)
      // Both were added at the same time: what is not said within seconds is not said.
      await new Promise(resolve => setTimeout(resolve, 5000))
      assert.doesNotMatch(capture.stdout, new RegExp(closed.infohash, 'i'))
    } finally {
      await inner.close()
    }
  })

  it('hears nothing with -disableLsd', { timeout: 120_000 }, async () => {
    const inner = new Scope()
    try {
      const network = Network.create(inner)
      const torrent = await makeTorrent(inner, 'silent')
      const host = network.host('daemon')
      const capture = host.start('tcpdump', [
        '-i',
        'eth0',
        '-n',
        '-l',
        'udp',
        'port',
        '6771',
        'and',
        'src',
        'host',
        host.address,
      ])
      await capture.printed(/listening on/, 20_000)
      const args = ['-disableDht', '-disableLsd']
      await Daemon.start(inner, { host, torrents: [torrent.file], args })
      await new Promise(resolve => setTimeout(resolve, 4000))
      assert.equal(capture.stdout, '')
    } finally {
      await inner.close()
    }
  })
})

describe('peer exchange alone', { skip }, () => {
  const args = ['-disableLsd', '-disableDht']

  for (const program of programs) {
    it(`lets us find a seed that ${program} tells us of`, { timeout: 240_000 }, async () => {
      const inner = new Scope()
      try {
        const network = Network.create(inner)
        const torrent = await makeTorrent(inner, `told by ${program}`)
        const seed = await Libtorrent.start(network.host('seed'))
        await seed.seed(torrent)
        const host = network.host('middle')
        let middle: string
        // It downloads nothing itself, so it can give us nothing but the seed's address.
        if (program === 'libtorrent') {
          const session = await Libtorrent.start(host)
          await session.add({ torrent: torrent.file, folder: inner.folder(), idle: true, trackers: [] })
          await session.connect(torrent.infohash, seed.address, seed.port)
          middle = `${session.address}:${session.port}`
        } else {
          const session = await Transmission.start(inner, host, { 'pex-enabled': true })
          await session.add({ torrent: torrent.file }, inner.folder())
          await session.ask('torrent-set', { ids: [torrent.infohash], 'files-unwanted': [0] })
          await seed.connect(torrent.infohash, session.address, session.port)
          middle = `${session.address}:${session.port}`
        }
        await seed.until(torrent.infohash, ({ peers }) => peers > 0, 60_000, 'connected to the middle')
        const daemon = await Daemon.start(inner, {
          host: network.host('daemon'),
          torrents: [torrent.file],
          testPeers: [middle],
          args,
        })
        await assertReads(daemon, torrent)
        assert.ok((await seed.uploaded(torrent.infohash)) > 0, 'the seed served us')
      } finally {
        await inner.close()
      }
    })

    it(`lets ${program} find a seed that we tell it of`, { timeout: 240_000 }, async () => {
      const inner = new Scope()
      try {
        const network = Network.create(inner)
        const torrent = await makeTorrent(inner, `told to ${program}`)
        const seed = await Libtorrent.start(network.host('seed'))
        await seed.seed(torrent)
        const host = network.host('leecher')
        const isDone = async (): Promise<() => Promise<boolean>> => {
          if (program === 'libtorrent') {
            const session = await Libtorrent.start(host, {}, 7000)
            await session.add({ torrent: torrent.file, folder: inner.folder(), trackers: [] })
            return async () => (await session.status(torrent.infohash)).done === LENGTH
          }
          const session = await Transmission.start(inner, host, { 'pex-enabled': true, 'peer-port': 7000 })
          await session.add({ torrent: torrent.file }, inner.folder())
          return async () => (await session.status(torrent.infohash))?.leftUntilDone === 0
        }
        const done = await isDone()
        // We have nothing, and nobody reads: all the leecher gets of us is where the seed is.
        await Daemon.start(inner, {
          host: network.host('daemon'),
          torrents: [torrent.file],
          testPeers: [`${seed.address}:${seed.port}`, `${host.address}:7000`],
          args,
        })
        await eventually('the leecher has everything', DEADLINE_MS, done, 500)
      } finally {
        await inner.close()
      }
    })
  }
})
