/**
 * Our daemon, as its users start it: the built command line in a process of its own. Nothing here reads the mount:
 * that is for child processes with deadlines.
 */

import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { basename, join } from 'node:path'
import { Child, DeadlineError, eventually, run, type Exit, type Outcome } from './child.js'
import type { Host } from './network.js'
import { daemonEntry } from './project.js'
import type { Scope } from './scope.js'

export interface DaemonOptions {
  /** Where its network is. The test's own when absent. */
  readonly host?: Host
  /** Listens at the host's IPv6 address instead of its IPv4 address. */
  readonly ipv6?: boolean
  /** An existing folder of an earlier daemon, to start again on. */
  readonly folder?: string
  readonly downloadDir?: string
  readonly testPeers?: readonly string[]
  readonly trackers?: boolean
  /** Nodes its DHT begins with, `host:port`; it runs none when absent. */
  readonly dht?: readonly string[]
  readonly listenPort?: number
  readonly args?: readonly string[]
  /** Torrent files to put into the watched folder before it starts. */
  readonly torrents?: readonly string[]
  /** URIs put into one `.magnet` file. */
  readonly magnets?: readonly string[]
  readonly readyMs?: number
  readonly env?: Readonly<Record<string, string>>
}

/** One daemon. */
export class Daemon {
  readonly child: Child
  readonly folder: string
  readonly mountDir: string
  readonly metainfoDir: string
  readonly downloadDir: string
  readonly host: Host | undefined
  readonly listenPort: number
  /** From its start to the ready line, ms. */
  readyMs = 0
  readonly #scope: Scope

  private constructor(scope: Scope, options: DaemonOptions) {
    this.#scope = scope
    this.folder = options.folder ?? scope.folder('torrentfs-daemon-')
    this.mountDir = join(this.folder, 'mnt')
    this.metainfoDir = join(this.folder, 'torrents')
    this.downloadDir = options.downloadDir ?? join(this.folder, 'data')
    this.host = options.host
    this.listenPort = options.listenPort ?? 42069
    mkdirSync(this.metainfoDir, { recursive: true })
    for (const torrent of options.torrents ?? []) this.addTorrent(torrent)
    if (options.magnets !== undefined) {
      writeFileSync(join(this.metainfoDir, 'list.magnet'), options.magnets.join('\n') + '\n')
    }
    const args = [
      `-mountDir=${this.mountDir}`,
      `-metainfoDir=${this.metainfoDir}`,
      `-downloadDir=${this.downloadDir}`,
      `-listenAddr=${listenHost(options)}:${this.listenPort}`,
      ...(options.testPeers ?? []).map(peer => `-testPeer=${peer}`),
      ...(options.trackers === true ? [] : ['-disableTrackers']),
      ...dhtFlags(options),
      ...(options.args ?? []),
    ]
    // Registered before the child: undone after it is gone.
    const unmount = (): void => {
      spawnSync('fusermount3', ['-uzq', '--', this.mountDir], { timeout: 5000 })
    }
    scope.defer(unmount, unmount)
    const start = options.env === undefined ? {} : { env: options.env }
    this.child =
      options.host === undefined
        ? new Child(process.execPath, [daemonEntry, ...args], start, scope)
        : options.host.start(process.execPath, [daemonEntry, ...args], start)
  }

  /** Starts it, and waits until the mount is there and it says so. */
  static async start(scope: Scope, options: DaemonOptions = {}): Promise<Daemon> {
    const started = performance.now()
    const daemon = new Daemon(scope, options)
    await daemon.child.printed(/\bready\b|mounted/i, options.readyMs ?? 20_000)
    await eventually('the mount is in the mount table', 5000, () => daemon.mounted)
    daemon.readyMs = performance.now() - started
    return daemon
  }

  /** Whether the kernel has a torrentfs at the mount folder. Asks the mount table, never the mount. */
  get mounted(): boolean {
    return mountsAt(this.mountDir).includes('fuse.torrentfs')
  }

  /** What others reach it at. */
  get endpoint(): string {
    return `${this.host?.address ?? '127.0.0.1'}:${this.listenPort}`
  }

  /** The path of something in the mount. */
  path(...components: readonly string[]): string {
    return join(this.mountDir, ...components)
  }

  addTorrent(file: string): void {
    copyFileSync(file, join(this.metainfoDir, basename(file)))
  }

  removeTorrent(file: string): void {
    rmSync(join(this.metainfoDir, basename(file)))
  }

  /** Waits until a name is in the tree (listed by a child process). */
  async listed(name: string, deadlineMs = 10_000): Promise<void> {
    try {
      await eventually(`${name} in ${this.mountDir}`, deadlineMs, async () => {
        const ls = await this.reader('ls', ['-1', '--', this.mountDir], 5000)
        return ls.stdout.split('\n').includes(name)
      })
    } catch (error) {
      throw new DeadlineError(`${String(error)}\ndaemon: ${this.child.stderr.slice(-4000)}`, { cause: error })
    }
  }

  /** Runs a program on the mount to its end. @throws DeadlineError, with the daemon's last words. */
  async reader(command: string, args: readonly string[], deadlineMs = 30_000): Promise<Outcome> {
    try {
      return await run(this.#scope, command, args, { deadlineMs })
    } catch (error) {
      throw new DeadlineError(`${String(error)}\ndaemon: ${this.child.stderr.slice(-4000)}`, { cause: error })
    }
  }

  /** Starts a reader that stays. */
  startReader(command: string, args: readonly string[]): Child {
    return new Child(command, args, {}, this.#scope)
  }

  /** SHA-256 of a file read through the mount, by `sha256sum`. */
  async sha256(path: string, deadlineMs = 60_000): Promise<string> {
    const outcome = await this.reader('sha256sum', ['--', path], deadlineMs)
    if (outcome.code !== 0)
      throw new Error(`sha256sum ${path}: ${outcome.stderr}\ndaemon: ${this.child.stderr.slice(-4000)}`)
    // A name with a backslash or newline makes sha256sum put a backslash before its line.
    return /^\\?([0-9a-f]{64})/.exec(outcome.stdout)![1]!
  }

  /** Ends it as a service manager would. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', graceMs = 5000): Promise<Exit> {
    return await this.child.stop(signal, graceMs)
  }
}

/** As it stands in front of a port. */
function listenHost({ host, ipv6 }: DaemonOptions): string {
  if (host === undefined) return '127.0.0.1'
  return ipv6 === true ? `[${host.address6}]` : host.address
}

/** No node, unless the test names where one begins. */
function dhtFlags({ dht, args = [] }: DaemonOptions): string[] {
  if (dht !== undefined && dht.length > 0) return dht.map(node => `-dhtBootstrap=${node}`)
  if (dht !== undefined) return ['-dhtBootstrap=none']
  return args.some(flag => /^-(dhtBootstrap|disableDht)\b/.test(flag)) ? [] : ['-disableDht']
}

/** The filesystem types mounted at a folder, newest last. */
export function mountsAt(folder: string): string[] {
  const types: string[] = []
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
    const [left, right] = line.split(' - ')
    const at = left
      ?.split(' ')[4]
      ?.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)))
    if (at === folder && right !== undefined) types.push(right.split(' ')[0]!)
  }
  return types
}
