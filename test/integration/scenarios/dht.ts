/**
 * A magnet that names nobody, of a torrent that only the DHT knows: among libtorrent's nodes and ours, cold and with a saved
 * table, by IPv4 and by IPv6 alone.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { sha256OfFile, singleFile } from '../../support/content.js'
import { Daemon } from '../../support/daemon.js'
import { dhtSettings, LibtorrentNodes, startOwnNodes } from '../../support/dht-nodes.js'
import { Libtorrent } from '../../support/libtorrent.js'
import { Network } from '../../support/network.js'
import { Scope } from '../../support/scope.js'
import type { Figures } from './figures.js'

const MiB = 1 << 20

export interface DhtOptions {
  readonly ipv6: boolean
  /** How long the first byte may take from the start of the daemon's process, ms. */
  readonly coldMs: number
  readonly savedMs: number
}

export async function dht(figures: Figures, options: DhtOptions): Promise<void> {
  const { ipv6 } = options
  const scope = new Scope()
  try {
    const network = Network.create(scope)
    const theirs = await LibtorrentNodes.start(network.host('libtorrent nodes'), { count: 20, ipv6 })
    const [router] = theirs.addresses as [string]
    const ours = await startOwnNodes(network.host('our nodes'), { count: 10, ipv6 }, router)
    await theirs.connected()
    figures.note('nodes', theirs.addresses.length + ours.length)

    const seederHost = network.host('seeder')
    const seeder = await Libtorrent.start(seederHost, {
      ...dhtSettings(router),
      ...(ipv6 ? { listen_interfaces: `[${seederHost.address6}]:6881` } : {}),
    })
    const torrent = await seeder.make(scope.folder(), singleFile('known to the DHT alone.bin', 4 * MiB), {
      pieceLength: 256 * 1024,
    })
    await seeder.seed(torrent)
    // It announces when its own node knows others, at the first of these or a later one.
    await theirs.finds(torrent.infohash, async () => {
      await seeder.ask('dhtAnnounce', { infohash: torrent.infohash })
    })

    const host = network.host('daemon')
    const magnets = [`magnet:?xt=urn:btih:${torrent.infohash}`]
    const start = { host, ipv6, magnets, args: ['-logLevel=debug'] }
    const firstByte = async (label: string, more: object): Promise<{ daemon: Daemon; ms: number }> => {
      const began = performance.now()
      const daemon = await Daemon.start(scope, { ...start, ...more })
      const path = daemon.path(torrent.name)
      // The name appears with the metadata: whoever waits for it looks again and again.
      const wait = 'until head -c1 -- "$0" >/dev/null 2>&1; do sleep 0.02; done'
      await daemon.reader('sh', ['-c', wait, path], 90_000)
      const ms = performance.now() - began
      figures.note(`${label}: the daemon was ready after ms`, Math.round(daemon.readyMs))
      return { daemon, ms }
    }

    const cold = await firstByte('cold', { dht: [router] })
    figures.atMost('cold: first byte after', Math.round(cold.ms), options.coldMs, ' ms')
    const hash = await cold.daemon.sha256(cold.daemon.path(torrent.name))
    const expected = await sha256OfFile(join(torrent.source, torrent.name))
    figures.check('cold: sha256 of the file', hash === expected, hash)
    await cold.daemon.stop()
    const table = join(cold.daemon.downloadDir, '.torrentfs', 'dht')
    figures.check('the table was saved', existsSync(table), table)

    // A folder of its own, with the old table and nothing else: neither metadata nor data are there.
    const saved = readFileSync(table)
    figures.note('bytes of the saved table', saved.length)
    const downloadDir = scope.folder()
    mkdirSync(join(downloadDir, '.torrentfs'))
    writeFileSync(join(downloadDir, '.torrentfs', 'dht'), saved)
    const again = await firstByte('saved table', { dht: [], downloadDir })
    figures.atMost('saved table: first byte after', Math.round(again.ms), options.savedMs, ' ms')
    await again.daemon.stop()

    // We are found, too: a peer that knows the torrent's number alone gets it from us, when nobody else has it.
    const third = await Daemon.start(scope, { ...start, dht: [router], folder: cold.daemon.folder })
    await third.listed(torrent.name)
    await seeder.stop()
    const leecherHost = network.host('leecher')
    const leecher = await Libtorrent.start(leecherHost, {
      ...dhtSettings(router),
      ...(ipv6 ? { listen_interfaces: `[${leecherHost.address6}]:6881` } : {}),
    })
    await leecher.add({ magnet: magnets[0]!, folder: scope.folder() })
    await leecher.until(torrent.infohash, status => status.seeding, 90_000, 'complete, from us alone')
    figures.check('libtorrent found us by our announce', true, 'complete')
    await third.stop()
  } finally {
    await scope.close()
  }
}
