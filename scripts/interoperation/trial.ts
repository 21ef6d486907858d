/**
 * One cell of the matrix: fresh namespaces, a torrent nobody else has, one program, and a daemon of ours.
 */
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { formatMagnet } from '../../src/torrent/index.js'
import { eventually } from '../../test/support/child.js'
import { sha256OfFile, singleFile, writeLayout, type TestTorrent } from '../../test/support/content.js'
import { Daemon, type DaemonOptions } from '../../test/support/daemon.js'
import { Libtorrent } from '../../test/support/libtorrent.js'
import { Network, type Host } from '../../test/support/network.js'
import { Opentracker } from '../../test/support/opentracker.js'
import { Scope } from '../../test/support/scope.js'
import { withTracker } from '../../test/support/torrent-file.js'
import type { Program, Running, Source, Traits } from './program.js'

const LAYOUT = singleFile('content.bin', 8 * 1024 * 1024 + 12_345)
const PIECE_LENGTH = 256 * 1024
/** How long one transfer may take: a peer's first announce or optimistic unchoke may be half a minute away. */
const TRANSFER_MS = 75_000
/** All that could find a peer for us, and uTP, switched off; the DHT and trackers are off unless asked for. */
const ALONE = ['-disablePex', '-disableLsd', '-disableUtp', '-disablePortMapping']

export class Trial {
  readonly scope = new Scope()
  readonly network: Network
  readonly program: Program
  readonly #folder: string
  #torrent!: TestTorrent
  #sha256!: string
  #peer: Running | undefined
  #daemons: Daemon[] = []
  #folders = 0

  private constructor(program: Program) {
    this.program = program
    this.network = Network.create(this.scope)
    this.#folder = this.scope.folder('torrentfs-interop-')
  }

  /** Runs one trial and takes everything away again. @throws what failed, with what the programs said */
  static async run(program: Program, attempt: (trial: Trial) => Promise<void>): Promise<void> {
    const trial = new Trial(program)
    try {
      await trial.#make()
      await attempt(trial)
    } catch (error) {
      throw await trial.#explained(error)
    } finally {
      await trial.scope.close().catch(() => {})
    }
  }

  get torrent(): TestTorrent {
    return this.#torrent
  }

  /** A magnet link that names nobody. */
  get magnet(): string {
    return formatMagnet({ infohash: this.torrent.infohash, name: this.torrent.name })
  }

  host(name: string): Host {
    return this.network.host(name)
  }

  /** Starts the program of this row. */
  async start(traits: Traits): Promise<Running> {
    return (this.#peer = await this.program.start(this.scope, this.host(this.program.name), traits))
  }

  /** A tracker that admits the torrent, and the torrent with it. */
  async track(): Promise<{ tracker: Opentracker; tracked: TestTorrent }> {
    const tracker = await Opentracker.start(this.scope, this.host('tracker'), [this.torrent.infohash])
    const file = withTracker(this.torrent, tracker.httpUrl, this.#folder)
    return { tracker, tracked: { ...this.torrent, file } }
  }

  /** A daemon of ours that finds nobody by itself. @param allowed flags of those above that are left away */
  async ours(
    options: Omit<DaemonOptions, 'host' | 'args'>,
    { allowed = [], args = [] }: { allowed?: readonly string[]; args?: readonly string[] } = {},
  ): Promise<Daemon> {
    const off = ALONE.filter(flag => !allowed.includes(flag))
    const daemon = await Daemon.start(this.scope, {
      host: this.host('ours'),
      ...options,
      args: ['-logLevel=debug', ...off, ...args],
    })
    this.#daemons.push(daemon)
    return daemon
  }

  /** A folder that holds the content. */
  copy(): string {
    const folder = this.#newFolder()
    writeLayout(folder, LAYOUT, this.#seed)
    return folder
  }

  /** The daemon reads the whole file through its mount, and every byte is right. */
  async read(daemon: Daemon, deadlineMs = TRANSFER_MS): Promise<void> {
    await daemon.listed(LAYOUT.name, deadlineMs)
    const sha256 = await daemon.sha256(daemon.path(LAYOUT.name), deadlineMs)
    if (sha256 !== this.#sha256) throw new Error('ours read wrong bytes')
    await daemon.stop()
  }

  /** The program downloads the whole file, and every byte is right. */
  async leeches(peer: Running, source: Source, deadlineMs = TRANSFER_MS): Promise<void> {
    const folder = this.#newFolder()
    await peer.leech(source, folder)
    const path = join(folder, LAYOUT.name)
    await eventually(
      'it has everything',
      deadlineMs,
      async () => existsSync(path) && (await sha256OfFile(path)) === this.#sha256,
      300,
    )
  }

  get #seed(): string {
    return `interop ${this.program.name}`
  }

  async #make(): Promise<void> {
    const maker = await Libtorrent.maker(this.scope)
    const folder = this.#newFolder()
    this.#torrent = await maker.make(folder, LAYOUT, { pieceLength: PIECE_LENGTH, seed: this.#seed })
    await maker.stop()
    this.#sha256 = await sha256OfFile(join(folder, LAYOUT.name))
  }

  #newFolder(): string {
    const folder = join(this.#folder, String(++this.#folders))
    mkdirSync(folder)
    return folder
  }

  async #explained(error: unknown): Promise<Error> {
    const peer = await Promise.resolve(this.#peer?.log()).catch(() => '')
    const ours = this.#daemons.map(daemon => daemon.child.stderr.slice(-4000)).join('\n')
    return new Error(`${String(error)}\n--- ${this.program.name}:\n${peer}\n--- ours:\n${ours}`)
  }
}
