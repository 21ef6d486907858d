/**
 * What the daemon is doing, as log lines for an operator who wonders why something is slow.
 *
 * Must not change anything: it looks at snapshots.
 */

import type { ClientStatus, EdgeStatus, RateStatus, Torrent, TorrentStatus } from '../torrent/index.js'
import type { WatchStatus } from '../watch/index.js'
import type { DaemonLog } from './log.js'

/** Torrents that are told of one by one; the busiest first. */
const MAX_TORRENTS = 50
/** Peers of one torrent that are told of. */
const MAX_PEERS = 8

/** What a report is made of. */
export interface StatusSources {
  /** ms since the epoch. */
  readonly startedAt: number
  readonly torrents: Iterable<Pick<Torrent, 'status'>>
  readonly client: ClientStatus
  readonly watch: WatchStatus | undefined
}

/** Logs one line on the whole, and one on each torrent that someone reads or peers are connected to. */
export function reportStatus(log: Pick<DaemonLog, 'announce'>, sources: StatusSources): void {
  const { client } = sources
  let stored = 0
  let waiting = 0
  let peers = 0
  const busy: TorrentStatus[] = []
  for (const torrent of sources.torrents) {
    const status = torrent.status()
    stored += status.storedBytes
    waiting += status.waitingReads
    peers += status.peers.length
    if (status.openReaders > 0 || status.waitingReads > 0 || status.peers.length > 0) busy.push(status)
  }
  const minutes = ((Date.now() - sources.startedAt) / 60_000).toFixed(1)
  log.announce(
    {
      rssBytes: process.memoryUsage.rss(),
      ...(sources.watch === undefined ? {} : { watch: sources.watch }),
      ...trafficFields(client),
    },
    `status: up ${minutes} min, ${client.torrents} torrents, ${peers} peers, ${waiting} reads waiting, ` +
      `${bytes(stored)} stored, ${bytes(client.usefulBytes)} downloaded, ${bytes(client.uploadedBytes)} uploaded` +
      cacheText(client.cache) +
      limitText('download', client.rates.download) +
      limitText('upload', client.rates.upload),
  )
  const edge = edgeText(client.edge)
  if (edge !== '') log.announce({ edge: client.edge }, `status: ${edge}`)
  busy.sort(
    (a, b) =>
      b.waitingReads - a.waitingReads || b.openReaders - a.openReaders || b.peers.length - a.peers.length,
  )
  for (const status of busy.slice(0, MAX_TORRENTS))
    log.announce(torrentFields(status), `status: ${torrentLine(status)}`)
  if (busy.length > MAX_TORRENTS)
    log.announce({}, `status: and ${busy.length - MAX_TORRENTS} more torrents in use`)
}

/** What the ways to find and reach peers have brought, of those that have brought anything. */
function trafficFields({ sources, transports, wasted, pex, holepunch, lsd, dht }: ClientStatus): object {
  return {
    ...(dht === undefined ? {} : { dht }),
    ...(lsd === undefined ? {} : { lsd }),
    pex,
    holepunch,
    wasted,
    sources: used(sources, ({ addresses, connections }) => addresses + connections),
    transports: used(transports, ({ connections }) => connections),
  }
}

function used<T>(record: Readonly<Record<string, T>>, count: (value: T) => number): object {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => count(value) > 0))
}

/** Says by which ways it goes out and in, where that is not as usual. */
function edgeText({ proxy, proxyError, bound, blocklist, portMapping }: EdgeStatus): string {
  const parts: string[] = []
  if (proxy !== undefined)
    parts.push(`through ${proxy}${proxyError === undefined ? '' : `, which fails: ${proxyError}`}`)
  if (bound !== undefined) {
    const from = bound.addresses.join(' and ')
    parts.push(
      from === '' ? `nothing goes out: ${bound.name} has no address` : `from ${from} (${bound.name})`,
    )
  }
  if (blocklist !== undefined) {
    const blocked = Object.values(blocklist.blocked).reduce((sum, count) => sum + count, 0)
    parts.push(`${blocklist.ranges} ranges are blocked, which mattered ${blocked} times`)
  }
  if (portMapping !== undefined) {
    const { by, address, tcp, udp } = portMapping
    parts.push(
      `the router lets peers in at ${address ?? 'its address'}, TCP ${tcp ?? 'no'}, UDP ${udp ?? 'no'} (${by})`,
    )
  }
  return parts.join('; ')
}

/** Says how full the cache is, where there is one. */
function cacheText(cache: ClientStatus['cache']): string {
  if (cache === undefined) return ''
  const { used, max, evictedPieces, evictedBytes } = cache
  return `, cache ${bytes(used)} of ${bytes(max)} (${evictedPieces} pieces, ${bytes(evictedBytes)} given up)`
}

/** Says who is held back by a limit: torrents when downloading, peers when uploading. */
function limitText(what: string, { limit, waiting, urgent }: RateStatus): string {
  if (limit === 0) return ''
  const reads = urgent > 0 ? `, ${urgent} with reads` : ''
  return `, ${what} limit ${bytes(limit)}/s (${waiting} waiting for it${reads})`
}

function torrentLine(status: TorrentStatus): string {
  const rate = status.peers.reduce((sum, peer) => sum + peer.rate, 0)
  const size =
    status.length === undefined
      ? 'no metadata yet'
      : `${bytes(status.storedBytes)} of ${bytes(status.length)} stored`
  const unchoked = status.peers.filter(peer => !peer.choking).length
  return (
    `${JSON.stringify(status.name)}: ${size}, ${status.waitingReads} reads waiting in ${status.openReaders} open files, ` +
    `${status.openPieces} pieces under way, ${status.peers.length} peers (${unchoked} unchoke us, ${bytes(rate)}/s), ` +
    `${status.knownAddresses} addresses known${dhtText(status.dht)}`
  )
}

/** What the DHT has done for a torrent, if anything. */
function dhtText(dht: TorrentStatus['dht']): string {
  if (dht === undefined || dht.state === 'off') return ''
  if (dht.lastMs === undefined) return `, DHT ${dht.state}`
  return `, DHT ${dht.state}: ${dht.found} peers of ${dht.asked} nodes ${Math.round(dht.lastMs / 1000)} s ago`
}

function torrentFields(status: TorrentStatus): object {
  const peers = [...status.peers].sort((a, b) => b.outstanding - a.outstanding).slice(0, MAX_PEERS)
  return {
    infohash: status.infohash,
    ...(status.private === true ? { private: true } : {}),
    ...(status.selectOnly === undefined ? {} : { selectOnly: status.selectOnly }),
    wastedBytes: status.wastedBytes,
    failedPieces: status.failedPieces,
    peers: peers.map(peer => ({
      address: peer.address,
      client: peer.client,
      encryption: peer.encryption,
      transport: peer.transport,
      rate: Math.round(peer.rate),
      rttMs: Math.round(peer.rttMs),
      outstanding: peer.outstanding,
      ...(peer.choking ? { choking: true } : {}),
      ...(peer.snubbed ? { snubbed: true } : {}),
    })),
    ...(status.webSeeds.length === 0 ? {} : { webSeeds: webSeedFields(status) }),
    trackers: status.trackers,
    ...(status.dht === undefined ? {} : { dht: status.dht }),
  }
}

/** Those that take part or cannot, the ones with problems first. */
function webSeedFields(status: TorrentStatus): object[] {
  const told = status.webSeeds.filter(seed => seed.active || (seed.banned ?? seed.problem) !== undefined)
  told.sort((a, b) => Number(b.problem !== undefined) - Number(a.problem !== undefined))
  return told
    .slice(0, MAX_PEERS)
    .map(({ url, requests, received, missingParts, problem, restMs, banned }) => ({
      url,
      requests,
      received,
      ...(missingParts === 0 ? {} : { missingParts }),
      ...(problem === undefined ? {} : { problem }),
      ...(restMs === undefined ? {} : { restMs }),
      ...(banned === undefined ? {} : { banned }),
    }))
}

/** `1.5 MiB` */
function bytes(count: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let unit = 0
  for (; count >= 1024 && unit < units.length - 1; unit++) count /= 1024
  return `${unit === 0 ? Math.round(count) : count.toFixed(1)} ${units[unit]}`
}
