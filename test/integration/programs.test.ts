/**
 * The real programs among themselves, without us: shows that the network, the trackers and the content of the other
 * tests are sound, so that a failure there is ours.
 */

import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { Aria2 } from '../support/aria2.js'
import { awkwardFolder, sha256OfFile, type TestTorrent } from '../support/content.js'
import { DelayProxy } from '../support/delay-proxy.js'
import { Libtorrent } from '../support/libtorrent.js'
import { Network } from '../support/network.js'
import { Opentracker } from '../support/opentracker.js'
import { skipWithout } from '../support/project.js'
import { ScriptedPeer } from '../support/scripted-peer.js'
import { Scope } from '../support/scope.js'
import { Transmission } from '../support/transmission.js'

const skip = skipWithout('namespaces', 'libtorrent', 'transmission', 'aria2c', 'opentracker')

describe('the real programs among themselves', { skip }, () => {
  const scope = new Scope()
  let network: Network
  let tracker: Opentracker
  let torrent: TestTorrent
  let seeder: Libtorrent

  before(async () => {
    network = Network.create(scope)
    const maker = await Libtorrent.maker(scope)
    torrent = await maker.make(scope.folder(), awkwardFolder('among themselves', 3), { pieceLength: 65536 })
    tracker = await Opentracker.start(scope, network.host('tracker'), [torrent.infohash])
    seeder = await Libtorrent.start(network.host('seeder'))
    await seeder.seed(torrent, { trackers: [tracker.httpUrl] })
  })
  after(() => scope.close())

  const compare = async (folder: string): Promise<void> => {
    for (const file of torrent.files) {
      if (file.length === 0) continue // transmission makes none of them
      const expected = await sha256OfFile(join(torrent.source, ...file.path))
      assert.equal(await sha256OfFile(join(folder, ...file.path)), expected, file.path.join('/'))
    }
  }

  it('aria2c downloads from libtorrent, found by the HTTP tracker', { timeout: 60_000 }, async () => {
    const folder = scope.folder()
    const aria = Aria2.download(network.host('aria2c'), {
      source: torrent.file,
      folder,
      args: [`--bt-tracker=${tracker.httpUrl}`],
    })
    await aria.completed(30_000)
    await compare(folder)
  })

  it('transmission downloads from libtorrent, found by the UDP tracker', { timeout: 60_000 }, async () => {
    const folder = join(scope.folder(), 'downloads')
    mkdirSync(folder)
    const daemon = await Transmission.start(scope, network.host('transmission'))
    await daemon.add({ torrent: torrent.file }, folder)
    await daemon.addTracker(torrent.infohash, tracker.udpUrl)
    await daemon.until(torrent.infohash, status => status.percentDone === 1, 30_000, 'complete')
    await compare(folder)
    await daemon.stop()
  })

  it(
    'libtorrent takes metadata and data from a peer of the tests, through a proxy that delays',
    { timeout: 60_000 },
    async () => {
      const peer = await ScriptedPeer.start(scope, network.ownAddress(), torrent, {
        chokeEveryBlocks: 50,
        chokeMs: 100,
      })
      const proxy = await DelayProxy.start(
        scope,
        network.ownAddress(),
        { host: peer.address, port: peer.port },
        { delayMs: 20 },
      )
      const leecher = await Libtorrent.start(network.host('leecher'))
      const folder = scope.folder()
      await leecher.add({
        magnet: `magnet:?xt=urn:btih:${torrent.infohash}`,
        folder,
        peers: [[proxy.address, proxy.port]],
      })
      await leecher.until(torrent.infohash, status => status.seeding, 30_000, 'complete')
      await compare(folder)
      assert.ok(peer.payloadSent >= torrent.length)
      assert.ok(proxy.bytesDown > torrent.length)
      assert.equal(await leecher.status(torrent.infohash).then(status => status.wasted), 0)
    },
  )

  it('libtorrent finds a corrupting peer of the tests corrupt', { timeout: 60_000 }, async () => {
    const peer = await ScriptedPeer.start(scope, network.ownAddress(), torrent, {
      corrupt: piece => piece === 3,
    })
    const leecher = await Libtorrent.start(network.host('leecher 2'))
    await leecher.add({
      torrent: torrent.file,
      folder: scope.folder(),
      trackers: [],
      peers: [[peer.address, peer.port]],
    })
    await leecher.until(torrent.infohash, status => status.wasted > 0, 30_000, 'warned by a failed hash')
    assert.ok(peer.corruptSent > 0)
  })
})
