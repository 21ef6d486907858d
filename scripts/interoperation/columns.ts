/**
 * What is tried of each program: one function a column.
 */
import { formatMagnet } from '../../src/torrent/index.js'
import { dial } from '../../src/torrent/peer/dialer.js'
import { eventually } from '../../test/support/child.js'
import { LibtorrentNodes } from '../../test/support/dht-nodes.js'
import { Libtorrent } from '../../test/support/libtorrent.js'
import { withNode } from '../../test/support/torrent-file.js'
import { bracketed, KiB, type Column, type Running, type Traits } from './program.js'
import type { Trial } from './trial.js'

/** Clients tell of their peers once a minute. */
const PEX_MS = 150_000
const DHT_PORT = 7000
/** Some programs take a DHT of a few nodes for a broken one. */
const DHT_NODES = 12
const OUR_ID = Buffer.from('-TFintero-0123456789')

export const TRIALS: Readonly<Record<Column, (trial: Trial) => Promise<void>>> = {
  'seeds to us': trial => seedsToUs(trial, {}),
  'leeches from us': trial => leechesFromUs(trial, {}),
  magnet,
  'DHT only': dhtOnly,
  'PEX only': pexOnly,
  'LSD only': lsdOnly,
  'uTP only': trial => bothWays(trial, { utp: true }, ['-disableTcp'], ['-disableUtp']),
  encrypted: trial => bothWays(trial, { encrypted: true }, ['-encryption=require'], []),
  IPv6: ipv6,
  fast,
}

function endpoint({ host, port }: Running): string {
  return `${bracketed(host)}:${port}`
}

/** We call the program, and read what it seeds. */
async function seedsToUs(
  trial: Trial,
  traits: Traits,
  args: readonly string[] = [],
  allowed: readonly string[] = [],
): Promise<void> {
  const peer = await trial.start(traits)
  await peer.seed(trial.torrent)
  const torrents = [trial.torrent.file]
  const daemon = await trial.ours({ torrents, testPeers: [endpoint(peer)] }, { args, allowed })
  await trial.read(daemon)
}

/** The program finds us by a tracker, and downloads what lies in our folder. */
async function leechesFromUs(
  trial: Trial,
  traits: Traits,
  args: readonly string[] = [],
  allowed: readonly string[] = [],
): Promise<void> {
  const { tracker, tracked } = await trial.track()
  const options = { torrents: [tracked.file], downloadDir: trial.copy(), trackers: true }
  await trial.ours(options, { args, allowed })
  await tracker.seeders(trial.torrent.infohash, 1, 30_000)
  const peer = await trial.start(traits)
  await trial.leeches(peer, { torrent: tracked.file })
}

async function bothWays(
  trial: Trial,
  traits: Traits,
  args: readonly string[],
  allowed: readonly string[],
): Promise<void> {
  await seedsToUs(trial, traits, args, allowed)
  await leechesFromUs(trial, traits, args, allowed)
}

/** We get the metadata and the content of it; then it gets both of us. */
async function magnet(trial: Trial): Promise<void> {
  const seeding = await trial.start({})
  await seeding.seed(trial.torrent)
  await trial.read(await trial.ours({ magnets: [trial.magnet], testPeers: [endpoint(seeding)] }))
  const { tracker, tracked } = await trial.track()
  await trial.ours({ torrents: [tracked.file], downloadDir: trial.copy(), trackers: true })
  await tracker.seeders(trial.torrent.infohash, 1, 30_000)
  const { infohash, name } = trial.torrent
  const link = formatMagnet({ infohash, name, trackers: [[tracker.httpUrl]] })
  await trial.leeches(await trial.start({}), { magnet: link })
}

/** Both know one node of the DHT and nothing of each other. */
async function dhtOnly(trial: Trial): Promise<void> {
  const router = trial.host('router')
  const nodes = await LibtorrentNodes.start(router, { count: DHT_NODES, firstPort: DHT_PORT })
  await nodes.connected()
  const node = { host: router.address, port: DHT_PORT }
  const peer = await trial.start({ dht: node })
  // Not every program can be told a node: the torrent names it to all.
  await peer.seed({ ...trial.torrent, file: withNode(trial.torrent, node) })
  await trial.read(await trial.ours({ magnets: [trial.magnet], dht: [`${node.host}:${node.port}`] }))
}

async function pexOnly(trial: Trial): Promise<void> {
  if (!trial.program.hearsOfPeersOnly) await pexFromIt(trial)
  await pexFromUs(trial)
}

/** The program has next to nothing, but tells us of a seeder it is connected with. */
async function pexFromIt(trial: Trial): Promise<void> {
  const { tracker, tracked } = await trial.track()
  const seeder = await Libtorrent.start(trial.host('seeder'))
  await seeder.seed(trial.torrent, { trackers: [tracker.httpUrl] })
  await tracker.seeders(trial.torrent.infohash, 1)
  const peer = await trial.start({ pex: true, downloadLimit: 20 * KiB })
  // Its download is slow, and never done.
  void trial.leeches(peer, { torrent: tracked.file }).catch(() => {})
  const daemon = await trial.ours(
    { torrents: [trial.torrent.file], testPeers: [endpoint(peer)] },
    { allowed: ['-disablePex'] },
  )
  await trial.read(daemon, PEX_MS)
  const given = await seeder.uploaded(trial.torrent.infohash)
  if (given < trial.torrent.length * 0.8) throw new Error(`the seeder it knew gave only ${given} bytes`)
  await tracker.stop()
}

/** We have nothing, since nobody reads, but tell it of a seeder we are connected with. */
async function pexFromUs(trial: Trial): Promise<void> {
  const { tracked } = await trial.track()
  const seeder = await Libtorrent.start(trial.host('unannounced'))
  await seeder.seed(trial.torrent)
  const options = {
    torrents: [tracked.file],
    testPeers: [`${seeder.address}:${seeder.port}`],
    trackers: true,
  }
  await trial.ours(options, { allowed: ['-disablePex'] })
  await seeder.until(trial.torrent.infohash, status => status.peers > 0, 30_000, 'connected with us')
  await trial.leeches(await trial.start({ pex: true }), { torrent: tracked.file }, PEX_MS)
}

async function lsdOnly(trial: Trial): Promise<void> {
  const daemon = await trial.ours({ magnets: [trial.magnet] }, { allowed: ['-disableLsd'] })
  const peer = await trial.start({ lsd: true })
  await peer.seed(trial.torrent)
  await trial.read(daemon)
}

/** Nobody has an IPv4 address of anybody. */
async function ipv6(trial: Trial): Promise<void> {
  const peer = await trial.start({ ipv6: true })
  await peer.seed(trial.torrent)
  const options = { torrents: [trial.torrent.file], testPeers: [endpoint(peer)], ipv6: true }
  await trial.read(await trial.ours(options))
}

/** It sets the bit of BEP 6, and says in one message that it has everything. */
async function fast(trial: Trial): Promise<void> {
  const peer = await trial.start({})
  await peer.seed(trial.torrent)
  const identity = { infohash: Buffer.from(trial.torrent.infohash, 'hex'), peerId: OUR_ID }
  await eventually('it has everything, and says so at once', 30_000, async () => {
    const connection = await dial(peer, identity).catch(() => undefined)
    if (connection === undefined) return undefined
    const types: string[] = []
    connection.setEvents({
      message: message => void types.push(message.type),
      blockTarget: () => null,
      block() {},
      turn() {},
      drain() {},
      close() {},
    })
    try {
      if (!connection.supportsFast) throw new Error('it has no fast extension')
      return await eventually('a message about its pieces', 3000, () => types.includes('haveAll')).catch(
        () => undefined,
      )
    } finally {
      connection.close()
    }
  })
}
