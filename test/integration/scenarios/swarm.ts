/**
 * Every file read through the mount from each program, found each way; and each program downloading from us.
 */

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Aria2 } from '../../support/aria2.js'
import { awkwardFolder, sha256OfFile, writeLayout, type TestTorrent } from '../../support/content.js'
import { Daemon } from '../../support/daemon.js'
import { Libtorrent } from '../../support/libtorrent.js'
import { Network } from '../../support/network.js'
import { Opentracker } from '../../support/opentracker.js'
import { Scope } from '../../support/scope.js'
import { withTracker } from '../../support/torrent-file.js'
import { Transmission, transmissionCreate } from '../../support/transmission.js'
import type { Figures } from './figures.js'

/** The programs we must get on with. */
export const programs = ['libtorrent', 'transmission', 'aria2c'] as const
export type Program = (typeof programs)[number]

/** How the daemon learns of the peer (and, of a magnet, of everything else). */
export const ways = ['HTTP tracker', 'UDP tracker', 'testPeer', 'magnet'] as const
export type Way = (typeof ways)[number]

type Seeders = Readonly<Record<Program, { readonly torrent: TestTorrent; readonly endpoint: string }>>

const deadlineMs = 60_000
const MiB = 1 << 20

/** Seeders of each program, a tracker, and a host for the daemon. */
export class Swarm {
  readonly #network: Network
  readonly #tracker: Opentracker
  readonly #seeders: Seeders
  readonly #expected = new Map<string, string>()

  private constructor(network: Network, tracker: Opentracker, seeders: Seeders) {
    this.#network = network
    this.#tracker = tracker
    this.#seeders = seeders
  }

  /** Each program seeds content of its own, so that what arrives can only have come from it. */
  static async create(scope: Scope): Promise<Swarm> {
    const network = Network.create(scope)
    const maker = await Libtorrent.maker(scope)
    const folder = scope.folder()
    const small = await maker.make(folder, awkwardFolder('by libtorrent, 16 KiB pieces', 4), {
      pieceLength: 16384,
    })
    const large = await maker.make(folder, awkwardFolder('by aria2c, 16 MiB pieces', 40), {
      pieceLength: 16 * MiB,
    })
    const middle = await transmissionTorrent(scope, maker, folder)
    const tracker = await Opentracker.start(
      scope,
      network.host('tracker'),
      [small, middle, large].map(torrent => torrent.infohash),
    )

    const libtorrent = await Libtorrent.start(network.host('libtorrent'))
    await libtorrent.seed(small, { trackers: [tracker.httpUrl] })
    const transmission = await Transmission.start(scope, network.host('transmission'))
    await transmission.seed({ ...middle, file: withTracker(middle, tracker.httpUrl, folder) })
    // aria2c 1.36 announces to no UDP tracker while its DHT is off.
    const aria = await Aria2.seed(network.host('aria2c'), {
      source: withTracker(large, tracker.httpUrl, folder),
      folder: large.source,
    })
    for (const torrent of [small, middle, large]) await tracker.seeders(torrent.infohash, 1)
    return new Swarm(network, tracker, {
      libtorrent: { torrent: small, endpoint: `${libtorrent.address}:${libtorrent.port}` },
      transmission: { torrent: middle, endpoint: `${transmission.address}:${transmission.port}` },
      aria2c: { torrent: large, endpoint: `${aria.address}:${aria.port}` },
    })
  }

  /** A fresh daemon, told of the torrent this way, reads every file of this program's content. */
  async read(program: Program, way: Way, figures: Figures): Promise<void> {
    const scope = new Scope()
    try {
      const { torrent, endpoint } = this.#seeders[program]
      const host = this.#network.host('daemon')
      const folder = scope.folder()
      const started = performance.now()
      const daemon = await Daemon.start(scope, {
        host,
        trackers: way !== 'testPeer',
        ...(way === 'magnet'
          ? { magnets: [this.#magnet(program)] }
          : { torrents: [this.#torrentFor(torrent, way, folder)] }),
        ...(way === 'testPeer' ? { testPeers: [endpoint] } : {}),
      })
      await daemon.listed(torrent.name, 30_000)
      figures.note(`${program} by ${way}: listed after ms`, Math.round(performance.now() - started))
      const wrong = await this.#wrongFiles(daemon, torrent)
      figures.check(
        `${program} by ${way}: sha256 of every file equals`,
        wrong.length === 0,
        wrong.join('; ') || 'all',
      )
      figures.note(`${program} by ${way}: all read after ms`, Math.round(performance.now() - started))
      const exit = await daemon.stop()
      figures.check(
        `${program} by ${way}: the daemon ends with 0`,
        exit.code === 0,
        `${exit.code ?? exit.signal}`,
      )
    } finally {
      await scope.close()
    }
  }

  /**
   * A daemon takes everything from a seeder the leechers do not know, is started anew, and serves each program in turn:
   * they find it by the tracker alone.
   */
  async seedTo(leechers: readonly Program[], figures: Figures): Promise<void> {
    const scope = new Scope()
    try {
      const maker = await Libtorrent.maker(scope)
      const folder = scope.folder()
      const torrent = await maker.make(folder, awkwardFolder('from ours', 6), { pieceLength: 65536 })
      await this.#tracker.allow(torrent.infohash)
      const host = this.#network.host('daemon')
      const source = await Libtorrent.start(this.#network.host('hidden seeder'))
      await source.seed(torrent)
      const file = withTracker(torrent, this.#tracker.httpUrl, folder)
      const options = { host, trackers: true, torrents: [file] }
      const first = await Daemon.start(scope, { ...options, testPeers: [`${source.address}:${source.port}`] })
      await first.listed(torrent.name)
      const wrong = await this.#wrongFiles(first, torrent)
      figures.check('our daemon has it all', wrong.length === 0, wrong.join('; ') || 'all')
      await first.stop()
      await source.stop()
      const daemon = await Daemon.start(scope, { ...options, folder: first.folder })
      await this.#tracker.seeders(torrent.infohash, 1)
      for (const program of leechers) await this.#leech(scope, program, torrent, daemon, figures)
      await daemon.stop()
    } finally {
      await scope.close()
    }
  }

  async #leech(
    scope: Scope,
    program: Program,
    torrent: TestTorrent,
    daemon: Daemon,
    figures: Figures,
  ): Promise<void> {
    const folder = join(scope.folder(), 'downloads')
    mkdirSync(folder)
    const host = this.#network.host(`leeching ${program}`)
    const started = performance.now()
    try {
      if (program === 'libtorrent') {
        // The metadata too comes from us.
        const leecher = await Libtorrent.start(host)
        const magnet = `magnet:?xt=urn:btih:${torrent.infohash}&tr=${encodeURIComponent(this.#tracker.udpUrl)}`
        await leecher.add({ magnet, folder })
        await leecher.until(torrent.infohash, status => status.seeding, deadlineMs, 'complete')
        await leecher.stop()
      } else if (program === 'transmission') {
        const leecher = await Transmission.start(scope, host)
        await leecher.add({ torrent: withTracker(torrent, this.#tracker.httpUrl, folder) }, folder)
        await leecher.until(torrent.infohash, status => status.percentDone === 1, deadlineMs, 'complete')
        await leecher.stop()
      } else {
        const source = withTracker(torrent, this.#tracker.httpUrl, folder)
        await Aria2.download(host, { source, folder }).completed(deadlineMs)
      }
    } catch (error) {
      throw new Error(`${String(error)}\ndaemon: ${daemon.child.stderr.slice(-4000)}`, { cause: error })
    }
    figures.note(`${program} from ours: complete after ms`, Math.round(performance.now() - started))
    const wrong: string[] = []
    for (const file of dataFiles(torrent)) {
      // transmission makes no empty files.
      if (file.length === 0) continue
      const got = await sha256OfFile(join(folder, ...file.path)).catch(String)
      if (got !== (await this.#hash(torrent, file.path))) wrong.push(`${file.path.join('/')}: ${got}`)
    }
    figures.check(`${program} from ours: every file equals`, wrong.length === 0, wrong.join('; ') || 'all')
  }

  async #wrongFiles(daemon: Daemon, torrent: TestTorrent): Promise<string[]> {
    const wrong: string[] = []
    for (const file of dataFiles(torrent)) {
      const got = await daemon.sha256(daemon.path(...file.path), deadlineMs)
      if (got !== (await this.#hash(torrent, file.path))) wrong.push(`${file.path.join('/')}: ${got}`)
    }
    return wrong
  }

  async #hash(torrent: TestTorrent, path: readonly string[]): Promise<string> {
    const full = join(torrent.source, ...path)
    let hash = this.#expected.get(full)
    if (hash === undefined) {
      hash = await sha256OfFile(full)
      this.#expected.set(full, hash)
    }
    return hash
  }

  #torrentFor(torrent: TestTorrent, way: Way, folder: string): string {
    if (way === 'testPeer') return torrent.file
    return withTracker(torrent, way === 'HTTP tracker' ? this.#tracker.httpUrl : this.#tracker.udpUrl, folder)
  }

  /** A different kind of magnet for each: by tracker, by peer address, upper-case. */
  #magnet(program: Program): string {
    const { torrent, endpoint } = this.#seeders[program]
    const tracker = `&tr=${encodeURIComponent(this.#tracker.udpUrl)}`
    if (program === 'libtorrent') return `magnet:?xt=urn:btih:${torrent.infohash}${tracker}`
    if (program === 'transmission')
      return `magnet:?xt=urn:btih:${torrent.infohash.toUpperCase()}&x.pe=${endpoint}`
    return `magnet:?dn=${encodeURIComponent(torrent.name)}&xt=urn:btih:${base32(torrent.infohash)}${tracker}`
  }
}

/** The files a mount must show: all but pads. */
export function dataFiles(torrent: TestTorrent): TestTorrent['files'] {
  return torrent.files.filter(file => !file.pad)
}

async function transmissionTorrent(scope: Scope, maker: Libtorrent, folder: string): Promise<TestTorrent> {
  const layout = awkwardFolder('by transmission', 8)
  const file = join(folder, 'by transmission.torrent')
  await transmissionCreate(scope, writeLayout(folder, layout), file, { pieceKiB: 256 })
  return await maker.describe(file, folder)
}

function base32(hex: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
  let value = BigInt(`0x${hex}`)
  let out = ''
  for (let i = 0; i < 32; i++, value >>= 5n) out = alphabet[Number(value & 31n)]! + out
  return out
}
