/**
 * What can be seen of a torrent from outside: plain data, a snapshot.
 */
import type { PeerNumber } from './core/events.js'
import type { DhtPresenceStatus } from './dht-presence.js'
import type { TrackerStatus } from './discovery/tracker-record.js'
import type { Info } from './metainfo/info.js'
import type { FileRange } from './metainfo/select-only.js'
import { formatAddress } from './peer/address.js'
import type { Protection } from './peer/encryption.js'
import type { Link } from './swarm.js'
import type { TorrentEngine } from './torrent-engine.js'
import type { Traffic, TrafficSource } from './traffic.js'
import type { TorrentWebSeedStatus, WebSeeds } from './web-seeds.js'
import type { WebSeed } from './webseed/web-seed.js'

/** A connected peer, or a web seed that takes part. */
export interface PeerStatus {
  readonly kind: 'peer' | 'webseed'
  /** `host:port`; of a web seed, its URL without credentials and query. */
  readonly address: string
  /** What it calls itself, if it said so. */
  readonly client: string | undefined
  readonly incoming: boolean
  /** Who told of its address. */
  readonly source: TrafficSource
  /** In the open, in the open behind an encrypted handshake, or encrypted whole; undefined for a web seed. */
  readonly encryption: Protection | undefined
  readonly transport: 'tcp' | 'utp' | 'http' | 'https'
  /** It does not answer requests now. */
  readonly choking: boolean
  /** We want something of it. */
  readonly interesting: boolean
  /** Bytes/s it delivers when it is busy for us. */
  readonly rate: number
  readonly rttMs: number
  /** Requests it has not answered. */
  readonly outstanding: number
  /** It delivers nothing of what it owes. */
  readonly snubbed: boolean
  /** Payload bytes. */
  readonly downloaded: number
  readonly uploaded: number
}

/** A torrent, as shown to users: plain data, fit for `structuredClone` and JSON. */
export interface TorrentStatus extends Traffic {
  /** 40 hexadecimal digits. */
  readonly infohash: string
  readonly name: string
  readonly ready: boolean
  /** BEP 27; undefined before the metadata is known. */
  readonly private: boolean | undefined
  /** The files that are meant (BEP 53); undefined for all. */
  readonly selectOnly: readonly FileRange[] | undefined
  /** Bytes; undefined before the metadata is known. */
  readonly length: number | undefined
  readonly storedBytes: number
  readonly openReaders: number
  /** Reads that wait for pieces. */
  readonly waitingReads: number
  /** Pieces that are being fetched. */
  readonly openPieces: number
  readonly knownAddresses: number
  /** Connected peers, and web seeds that take part now. */
  readonly peers: readonly PeerStatus[]
  /** Every web seed that is known. */
  readonly webSeeds: readonly TorrentWebSeedStatus[]
  readonly trackers: readonly TrackerStatus[]
  /** Undefined when the client runs no DHT. */
  readonly dht: DhtPresenceStatus | undefined
}

/** Where a status is taken from. */
export interface TorrentStatusSource {
  readonly torrent: Pick<TorrentStatus, 'infohash' | 'name' | 'ready' | 'selectOnly'> & {
    readonly info: Info | undefined
  }
  readonly links: Iterable<Link>
  readonly webSeeds: WebSeeds
  readonly known: number
  readonly clientOf: (peer: PeerNumber) => string | undefined
  readonly engine: TorrentEngine | undefined
  readonly length: number | undefined
  readonly storedBytes: number
  readonly trackers: readonly TrackerStatus[]
  readonly dht: DhtPresenceStatus | undefined
  readonly traffic: Traffic
}

export function torrentStatus(source: TorrentStatusSource): TorrentStatus {
  const { torrent, engine } = source
  const core = engine?.core
  return {
    infohash: torrent.infohash,
    name: torrent.name,
    ready: torrent.ready,
    private: torrent.info?.private,
    selectOnly: torrent.selectOnly,
    length: source.length,
    storedBytes: source.storedBytes,
    ...source.traffic,
    openReaders: core?.openReaders ?? 0,
    waitingReads: core?.waitingReads ?? 0,
    openPieces: core?.openPieces ?? 0,
    knownAddresses: source.known,
    peers: [
      ...Array.from(source.links, link => peerStatus(link, source.clientOf(link.number), engine)),
      ...Array.from(source.webSeeds.active(), active => webSeedStatus(active, engine)),
    ],
    webSeeds: source.webSeeds.status(),
    trackers: source.trackers,
    dht: source.dht,
  }
}

function peerStatus(
  { number, connection, source }: Link,
  client: string | undefined,
  engine: TorrentEngine | undefined,
): PeerStatus {
  return {
    kind: 'peer',
    address: formatAddress(connection.address),
    client,
    incoming: connection.incoming,
    source,
    encryption: connection.protection,
    transport: connection.kind,
    ...stateOf(number, engine),
    downloaded: connection.payloadReceived,
    uploaded: connection.payloadSent,
  }
}

function webSeedStatus(
  { number, seed }: { readonly number: PeerNumber; readonly seed: WebSeed },
  engine: TorrentEngine | undefined,
): PeerStatus {
  const { url, received } = seed.status()
  return {
    kind: 'webseed',
    address: url,
    client: undefined,
    incoming: false,
    source: 'webseed',
    encryption: undefined,
    transport: url.startsWith('https:') ? 'https' : 'http',
    ...stateOf(number, engine),
    downloaded: received,
    uploaded: 0,
  }
}

type Counted = 'choking' | 'interesting' | 'rate' | 'rttMs' | 'outstanding' | 'snubbed'

function stateOf(number: PeerNumber, engine: TorrentEngine | undefined): Pick<PeerStatus, Counted> {
  const state = engine?.core.peer(number)
  return {
    choking: state?.peerChoking ?? true,
    interesting: state?.amInterested ?? false,
    rate: Math.round(state?.rate ?? 0),
    rttMs: Math.round(state?.rttMs ?? 0),
    outstanding: state?.outstanding.size ?? 0,
    snubbed: state?.snubbedSince !== undefined,
  }
}
