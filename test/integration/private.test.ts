/** Private torrents (BEP 27): not one packet of the DHT, peer exchange or local discovery, from the daemon's first to its last. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { basename } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Capture, isDht, isLocalDiscovery, offersPeerExchange } from '../support/capture.js'
import type { TestTorrent } from '../support/content.js'
import { Daemon } from '../support/daemon.js'
import { Libtorrent } from '../support/libtorrent.js'
import { Network, type Host } from '../support/network.js'
import { Opentracker } from '../support/opentracker.js'
import { skipWithout } from '../support/project.js'
import { Scope } from '../support/scope.js'
import { ScriptedPeer } from '../support/scripted-peer.js'
import { withTracker } from '../support/torrent-file.js'

const skip = skipWithout('daemon', 'fuse', 'namespaces', 'libtorrent', 'opentracker', 'tcpdump')

/** How long the daemon has for what it must not do, or must: a first round of everything. */
const WATCHED_MS = 8000

interface Seen {
  readonly packets: number
  readonly dht: number
  readonly localDiscovery: number
  /** Extension handshakes that offered it, and messages of it. */
  readonly peerExchange: number
  /** Extension handshakes that the scripted peer got of the daemon. */
  readonly handshakes: number
}

interface Case {
  readonly private: boolean
  readonly magnet: boolean
}

/** A daemon on a fresh network reads the torrent to its end, and waits; what was seen of it on the wire. */
async function watch({ private: isPrivate, magnet }: Case): Promise<Seen> {
  const scope = new Scope()
  try {
    const network = Network.create(scope)
    const maker = await Libtorrent.maker(scope)
    const folder = scope.folder()
    const name = `${isPrivate ? 'private' : 'public'}${magnet ? ' magnet' : ''}`
    const torrent = await maker.make(
      folder,
      { name, files: [{ path: ['content'], length: 300_000 }] },
      { pieceLength: 16384, private: isPrivate },
    )
    const tracker = await Opentracker.start(scope, network.host('tracker'), [torrent.infohash])
    const seeder = await Libtorrent.start(network.host('seeder'))
    await seeder.seed(torrent, { trackers: [tracker.httpUrl] })
    const recorder = await ScriptedPeer.start(scope, network.ownAddress(), torrent, { pex: true })
    await tracker.seeders(torrent.infohash, 1)

    const host = network.host('daemon')
    routeMulticast(host)
    const capture = await Capture.start(scope, host)
    const daemon = await Daemon.start(scope, {
      host,
      trackers: true,
      testPeers: [recorder.endpoint],
      ...(magnet
        ? { magnets: [magnetOf(torrent, tracker)] }
        : { torrents: [withTracker(torrent, tracker.httpUrl, folder)] }),
      // Nobody there runs a node; asking is enough.
      dht: [`${seeder.address}:${seeder.port}`],
      // The offers of peer exchange are to be read.
      args: ['-encryption=disable'],
    })
    await daemon.listed(name, 30_000)
    await daemon.sha256(daemon.path(name, 'content'))
    await sleep(WATCHED_MS)
    const exit = await daemon.stop()
    assert.equal(exit.code, 0)
    const packets = await capture.stop()
    const handshakes = recorder.extended.filter(({ id }) => id === 0)
    const exchanged = recorder.extended.filter(({ id, payload }) => id === 5 || payload.includes('6:ut_pex'))
    // The recorder, which is no part of the daemon, offers it too.
    const offers = packets.filter(
      packet => offersPeerExchange(packet) && packet.destinationPort === recorder.port,
    )
    return {
      packets: packets.length,
      dht: packets.filter(isDht).length,
      localDiscovery: packets.filter(isLocalDiscovery).length,
      peerExchange: exchanged.length + offers.length,
      handshakes: handshakes.length,
    }
  } finally {
    await scope.close()
  }
}

function magnetOf(torrent: TestTorrent, tracker: Opentracker): string {
  return `magnet:?xt=urn:btih:${torrent.infohash}&tr=${encodeURIComponent(tracker.httpUrl)}`
}

/** The hosts have no route but to each other: multicast would fail before it reaches the wire. */
function routeMulticast(host: Host): void {
  const namespace = basename(host.namespace!)
  for (const [family, group] of [
    ['-4', '224.0.0.0/4'],
    ['-6', 'ff00::/8'],
  ] as const)
    spawnSync('ip', ['-n', namespace, family, 'route', 'add', 'multicast', group, 'dev', 'eth0'])
  spawnSync('ip', ['-n', namespace, 'route', 'add', '224.0.0.0/4', 'dev', 'eth0'])
}

describe('a daemon whose every torrent is private', { skip, timeout: 180_000 }, () => {
  for (const magnet of [false, true]) {
    it(`says nothing in public, told of it by ${magnet ? 'a magnet that names its tracker' : 'a torrent file'}`, async t => {
      const seen = await watch({ private: true, magnet })
      t.diagnostic(JSON.stringify(seen))
      assert.ok(seen.packets > 20 && seen.handshakes > 0, 'the capture saw nothing at all')
      assert.deepEqual(
        { dht: seen.dht, localDiscovery: seen.localDiscovery, peerExchange: seen.peerExchange },
        { dht: 0, localDiscovery: 0, peerExchange: 0 },
      )
    })
  }

  for (const magnet of [false, true]) {
    it(`would be seen to: a public one ${magnet ? 'by a magnet ' : ''}does all of it`, async (t: TestContext) => {
      const seen = await watch({ private: false, magnet })
      t.diagnostic(JSON.stringify(seen))
      assert.ok(seen.handshakes > 0)
      assert.ok(seen.dht > 0, 'no packet of the DHT')
      assert.ok(seen.localDiscovery > 0, 'no packet of local discovery')
      assert.ok(seen.peerExchange > 0, 'no peer exchange')
    })
  }
})
