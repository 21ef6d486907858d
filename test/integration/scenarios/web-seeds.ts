/**
 * Torrents whose content lies on web servers: read through the mount from there alone, and from there beside a peer.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { join } from 'node:path'
import {
  awkwardFolder,
  sha256OfFile,
  singleFile,
  type Layout,
  type TestTorrent,
} from '../../support/content.js'
import { Daemon } from '../../support/daemon.js'
import { Libtorrent } from '../../support/libtorrent.js'
import { Network } from '../../support/network.js'
import { Scope } from '../../support/scope.js'
import { withWebSeeds } from '../../support/torrent-file.js'
import { WebServer, type WebServerName } from '../../support/web-server.js'
import type { Figures } from './figures.js'
import { dataFiles } from './swarm.js'

const MiB = 1 << 20
const deadlineMs = 120_000

interface Stage {
  readonly scope: Scope
  readonly network: Network
  readonly torrent: TestTorrent
  readonly server: WebServer
  readonly maker: Libtorrent
}

async function staged(
  name: WebServerName,
  layout: Layout,
  pieceLength: number,
  pads: boolean,
  play: (stage: Stage) => Promise<void>,
): Promise<void> {
  const scope = new Scope()
  try {
    const network = Network.create(scope)
    const maker = await Libtorrent.maker(scope)
    const torrent = await maker.make(scope.folder(), layout, { pieceLength, pads })
    const server = await WebServer.start(scope, name, network.host(name), torrent.source)
    await play({ scope, network, torrent, server, maker })
  } finally {
    await scope.close()
  }
}

async function daemonFor(stage: Stage, testPeers: readonly string[] = []): Promise<Daemon> {
  const file = withWebSeeds(stage.torrent, [stage.server.url], stage.scope.folder())
  const host = stage.network.host('daemon')
  const daemon = await Daemon.start(stage.scope, { host, torrents: [file], testPeers })
  await daemon.listed(stage.torrent.name)
  return daemon
}

async function compare(daemon: Daemon, torrent: TestTorrent, figures: Figures): Promise<void> {
  const wrong: string[] = []
  for (const { path } of dataFiles(torrent)) {
    const got = await daemon.sha256(daemon.path(...path), deadlineMs)
    if (got !== (await sha256OfFile(join(torrent.source, ...path)))) wrong.push(path.join('/'))
  }
  figures.check('sha256 of every file equals', wrong.length === 0, wrong.join('; ') || 'all')
}

/** Every file of an awkward folder with pads. */
export async function readWhole(name: WebServerName, figures: Figures): Promise<void> {
  await staged(name, awkwardFolder(`by ${name} alone`, 12), 64 * 1024, true, async stage => {
    const daemon = await daemonFor(stage)
    await compare(daemon, stage.torrent, figures)
    await daemon.stop()
    await stage.server.stop()
    const requests = stage.server.requests()
    const bytes = requests.reduce((sum, request) => sum + request.bytes, 0)
    const length = dataFiles(stage.torrent).reduce((sum, file) => sum + file.length, 0)
    figures.note('requests', requests.length)
    figures.note('bytes sent, of those in the files', (bytes / length).toFixed(3))
    figures.check('no pad was asked for', !requests.some(({ path }) => path.includes('.pad')), 'none')
    const refused = requests.filter(({ status }) => status !== 206 && status !== 200)
    figures.check('every request was answered with bytes', refused.length === 0, refused[0]?.path ?? 'all')
  })
}

/** Random 64 KiB reads, from the mount, of a file nobody else has. */
export async function readRandomly(name: WebServerName, figures: Figures): Promise<void> {
  const pieceLength = 256 * 1024
  await staged(name, singleFile('random.bin', 64 * MiB), pieceLength, false, async stage => {
    const daemon = await daemonFor(stage)
    const pieces = [200, 3, 91, 250, 17, 144, 60, 222, 129, 75]
    const path = daemon.path('random.bin')
    let wrong = 0
    for (const piece of pieces) {
      const offset = piece * pieceLength + 70_000
      // Not by dd: the kernel would read ahead.
      const code =
        'import os,sys,hashlib\n' +
        'f=os.open(sys.argv[1],os.O_RDONLY)\nos.posix_fadvise(f,0,0,os.POSIX_FADV_RANDOM)\n' +
        'print(hashlib.sha256(os.pread(f,65536,int(sys.argv[2]))).hexdigest())'
      const read = (file: string): Promise<{ stdout: string }> =>
        daemon.reader('/usr/bin/python3', ['-c', code, file, String(offset)], deadlineMs)
      const [got, right] = [await read(path), await read(join(stage.torrent.source, 'random.bin'))]
      if (got.stdout !== right.stdout || got.stdout.length < 64) wrong++
    }
    figures.check('random reads equal', wrong === 0, `${pieces.length - wrong} of ${pieces.length}`)
    await daemon.stop()
    await stage.server.stop()
    const sent = stage.server.requests().reduce((sum, { bytes }) => sum + bytes, 0)
    const overhead = sent / (pieces.length * pieceLength)
    figures.note('requests', stage.server.requests().length)
    figures.check('bytes sent, of those in the pieces read', overhead <= 1.01, overhead.toFixed(3))
  })
}

/** The server is killed while it is read from, and comes back. */
export async function readThroughRestart(name: WebServerName, figures: Figures): Promise<void> {
  await staged(name, singleFile('restart.bin', 192 * MiB), MiB, false, async stage => {
    const daemon = await daemonFor(stage)
    const reading = daemon.startReader('sha256sum', [daemon.path('restart.bin')])
    await sleep(300)
    await stage.server.kill()
    figures.check('it was killed while the file was read', reading.exit === undefined, 'reading')
    await sleep(1500)
    await stage.server.startAgain()
    const outcome = await reading.ended(deadlineMs)
    const right = await sha256OfFile(join(stage.torrent.source, 'restart.bin'))
    figures.check('the read goes on, and equals', outcome.stdout.startsWith(right), outcome.stderr || 'yes')
    await daemon.stop()
  })
}

/** A web server and a libtorrent peer, both fast: the load is shared. */
export async function readBeside(name: WebServerName, figures: Figures): Promise<void> {
  await staged(name, singleFile('both.bin', 96 * MiB), 512 * 1024, false, async stage => {
    const peer = await Libtorrent.start(stage.network.host('libtorrent'))
    await peer.seed(stage.torrent)
    const daemon = await daemonFor(stage, [`${peer.address}:${peer.port}`])
    await compare(daemon, stage.torrent, figures)
    await daemon.stop()
    await stage.server.stop()
    const fromPeer = await peer.sentPayload(stage.torrent)
    const requests = stage.server.requests()
    const fromServer = requests.reduce((sum, { bytes }) => sum + bytes, 0)
    figures.note('requests', requests.length)
    figures.note(
      'bytes of both, of those in the file',
      ((fromPeer + fromServer) / stage.torrent.length).toFixed(3),
    )
    // How much of each is a matter of who was connected first: long requests of the server are not taken back.
    figures.check('both are used', fromPeer > 0 && fromServer > 0, `${fromPeer} and ${fromServer} bytes`)
    await peer.stop()
  })
}
