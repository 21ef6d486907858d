/**
 * One torrent of a client, from its first mention to its removal.
 *
 * Owns its swarm, its metadata, its engine once the metadata is known, and its announces. Decides nothing about pieces
 * (core) and nothing about connections (swarm): it joins them.
 */
import { EventEmitter } from 'node:events'

import type { StoreTarget } from './data/piece-store.js'
import { Announcer } from './discovery/announcer.js'
import { causedBy, TorrentError } from './errors.js'
import { File } from './file.js'
import { MetadataLink } from './metadata-link.js'
import { parseInfo, type Info } from './metainfo/info.js'
import { hostOfBytes, type HostPort } from './metainfo/addresses.js'
import type { Identity } from './peer/handshaking.js'
import { PeerTalk } from './peer-talk.js'
import type { ReaderSource } from './reader.js'
import { storageTorrentOf } from './storage-torrent.js'
import type { TorrentStorage } from './storage/storage.js'
import { StoredBytes } from './stored-bytes.js'
import { Swarm, type Link, type SwarmEvents } from './swarm.js'
import { TorrentEngine, type EngineOwner } from './torrent-engine.js'
import type { TorrentContext, TorrentSeed } from './torrent-context.js'
import { torrentStatus, type TorrentStatus } from './torrent-status.js'
import type { WireMessage } from './wire/messages.js'

interface TorrentEvents {
  /** The metadata is known and the storage open: there are files. */
  ready: []
  /** A piece was stored. */
  stored: [piece: number]
  /** Everything selected is stored. */
  complete: []
  /** It was removed from its client, or the client closed. */
  removed: []
  /** Something the user should know; the torrent goes on. */
  warning: [error: TorrentError]
}

export class Torrent extends EventEmitter<TorrentEvents> {
  readonly infohash: string
  readonly #context: TorrentContext
  readonly #swarm: Swarm
  readonly #metadata: MetadataLink
  readonly #trackers: Announcer | undefined
  readonly #talk: PeerTalk
  #name: string
  #creationDate: number | undefined
  #info: Info | undefined
  #files: readonly File[] = []
  #engine: TorrentEngine | undefined
  #target: StoreTarget | undefined
  #storage: TorrentStorage | undefined
  #storedBytes: StoredBytes | undefined
  #ended: TorrentError | undefined
  #opening: Promise<void> | undefined
  #selectAll = false

  /** Made by {@link Client.add}. */
  constructor(context: TorrentContext, seed: TorrentSeed) {
    super()
    this.infohash = seed.infohash
    this.#context = context
    this.#name = seed.name ?? seed.infohash
    this.#creationDate = seed.creationDate
    const identity = { infohash: Buffer.from(seed.infohash, 'hex'), peerId: context.peerId }
    this.#swarm = new Swarm({
      identity,
      limits: context.limits,
      maxPeers: context.maxPeersPerTorrent,
      events: this.#swarmEvents(),
      logger: context.logger,
    })
    this.#metadata = new MetadataLink({
      infohash: seed.infohash,
      send: (peer, payload) => {
        const link = this.#swarm.link(peer)
        if (link !== undefined) this.#talk.sendMetadata(link, payload)
      },
      found: raw => this.#foundMetadata(raw),
      blame: peer => this.#swarm.drop(peer, 'sent wrong metadata', true),
    })
    this.#talk = new PeerTalk({
      metadata: this.#metadata,
      metadataLength: () => this.#info?.raw.length,
      port: () => context.port(),
      seenFrom: address => {
        const host = hostOfBytes(address)
        if (context.port() > 0) this.#swarm.setOwn({ host, port: context.port() })
      },
      requestQueue: (peer, requests) => this.#engine?.post({ type: 'requestQueue', peer, requests }),
    })
    this.#trackers = this.#makeAnnouncer(identity, seed.trackers)
    if (seed.info !== undefined) this.setInfo(seed.info)
    this.addPeers(seed.peers)
    // With metadata, the announcing waits for the storage: it would otherwise say that all is left to download.
    if (seed.info === undefined) this.#trackers?.start()
  }

  /** The metadata's name, made safe; before it is known, the magnet's, else the infohash. */
  get name(): string {
    return this.#name
  }

  get info(): Info | undefined {
    return this.#info
  }

  /** When the torrent was made, by its maker's clock: ms since the epoch. */
  get creationDate(): number | undefined {
    return this.#creationDate
  }

  /** Every file, pad files included; empty until {@link ready}. */
  get files(): readonly File[] {
    return this.#files
  }

  /** The metadata is known and the storage open. */
  get ready(): boolean {
    return this.#engine !== undefined
  }

  /** The port peers connect to: see {@link Swarm.accept}. */
  get swarm(): Swarm {
    return this.#swarm
  }

  /** Resolves when {@link ready}. @throws the error that ended the torrent before */
  async whenReady(signal?: AbortSignal): Promise<void> {
    while (!this.ready) {
      if (this.#ended !== undefined) throw this.#ended
      signal?.throwIfAborted()
      await new Promise<void>(resolve => {
        const done = (): void => {
          this.off('ready', done)
          this.off('removed', done)
          signal?.removeEventListener('abort', done)
          resolve()
        }
        this.on('ready', done)
        this.on('removed', done)
        signal?.addEventListener('abort', done, { once: true })
      })
    }
  }

  /** Fetches everything, whether anyone reads it or not. */
  download(): void {
    this.#selectAll = true
    const info = this.#info
    if (info !== undefined) this.selectRange(0, info.length, true)
  }

  addPeers(addresses: readonly HostPort[]): void {
    if (addresses.length > 0 && this.#ended === undefined) this.#swarm.add(addresses, 'magnet')
  }

  /** Adds a peer that is tried again every 10 s for ever. */
  pinPeer(address: HostPort): void {
    if (this.#ended === undefined) this.#swarm.pin(address)
  }

  addTrackers(tiers: readonly (readonly string[])[]): void {
    if (this.#ended === undefined) this.#trackers?.addTrackers(tiers)
  }

  /** Takes the metadata from elsewhere than peers. Nothing happens when it is known already. */
  setInfo(info: Info): void {
    if (this.#info !== undefined || this.#ended !== undefined) return
    this.#info = info
    this.#name = info.name
    this.#metadata.setRaw(info.raw)
    this.#opening = this.#context.opening(info.infohash, () => this.#open(info))
  }

  /** The name of the metainfo's maker's date wins over none. */
  setCreationDate(date: number): void {
    this.#creationDate ??= date
  }

  /** Fetches the bytes [begin, end) whether anyone reads them or not; with false, no longer. */
  selectRange(begin: number, end: number, select: boolean): void {
    const pieces = this.#info?.geometry.piecesIn(begin, end)
    if (pieces !== undefined) this.#engine?.post({ type: select ? 'select' : 'deselect', ...pieces })
  }

  /** Bytes of a file that are stored; 0 before {@link ready}. */
  storedBytesOf(file: number): number {
    return this.#storedBytes?.of(file) ?? 0
  }

  /** What a reader of a file needs. @throws the error the torrent ended with; ERR_TORRENTFS_ARGUMENT before ready */
  readerSource(file: File, readahead: number | undefined): ReaderSource {
    const engine = this.#engine
    if (this.#ended !== undefined) throw this.#ended
    if (engine === undefined) throw new TorrentError('ERR_TORRENTFS_ARGUMENT', `${this.#name} is not ready`)
    const where = this.#info?.multiFile === true ? [this.#name, ...file.path] : file.path
    return {
      name: where.join('/'),
      offset: file.offset,
      length: file.length,
      engine,
      readahead: readahead ?? this.#context.readaheadBytes,
      ended: () => this.#ended,
    }
  }

  /** A snapshot, plain data. */
  status(): TorrentStatus {
    return torrentStatus({
      torrent: this,
      links: this.#swarm.links(),
      known: this.#swarm.known,
      clientOf: peer => this.#talk.clientOf(peer),
      engine: this.#engine,
      length: this.#info?.length,
      storedBytes: this.#storedBytes?.total ?? 0,
      trackers: this.#trackers?.status() ?? [],
    })
  }

  /** Regular care, once a second, by the client. */
  maintain(): void {
    if (this.#ended !== undefined || (this.#swarm.idle && this.#engine?.core.active !== true)) return
    this.#metadata.ask()
    this.#engine?.post({ type: 'tick' })
    this.#dropUseless()
    this.#swarm.fill()
  }

  /** Memory was given back somewhere. */
  memoryReleased(): void {
    this.#engine?.memoryReleased()
  }

  /** Ends it: waiting reads reject with `error`. Data and resume state stay. Idempotent. */
  async end(error: TorrentError): Promise<void> {
    if (this.#ended !== undefined) return
    this.#ended = error
    this.#engine?.close(error)
    this.#swarm.close()
    this.emit('removed')
    const farewell = this.#trackers?.stop()
    await this.#opening
    if (this.#target !== undefined) await this.#context.store.detach(this.#target)
    this.#engine?.releaseMemory()
    await this.#storage?.close()
    await farewell
  }

  async #open(info: Info): Promise<void> {
    if (this.#ended !== undefined) return
    try {
      const torrent = storageTorrentOf(info)
      const storage = await this.#context.storage.open(torrent)
      this.#storage = storage
      if (this.#ended !== undefined) return
      this.#target = this.#context.store.attach(torrent, storage)
      this.#begin(info, storage, this.#target)
    } catch (error) {
      this.#warn(causedBy(error, 'ERR_TORRENTFS_STORAGE', this.#name))
    }
  }

  #begin(info: Info, storage: TorrentStorage, target: StoreTarget): void {
    const { store, budget, logger } = this.#context
    this.#storedBytes = new StoredBytes(info.geometry, storage.stored)
    const engine = new TorrentEngine({ target, store, budget, logger, owner: this.#engineOwner() })
    this.#engine = engine
    this.#files = info.files.map(file => new File(this, file))
    for (const link of this.#swarm.links()) this.#attach(engine, link, false)
    if (this.#selectAll) this.download()
    this.#trackers?.start()
    this.emit('ready')
  }

  #attach(engine: TorrentEngine, link: Link, fresh: boolean): void {
    link.connection.setBitfieldCap(Math.ceil(engine.stored.length / 8))
    engine.attach(link.number, link.connection, fresh)
    const { requestQueue, early } = this.#talk.takeNotes(link)
    if (requestQueue !== undefined) {
      engine.post({ type: 'requestQueue', peer: link.number, requests: requestQueue })
    }
    for (const message of early) engine.message(link.number, message)
  }

  #engineOwner(): EngineOwner {
    return {
      dropPeer: (peer, reason, ban) => this.#swarm.drop(peer, reason, ban),
      stored: piece => {
        this.#storedBytes?.add(piece)
        this.emit('stored', piece)
      },
      doubted: piece => this.#storedBytes?.remove(piece),
      complete: () => {
        if (this.#engine?.stored.full === true) this.#trackers?.completed()
        this.emit('complete')
      },
      storageState: error => {
        if (error !== undefined) this.#warn(error)
        else this.#context.logger.info({ torrent: this.#name }, 'storing works again')
      },
      wantsChanged: () => {
        this.#swarm.fill()
        const wanting = this.#engine?.core.wantsPeers ?? false
        if (wanting && this.#swarm.size === 0) this.#trackers?.requestPeers()
      },
    }
  }

  #swarmEvents(): SwarmEvents {
    return {
      connected: link => this.#connected(link),
      message: (link, message) => this.#message(link, message),
      blockTarget: (link, piece, begin, length) =>
        this.#engine?.blockTarget(link.number, piece, begin, length) ?? null,
      block: (link, piece, begin, length, kept) =>
        this.#engine?.block(link.number, piece, begin, length, kept),
      turn: link => this.#engine?.turn(link.number),
      drain: link => this.#engine?.drained(link.number),
      closed: link => {
        this.#talk.gone(link)
        this.#metadata.gone(link.number)
        this.#engine?.detach(link.number)
      },
      wanting: () => this.#engine?.core.wantsPeers ?? this.#info === undefined,
    }
  }

  #connected(link: Link): void {
    this.#talk.open(link)
    const engine = this.#engine
    if (engine !== undefined) this.#attach(engine, link, true)
    else if (link.connection.supportsFast) link.connection.haveNone()
    if (link.connection.supportsExtensions) this.#talk.greet(link)
  }

  #message(link: Link, message: WireMessage): void {
    if (message.type === 'extended') return this.#talk.extended(link, message.id, message.payload)
    if (message.type === 'port') return
    if (this.#engine !== undefined) return this.#engine.message(link.number, message)
    if (!this.#talk.keep(link, message)) this.#swarm.drop(link.number, 'says too much', false)
  }

  #foundMetadata(raw: Uint8Array): void {
    let info: Info
    try {
      info = parseInfo(raw)
    } catch (error) {
      return this.#warn(causedBy(error, 'ERR_TORRENTFS_METAINFO', `${this.#name}: its metadata`))
    }
    this.setInfo(info)
    this.#context.keepMetadata(this.infohash, raw).catch((error: unknown) => {
      this.#warn(causedBy(error, 'ERR_TORRENTFS_STORAGE', `${this.#name}: cannot keep its metadata`))
    })
  }

  /** Two that have everything have nothing to say to each other. */
  #dropUseless(): void {
    const core = this.#engine?.core
    if (core === undefined || !core.stored.full) return
    for (const link of this.#swarm.links()) {
      if (core.peer(link.number)?.hasAll === true)
        this.#swarm.drop(link.number, 'both have everything', false)
    }
  }

  #makeAnnouncer(identity: Identity, tiers: readonly (readonly string[])[]): Announcer | undefined {
    const { trackers, logger } = this.#context
    if (trackers === undefined) return undefined
    return new Announcer({
      tiers,
      infohash: identity.infohash,
      peerId: identity.peerId,
      port: () => this.#context.port(),
      stats: () => this.#announceStats(),
      onPeers: addresses => this.#swarm.add(addresses, 'tracker'),
      onWarning: error => logger.info({ torrent: this.#name }, error.message),
      trackers,
      logger,
    })
  }

  #announceStats(): { uploaded: number; downloaded: number; left: number | undefined } {
    const length = this.#info?.length
    return {
      uploaded: this.#engine?.uploaded ?? 0,
      downloaded: this.#engine?.core.payload.useful ?? 0,
      left: length === undefined ? undefined : length - (this.#storedBytes?.total ?? 0),
    }
  }

  #warn(error: TorrentError): void {
    this.#context.logger.warn({ torrent: this.#name, code: error.code }, error.message)
    this.emit('warning', error)
  }
}
