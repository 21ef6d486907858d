/**
 * The programs people use, and our own client, with nothing to find each other by but our tracker.
 */
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { Client, formatMagnet } from '../../../src/torrent/index.js'
import { TrackerServer, type TakenAnnounce } from '../../../src/torrent/tracker/tracker-server.js'
import { Aria2 } from '../../support/aria2.js'
import { awkwardFolder, sha256OfFile, type TestTorrent } from '../../support/content.js'
import { until } from '../../support/fs-process.js'
import { Libtorrent } from '../../support/libtorrent.js'
import { Network } from '../../support/network.js'
import { skipWithout } from '../../support/project.js'
import { Scope } from '../../support/scope.js'
import { Transmission } from '../../support/transmission.js'

const skip = skipWithout('namespaces', 'libtorrent', 'transmission', 'aria2c')

describe('our tracker among real programs', { skip }, () => {
  const scope = new Scope()
  const taken: TakenAnnounce[] = []
  let network: Network
  let server: TrackerServer
  let torrent: TestTorrent
  let daemonFolder: string
  let transmission: Promise<Transmission>
  let urls: { http: string; udp: string }

  before(async () => {
    network = Network.create(scope)
    const place = { host: network.ownAddress(), port: 6969 }
    const maker = await Libtorrent.maker(scope)
    urls = {
      http: `http://${place.host}:6969/announce`,
      udp: `udp://${place.host}:6969/announce`,
    }
    const layout = awkwardFolder('by our tracker', 3)
    torrent = await maker.make(scope.folder(), layout, { pieceLength: 65536, trackers: [urls.udp] })
    server = await TrackerServer.listen({
      http: [place],
      udp: [place],
      serves: infohash => infohash === torrent.infohash,
      announced: announce => taken.push(announce),
    })
    scope.defer(() => server.close())
    const seeder = await Libtorrent.start(network.host('seeder'))
    await seeder.seed(torrent, { trackers: [urls.udp] })
    await until('the seeder is known', 15_000, () => server.stats().seeders === 1)
    // It takes its time before it looks at a torrent, while the others are at work.
    daemonFolder = scope.folder()
    mkdirSync(join(daemonFolder, 'downloads'))
    transmission = Transmission.start(scope, network.host('transmission')).then(async daemon => {
      await daemon.add({ torrent: torrent.file }, join(daemonFolder, 'downloads'))
      return daemon
    })
    transmission.catch(() => {})
  })
  after(() => scope.close())

  const compare = async (folder: string): Promise<void> => {
    for (const file of torrent.files) {
      if (file.length === 0) continue // transmission makes none of them
      const expected = await sha256OfFile(join(torrent.source, ...file.path))
      assert.equal(await sha256OfFile(join(folder, ...file.path)), expected, file.path.join('/'))
    }
  }
  const saysOf = (address: string): string[] =>
    taken.filter(({ peer }) => peer.host === address).map(({ transport, event }) => `${transport} ${event}`)

  it('tells aria2c of libtorrent, over HTTP', { timeout: 60_000 }, async () => {
    const folder = scope.folder()
    const host = network.host('aria2c')
    const args = [`--bt-tracker=${urls.http}`]
    await Aria2.download(host, { source: torrent.file, folder, args }).completed(30_000)
    await compare(folder)
    await until('it says good-bye', 10_000, () => saysOf(host.address).includes('http stopped'))
    assert.deepEqual(saysOf(host.address), ['http started', 'http stopped'])
  })

  it('tells libtorrent of libtorrent, over HTTP', { timeout: 60_000 }, async () => {
    const host = network.host('leecher')
    const folder = scope.folder()
    const leecher = await Libtorrent.start(host)
    await leecher.add({ torrent: torrent.file, folder, trackers: [urls.http] })
    await leecher.until(torrent.infohash, status => status.seeding, 30_000, 'complete')
    await compare(folder)
    await until('it completed', 10_000, () => saysOf(host.address).includes('http completed'))
  })

  it('tells our own client of libtorrent, over UDP', { timeout: 60_000 }, async () => {
    const folder = scope.folder()
    const client = new Client({
      downloadDir: folder,
      disableDht: true,
      listenAddr: { host: network.ownAddress(), port: 0 },
    })
    scope.defer(() => client.close())
    const own = await client.add({
      magnet: formatMagnet({ infohash: torrent.infohash, trackers: [[urls.udp]] }),
    })
    await own.whenReady()
    own.download()
    await until('complete', 30_000, () => own.status().storedBytes === own.status().length)
    await until('it completed', 10_000, () => saysOf(network.address).includes('udp completed'))
    await client.close()
    await compare(folder)
    await until('it says good-bye', 10_000, () => saysOf(network.address).includes('udp stopped'))
    const completed = taken.filter(({ event }) => event === 'completed')
    assert.equal(server.scrape(torrent.infohash)?.downloads, completed.length)
  })

  it('tells transmission of libtorrent, over UDP', { timeout: 60_000 }, async () => {
    const daemon = await transmission
    await daemon.until(torrent.infohash, status => status.percentDone === 1, 30_000, 'complete')
    await compare(join(daemonFolder, 'downloads'))
    await daemon.stop()
    await until('it says good-bye', 10_000, () => saysOf(daemon.address).includes('udp stopped'))
  })
})
