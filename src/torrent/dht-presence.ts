/**
 * One torrent's presence in the DHT: looked up and announced while it may be, and nodes traded with its peers. BEP 5.
 *
 * Owns the search. Begins and ends when it is told that the torrent may be looked for in public, or no longer.
 */
import type { Dht } from './discovery/dht/dht.js'
import type { Need, Search, SearchStatus } from './discovery/dht/searches.js'
import type { HostPort } from './metainfo/addresses.js'
import type { PeerConnection } from './peer/connection.js'

export interface DhtPresenceOptions {
  readonly dht: Dht
  /** 20 bytes. */
  readonly infohash: Uint8Array
  /** Nodes that the metainfo names. */
  readonly nodes: readonly HostPort[]
  /** The port peers may connect to; 0 for none. */
  readonly port: () => number
  readonly need: () => Need
  readonly onPeers: (addresses: readonly HostPort[]) => void
}

/** What is to be seen of it: a search, or that there is none now. */
export type DhtPresenceStatus = SearchStatus | { readonly state: 'off' }

export class DhtPresence {
  readonly #o: DhtPresenceOptions
  #search: Search | undefined

  constructor(options: DhtPresenceOptions) {
    this.#o = options
  }

  /** The torrent is looked up and announced now. */
  get active(): boolean {
    return this.#search !== undefined
  }

  begin(): void {
    const { dht, nodes } = this.#o
    if (nodes.length > 0) dht.addNodes(nodes)
    this.#search ??= dht.search(this.#o)
  }

  /** Nothing more is sent for this torrent. */
  end(): void {
    this.#search?.stop()
    this.#search = undefined
  }

  /** Somebody waits for peers that are not there. */
  hurry(): void {
    this.#search?.hurry(performance.now())
  }

  /** Tells a peer that runs a node where ours is. */
  greet(connection: PeerConnection): void {
    const { port } = this.#o.dht
    if (this.active && port > 0 && connection.supportsDht) connection.port(port)
  }

  /** A peer says where its node is. */
  heard(connection: PeerConnection, port: number): void {
    if (this.active && port > 0) this.#o.dht.addPeersNode({ host: connection.address.host, port })
  }

  status(): DhtPresenceStatus {
    return this.#search?.status(performance.now()) ?? { state: 'off' }
  }
}
