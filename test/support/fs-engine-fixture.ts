/**
 * Torrents of the real engine for the mount conformance suite: a client of ours, and one peer of its that has just the
 * pieces the test has released.
 */
import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from '../../src/torrent/index.js'
import { buildMetainfo } from '../../src/torrent/metainfo/create.js'
import type { PeerConnection } from '../../src/torrent/peer/connection.js'
import { PeerListener } from '../../src/torrent/peer/listener.js'
import { Bitfield } from '../../src/torrent/pieces/bitfield.js'
import type { WireMessage } from '../../src/torrent/wire/messages.js'
import type { FixtureSpec, FixtureTorrent, MountFixture } from './fs-fixture.js'
import { until } from './fs-process.js'

const KiB = 1024

/** The whole content of a torrent, and what of it its peer admits to have. */
class SeededTorrent {
  readonly metainfo: Uint8Array
  readonly pieceLength: number
  readonly #content: Buffer
  readonly #offsets: number[] = []
  readonly #lengths: number[]
  readonly #released: Bitfield
  readonly #connections = new Set<PeerConnection>()

  constructor(spec: FixtureSpec) {
    this.#lengths = spec.files.map(file => file.content.length)
    let offset = 0
    for (const length of this.#lengths) {
      this.#offsets.push(offset)
      offset += length
    }
    this.#content = Buffer.concat(spec.files.map(file => file.content))
    this.pieceLength = offset > 32 * KiB * KiB ? KiB * KiB : 16 * KiB
    const hashes: Buffer[] = []
    for (let at = 0; at < offset; at += this.pieceLength) {
      hashes.push(
        createHash('sha1')
          .update(this.#content.subarray(at, at + this.pieceLength))
          .digest(),
      )
    }
    this.#released = new Bitfield(hashes.length)
    this.metainfo = buildMetainfo({
      name: spec.name,
      pieceLength: this.pieceLength,
      pieceHashes: Buffer.concat(hashes),
      ...(spec.creationDate === undefined ? {} : { creationDate: spec.creationDate }),
      ...(spec.salt === undefined ? {} : { source: spec.salt }),
      ...(spec.multiFile
        ? { files: spec.files.map(f => ({ path: f.path, length: f.content.length, pad: f.pad ?? false })) }
        : { length: offset }),
    })
  }

  release(file: number, begin: number, end: number): void {
    const offset = this.#offsets[file]!
    const [first, last] = [offset + begin, offset + Math.min(end, this.#lengths[file]!)]
    for (let piece = Math.floor(first / this.pieceLength); piece * this.pieceLength < last; piece++) {
      if (this.#released.set(piece)) for (const connection of this.#connections) connection.have(piece)
    }
  }

  serve(connection: PeerConnection): void {
    this.#connections.add(connection)
    connection.setEvents({
      message: message => this.#answer(connection, message),
      blockTarget: () => null,
      block() {},
      turn() {},
      drain() {},
      close: () => this.#connections.delete(connection),
    })
    connection.bitfield(this.#released.bytes.slice())
    connection.unchoke()
  }

  close(): void {
    for (const connection of [...this.#connections]) connection.close()
  }

  #answer(connection: PeerConnection, message: WireMessage): void {
    if (message.type !== 'request') return
    const at = message.piece * this.pieceLength + message.begin
    connection.block(message.piece, message.begin, this.#content.subarray(at, at + message.length))
  }
}

export class EngineTorrents implements MountFixture {
  readonly #root: string
  readonly #client: Client
  readonly #listener: PeerListener
  readonly #torrents: Map<string, SeededTorrent>

  private constructor(
    root: string,
    client: Client,
    listener: PeerListener,
    torrents: Map<string, SeededTorrent>,
  ) {
    this.#root = root
    this.#client = client
    this.#listener = listener
    this.#torrents = torrents
  }

  static async create(): Promise<EngineTorrents> {
    const torrents = new Map<string, SeededTorrent>()
    const peerId = randomBytes(20)
    const listener = new PeerListener({
      resolve: infohash =>
        torrents.has(infohash) ? { infohash: Buffer.from(infohash, 'hex'), peerId } : undefined,
      accept: (connection, infohash) => torrents.get(infohash)!.serve(connection),
    })
    await listener.listen('127.0.0.1', 0)
    const root = await mkdtemp(join(tmpdir(), 'torrentfs-engine-'))
    const client = new Client({
      downloadDir: root,
      disableTrackers: true,
      disableDht: true,
      listenAddr: { host: '127.0.0.1', port: 0 },
      testPeers: [{ host: '127.0.0.1', port: listener.port }],
    })
    await client.listen()
    return new EngineTorrents(root, client, listener, torrents)
  }

  async add(spec: FixtureSpec): Promise<FixtureTorrent> {
    const seeded = new SeededTorrent(spec)
    const torrent = this.#client.addNow({ metainfo: seeded.metainfo })
    this.#torrents.set(torrent.infohash, seeded)
    await until('the torrent is ready', 10_000, () => torrent.ready)
    // What is released must be stored even if no one reads it.
    torrent.download()
    const release = (file: number, begin = 0, end = Infinity): void => seeded.release(file, begin, end)
    if (spec.stored) {
      spec.files.forEach((_, index) => release(index))
      const complete = (): boolean =>
        torrent.files.every(file => file.pad || file.storedBytes === file.length)
      await until('the torrent is complete', 30_000, complete)
    }
    return { port: torrent, release }
  }

  async remove(infohash: string): Promise<void> {
    await this.#client.remove(infohash)
    this.#torrents.get(infohash)?.close()
    this.#torrents.delete(infohash)
  }

  async close(): Promise<void> {
    await this.#client.close()
    await this.#listener.close()
    for (const torrent of this.#torrents.values()) torrent.close()
    await rm(this.#root, { recursive: true, force: true })
  }
}
