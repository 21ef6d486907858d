/**
 * Gathers the traffic of one torrent from those who count it.
 *
 * Owns nothing.
 */
import type { Swarm } from './swarm.js'
import type { TorrentEngine } from './torrent-engine.js'
import type { TorrentTalk } from './torrent-talk.js'
import { NO_TRAFFIC, type Traffic } from './traffic.js'
import type { TorrentWebSeedStatus, WebSeeds } from './web-seeds.js'

export function torrentTraffic(
  swarm: Swarm,
  webSeeds: WebSeeds,
  talk: TorrentTalk,
  engine: TorrentEngine | undefined,
): Traffic {
  const payload = engine?.core.payload
  const { sources, transports } = swarm.traffic()
  const seeds = webSeeds.status()
  const http = seeds.filter(({ url }) => url.startsWith('http:'))
  const https = seeds.filter(({ url }) => !url.startsWith('http:'))
  return {
    usefulBytes: payload?.useful ?? 0,
    wastedBytes: payload?.wasted ?? 0,
    wasted: { ...(payload?.waste ?? NO_TRAFFIC.wasted) },
    failedPieces: payload?.failedPieces ?? 0,
    uploadedBytes: engine?.uploaded ?? 0,
    sources: { ...sources, webseed: { addresses: seeds.length, ...seedTraffic(seeds) } },
    transports: { ...transports, http: seedTraffic(http), https: seedTraffic(https) },
    pex: { ...talk.pexCounts },
    holepunch: { ...talk.holepunchCounts },
  }
}

/** Of a web seed a request is what a connection is of a peer. */
function seedTraffic(seeds: readonly TorrentWebSeedStatus[]): Traffic['transports']['http'] {
  const sum = (of: (seed: TorrentWebSeedStatus) => number): number =>
    seeds.reduce((total, seed) => total + of(seed), 0)
  return {
    connected: seeds.filter(({ active }) => active).length,
    connections: sum(({ requests }) => requests),
    downloaded: sum(({ received }) => received),
    uploaded: 0,
  }
}
