/**
 * Which extensions one torrent speaks with its peers, and whom each of them asks or tells.
 *
 * Owns the extensions and the metadata exchange. What they do is their own business, each in its file.
 */
import type { PeerMessage, PeerNumber } from './core/events.js'
import { CustomExtensions, type CustomExtension } from './custom-extensions.js'
import { dontHave, tellLost } from './extensions/dont-have.js'
import type { Extension } from './extensions/extension.js'
import type { ExtensionPeer } from './extensions/extension-peer.js'
import { Holepunch, type HolepunchCounts } from './extensions/holepunch.js'
import { Pex, type PexCounts } from './extensions/pex.js'
import { UploadOnly } from './extensions/upload-only.js'
import { utMetadata } from './extensions/ut-metadata.js'
import { hostOfBytes, type HostPort } from './metainfo/addresses.js'
import type { Logger } from './logger.js'
import { parseInfo, type Info } from './metainfo/info.js'
import { MetadataLink } from './metadata-link.js'
import { PeerTalk } from './peer-talk.js'
import type { Link, Swarm } from './swarm.js'
import type { Torrent } from './torrent.js'
import type { TorrentEngine } from './torrent-engine.js'
import type { WireMessage } from './wire/messages.js'
import { METADATA_EXTENSION } from './wire/metadata-message.js'

export interface TorrentTalkOptions {
  /** 40 hexadecimal digits. */
  readonly infohash: string
  /** What we tell peers that we are; undefined for nothing. */
  readonly clientName: string | undefined
  readonly swarm: Swarm
  /** The port peers may connect to; 0 for none. */
  readonly port: () => number
  /** Undefined before the metadata is known. */
  readonly info: () => Info | undefined
  /** Whether peers may be told of peers now. */
  readonly gossips: () => boolean
  /** Undefined before the storage is open. */
  readonly engine: () => TorrentEngine | undefined
  /** A peer runs a DHT node at this port of its host. */
  readonly nodeAt: (link: Link, port: number) => void
  /** The info dictionary came from a peer, and matches the infohash. */
  readonly metadataFound: (info: Info) => void
  /** The same, but it is no valid one: whoever made the torrent made a mistake. */
  readonly metadataBroken: (error: unknown) => void
  /** For the user's extensions. */
  readonly torrent: Torrent
  readonly custom: readonly CustomExtension[]
  readonly logger: Logger
}

export class TorrentTalk {
  readonly metadata: MetadataLink
  readonly peers: PeerTalk
  readonly custom: CustomExtensions
  readonly #o: TorrentTalkOptions
  readonly #pex: Pex
  readonly #holepunch: Holepunch

  constructor(o: TorrentTalkOptions) {
    this.#o = o
    const { swarm } = o
    const post = (...[event]: Parameters<TorrentEngine['post']>): void => o.engine()?.post(event)
    this.metadata = new MetadataLink({
      infohash: o.infohash,
      send: (peer, payload) => this.#send(peer, METADATA_EXTENSION, payload),
      found: raw => this.#found(raw),
      blame: peer => swarm.drop(peer, 'sent wrong metadata', true),
    })
    const peers = (): Iterable<ExtensionPeer> => this.peers.peers()
    this.#pex = new Pex({ allowed: o.gossips, peers, found: addresses => swarm.add(addresses, 'pex') })
    this.#holepunch = new Holepunch({
      peers,
      tellersOf: address => this.#pex.tellersOf(address),
      connect: address => swarm.punch(address),
      isOwn: address => swarm.isOwn(address),
    })
    const drop = swarm.drop.bind(swarm)
    this.custom = new CustomExtensions({ extensions: o.custom, torrent: o.torrent, drop, logger: o.logger })
    const extensions: Extension[] = [
      utMetadata(this.metadata, () => o.info()?.raw.length),
      dontHave((peer, piece) => {
        const link = swarm.link(peer)
        if (link !== undefined) this.message(link, { type: 'dontHave', piece })
      }),
      new UploadOnly({
        // Who shows its pieces one by one is no seed to others.
        own: () => o.engine()?.core.uploadOnly === true && !o.engine()?.core.superSeeding,
        changed: (peer, uploadOnly) => post({ type: 'uploadOnly', peer, uploadOnly }),
        peers,
      }),
      this.#pex,
      this.#holepunch,
      ...this.custom.extensions(),
    ]
    this.peers = new PeerTalk({
      extensions,
      clientName: o.clientName,
      port: o.port,
      seenFrom: address => swarm.seenFrom(hostOfBytes(address)),
      requestQueue: (peer, requests) => post({ type: 'requestQueue', peer, requests }),
    })
  }

  /** Takes what a peer says. @throws ProtocolError, which ends the connection */
  message(link: Link, message: WireMessage | PeerMessage): void {
    if (message.type === 'extended') return this.peers.extended(link, message.id, message.payload)
    if (message.type === 'port') return this.#o.nodeAt(link, message.port)
    const engine = this.#o.engine()
    if (engine !== undefined) return engine.message(link.number, message)
    if (!this.peers.keep(link, message)) this.#o.swarm.drop(link.number, 'says too much', false)
  }

  get pexCounts(): Readonly<PexCounts> {
    return this.#pex.counts
  }

  get holepunchCounts(): Readonly<HolepunchCounts> {
    return this.#holepunch.counts
  }

  /** The engine has taken over a connection: it is told what the peer said before. */
  handOver(link: Link, engine: TorrentEngine): void {
    const { requestQueue, uploadOnly, early } = this.peers.takeNotes(link)
    const peer = link.number
    if (requestQueue !== undefined) engine.post({ type: 'requestQueue', peer, requests: requestQueue })
    if (uploadOnly) engine.post({ type: 'uploadOnly', peer, uploadOnly })
    for (const message of early) engine.message(peer, message)
  }

  /** The metadata is known, from peers or elsewhere. */
  metadataKnown(raw: Uint8Array): void {
    this.metadata.setRaw(raw)
    this.peers.renew()
  }

  /** A stored piece is not to be trusted any more, or was given up: peers must not ask for it. */
  pieceLost(piece: number): void {
    tellLost(this.peers.peers(), piece)
  }

  /** An address that was called does not answer: perhaps a peer that told of it can help. */
  unreachable(address: HostPort): void {
    this.#holepunch.unreachable(address)
  }

  /** Regular care, once a second. */
  tick(): void {
    this.metadata.ask()
    this.peers.tick(performance.now())
    // Two that want nothing have nothing to say to each other.
    for (const peer of this.#o.engine()?.core.uselessPeers() ?? []) {
      this.#o.swarm.drop(peer, 'neither wants anything', false)
    }
  }

  #found(raw: Uint8Array): void {
    let info: Info
    try {
      info = parseInfo(raw)
    } catch (error) {
      return this.#o.metadataBroken(error)
    }
    this.#o.metadataFound(info)
  }

  #send(peer: PeerNumber, name: string, payload: Uint8Array): void {
    this.peers.peer(peer)?.send(name, payload)
  }
}
