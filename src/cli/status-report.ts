/**
 * What the daemon is doing, as log lines for an operator who wonders why something is slow.
 *
 * Must not change anything: it looks at snapshots.
 */

import type { Torrent, TorrentStatus } from '../torrent/index.js'
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
  readonly watch: WatchStatus | undefined
}

/** Logs one line on the whole, and one on each torrent that someone reads or peers are connected to. */
export function reportStatus(log: Pick<DaemonLog, 'announce'>, sources: StatusSources): void {
  let count = 0
  let stored = 0
  let useful = 0
  let uploaded = 0
  let waiting = 0
  let peers = 0
  const busy: TorrentStatus[] = []
  for (const torrent of sources.torrents) {
    const status = torrent.status()
    count++
    stored += status.storedBytes
    useful += status.usefulBytes
    uploaded += status.uploadedBytes
    waiting += status.waitingReads
    peers += status.peers.length
    if (status.openReaders > 0 || status.waitingReads > 0 || status.peers.length > 0) busy.push(status)
  }
  const minutes = ((Date.now() - sources.startedAt) / 60_000).toFixed(1)
  log.announce(
    { rssBytes: process.memoryUsage.rss(), ...(sources.watch === undefined ? {} : { watch: sources.watch }) },
    `status: up ${minutes} min, ${count} torrents, ${peers} peers, ${waiting} reads waiting, ` +
      `${bytes(stored)} stored, ${bytes(useful)} downloaded, ${bytes(uploaded)} uploaded`,
  )
  busy.sort(
    (a, b) =>
      b.waitingReads - a.waitingReads || b.openReaders - a.openReaders || b.peers.length - a.peers.length,
  )
  for (const status of busy.slice(0, MAX_TORRENTS))
    log.announce(torrentFields(status), `status: ${torrentLine(status)}`)
  if (busy.length > MAX_TORRENTS)
    log.announce({}, `status: and ${busy.length - MAX_TORRENTS} more torrents in use`)
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
    `${status.knownAddresses} addresses known`
  )
}

function torrentFields(status: TorrentStatus): object {
  const peers = [...status.peers].sort((a, b) => b.outstanding - a.outstanding).slice(0, MAX_PEERS)
  return {
    infohash: status.infohash,
    wastedBytes: status.wastedBytes,
    failedPieces: status.failedPieces,
    peers: peers.map(peer => ({
      address: peer.address,
      client: peer.client,
      rate: Math.round(peer.rate),
      rttMs: Math.round(peer.rttMs),
      outstanding: peer.outstanding,
      ...(peer.choking ? { choking: true } : {}),
      ...(peer.snubbed ? { snubbed: true } : {}),
    })),
    trackers: status.trackers,
  }
}

/** `1.5 MiB` */
function bytes(count: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let unit = 0
  for (; count >= 1024 && unit < units.length - 1; unit++) count /= 1024
  return `${unit === 0 ? Math.round(count) : count.toFixed(1)} ${units[unit]}`
}
