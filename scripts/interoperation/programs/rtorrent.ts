/** rtorrent, without its terminal. What it is to load stands in its settings, so it starts when that is known. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Child } from '../../../test/support/child.js'
import type { TestTorrent } from '../../../test/support/content.js'
import { withTracker } from '../../../test/support/torrent-file.js'
import { missing, pathOf } from '../places.js'
import { addressOf, argumentOf, KiB, type Program, type Traits } from '../program.js'
import { firstLine } from '../versions.js'

const PORT = 6890
/** Nobody listens there. */
const NO_TRACKER = 'http://127.0.0.1:9/announce'

/** It loads no torrent that names no tracker. */
function loadable(torrent: TestTorrent, folder: string): string {
  const tracked = readFileSync(torrent.file).includes('8:announce')
  return tracked ? torrent.file : withTracker(torrent, NO_TRACKER, folder)
}

function settings(traits: Traits, address: string, session: string, folder: string, source: string): string {
  const { dht, downloadLimit } = traits
  return [
    'system.daemon.set = true',
    `session.path.set = ${session}`,
    `directory.default.set = ${folder}`,
    // It can be bound to an IPv4 address alone; bound to none it listens to both families.
    ...(traits.ipv6 === true
      ? []
      : [`network.bind_address.set = ${address}`, `network.local_address.set = ${address}`]),
    `network.port_range.set = ${PORT}-${PORT}`,
    'network.port_random.set = no',
    'pieces.hash.on_completion.set = no',
    'trackers.use_udp.set = yes',
    `dht.mode.set = ${dht === undefined ? 'disable' : 'on'}`,
    `dht.port.set = ${PORT}`,
    `protocol.pex.set = ${traits.pex === true ? 'yes' : 'no'}`,
    `protocol.encryption.set = allow_incoming,enable_retry${traits.encrypted === true ? ',require,require_RC4,try_outgoing' : ''}`,
    ...(downloadLimit === undefined
      ? []
      : [`throttle.global_down.max_rate.set_kb = ${Math.ceil(downloadLimit / KiB)}`]),
    ...(dht === undefined ? [] : [`schedule2 = node, 1, 10, "dht.add_node=${dht.host}:${dht.port}"`]),
    `schedule2 = load, 1, 0, ((load.start, "${source}"))`,
    '',
  ].join('\n')
}

export const rtorrent: Program = {
  name: 'rtorrent',
  lacks: { 'uTP only': 'no uTP', 'LSD only': 'no LSD', fast: 'no fast extension' },
  // In 200 s it told libtorrent of its one seeder no more than it told us.
  hearsOfPeersOnly: true,
  whyNot: () => missing(pathOf('rtorrent'), 'rtorrent is not installed'),
  version: () => /[\d.]+\d/.exec(firstLine('rtorrent', ['-h']))?.[0] ?? '',

  start(scope, host, traits) {
    const address = addressOf(host, traits)
    const session = scope.folder('torrentfs-rtorrent-')
    let running: Child | undefined
    const begin = (source: string, folder: string): void => {
      const file = join(session, 'rtorrent.rc')
      writeFileSync(file, settings(traits, address, session, folder, source))
      running = host.start('rtorrent', ['-n', '-o', `import=${file}`], { cwd: folder })
    }
    return Promise.resolve({
      host: address,
      port: PORT,
      // It seeds when it has hashed, and tells nobody: whoever downloads waits for that.
      seed: async torrent => begin(loadable(torrent, session), torrent.source),
      leech: async (source, folder) => begin(argumentOf(source), folder),
      log: () => `${running?.stdout.slice(-1500)}\n${running?.stderr.slice(-3000)}`,
    })
  },
}
