/**
 * The three filesystems that are compared, each started the way its users start it: ours, the Go torrentfs (the
 * same flags) and btfs. A mount that is left over when the bench ends is lifted.
 */
import { spawnSync, type ChildProcess } from 'node:child_process'
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Content } from './content.js'
import { keepsDownloads } from './memory.js'
import { DAEMON, RESULTS, SCRIPTS, findProgram, freshFolder, goTorrentfs } from './places.js'
import { exited, onEnd, run, start, until, usageOf, type Usage } from './processes.js'

/** Which filesystem. */
export type Kind = 'ours' | 'go' | 'btfs'

/** How to start one. */
export interface MountOptions {
  readonly kind?: Kind
  /** Torrents to put into the metainfo folder; btfs takes exactly one. */
  readonly contents: readonly Content[]
  /** host:port of the seeder; none for a torrent nobody has. */
  readonly peer?: string
  /** Puts more into the metainfo folder before the start. */
  readonly prepare?: (metainfoDir: string) => void
  /** Watches the event loop (ours only). */
  readonly loopDelay?: boolean
  /** Writes a CPU profile of the daemon into bench-results (ours only), named after this. */
  readonly profile?: string
  /** Where data is, or goes; a folder of its own by default. */
  readonly downloadDir?: string
  /** More in the environment (ours only). */
  readonly env?: Readonly<Record<string, string>>
  /** More flags (ours only). */
  readonly flags?: readonly string[]
  /** ms the mount may take to appear. */
  readonly timeout?: number
}

/** What the event loop was like between two looks at it; times in ms. */
export interface LoopDelay {
  readonly count: number
  readonly p50: number
  readonly p99: number
  readonly max: number
}

/** A running filesystem. */
export class Mounted {
  readonly child: ChildProcess
  readonly mountDir: string
  readonly downloadDir: string
  readonly log: string
  /** ms from the start of the process until the mount appeared. */
  readonly readyAfter: number
  readonly #folder: string
  readonly #lift: () => void

  private constructor(
    child: ChildProcess,
    folder: string,
    downloadDir: string,
    readyAfter: number,
    lift: () => void,
  ) {
    this.child = child
    this.#folder = folder
    this.mountDir = join(folder, 'mnt')
    this.downloadDir = downloadDir
    this.log = join(folder, 'log')
    this.readyAfter = readyAfter
    this.#lift = lift
  }

  /** True when this machine has what the filesystem needs. */
  static available(kind: Kind): boolean {
    if (!existsSync('/dev/fuse')) return false
    if (kind === 'ours') return existsSync(DAEMON)
    return (kind === 'go' ? goTorrentfs() : findProgram('btfs')) !== undefined
  }

  /** Starts it on empty folders and waits until the mount is there. */
  static async start(o: MountOptions): Promise<Mounted> {
    const kind = o.kind ?? 'ours'
    const folder = freshFolder(`${kind}-${String(performance.now()).replace('.', '')}`)
    const [mountDir, metainfoDir] = [join(folder, 'mnt'), join(folder, 'metainfo')]
    const downloadDir = o.downloadDir ?? join(folder, 'data')
    for (const each of [mountDir, metainfoDir, downloadDir]) mkdirSync(each, { recursive: true })
    for (const content of o.contents)
      copyFileSync(content.torrent, join(metainfoDir, `${content.name}.torrent`))
    o.prepare?.(metainfoDir)
    const flags = [
      `-mountDir=${mountDir}`,
      `-metainfoDir=${metainfoDir}`,
      `-downloadDir=${downloadDir}`,
      ...(o.peer === undefined ? [] : [`-testPeer=${o.peer}`]),
      '-disableTrackers',
    ]
    const [program, args] = commandOf(kind, o, flags, mountDir, downloadDir)
    const began = performance.now()
    const child = start(program, args, {
      cwd: downloadDir,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...o.env },
    })
    const log = join(folder, 'log')
    const keep = (text: Buffer): void => {
      appendFileSync(log, text)
    }
    child.stdout?.on('data', keep)
    child.stderr?.on('data', keep)
    const lift = onEnd(() => {
      if (isMounted(mountDir)) spawnSync('fusermount3', ['-uz', '--', mountDir])
    })
    try {
      await until(`mount of ${kind}`, o.timeout ?? 30_000, () => {
        if (child.exitCode !== null || child.signalCode !== null)
          throw new Error(`${kind} ended: ${tail(log)}`)
        return isMounted(mountDir)
      })
      const mounted = new Mounted(child, folder, downloadDir, performance.now() - began, lift)
      const first = o.contents[0]
      if (first !== undefined) {
        // The Go torrentfs and btfs fill their tree after they have mounted.
        await until(`${first.name} in the mount of ${kind}`, 30_000, async () => {
          const ls = await run('ls', ['--', mountDir], { timeout: 5000 })
          return ls.stdout.includes(first.name)
        })
      }
      return mounted
    } catch (error) {
      lift()
      child.kill('SIGKILL')
      throw new Error(`${error instanceof Error ? error.message : String(error)}\n${tail(log)}`, {
        cause: error,
      })
    }
  }

  get pid(): number {
    return this.child.pid ?? 0
  }

  path(content: Content): string {
    return join(this.mountDir, content.name)
  }

  usage(): Usage {
    return usageOf(this.pid)
  }

  /** What the event loop was like since the last call. */
  async loopDelay(): Promise<LoopDelay> {
    const file = join(tmpdir(), `torrentfs-loop-${String(this.pid)}.json`)
    const lines = (): string[] => (existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [])
    const before = lines().length
    this.child.kill('SIGUSR2')
    await until('event-loop delay', 10_000, () => lines().length > before)
    return JSON.parse(lines().at(-1) ?? '') as LoopDelay
  }

  /** Ends it, and removes what it downloaded unless that is kept to the end. @returns ms until the process had ended. */
  async stop(): Promise<number> {
    const began = performance.now()
    this.child.kill('SIGTERM')
    if (!(await exited(this.child, 5000))) {
      spawnSync('fusermount3', ['-uz', '--', this.mountDir])
      this.child.kill('SIGKILL')
      await exited(this.child, 5000)
    }
    const took = performance.now() - began
    this.#lift()
    rmSync(join(tmpdir(), `torrentfs-loop-${String(this.pid)}.json`), { force: true })
    if (!keepsDownloads && !isMounted(this.mountDir)) rmSync(this.#folder, { recursive: true, force: true })
    return took
  }
}

function commandOf(
  kind: Kind,
  o: MountOptions,
  flags: readonly string[],
  mountDir: string,
  downloadDir: string,
): [string, string[]] {
  if (kind === 'go') return [goTorrentfs() ?? 'torrentfs', [...flags]]
  if (kind === 'btfs') {
    // btfs knows no peer but those of the magnet; it asks the same seeder for the metadata first.
    const magnet = `magnet:?xt=urn:btih:${o.contents[0]?.infohash ?? ''}&x.pe=${o.peer ?? ''}`
    return ['btfs', ['-f', `--data-directory=${downloadDir}`, magnet, mountDir]]
  }
  const node: string[] = []
  if (o.loopDelay === true) node.push('--require', join(SCRIPTS, 'loop-delay.cjs'))
  if (o.profile !== undefined) {
    const folder = join(RESULTS, `profile-${o.profile}`)
    mkdirSync(folder, { recursive: true })
    node.push('--cpu-prof', `--cpu-prof-dir=${folder}`)
  }
  return [process.execPath, [...node, DAEMON, ...flags, ...(o.flags ?? [])]]
}

/** Asked of the kernel's table: a stat of a dead mount would hang. */
export function isMounted(folder: string): boolean {
  return readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${folder} `)
}

function tail(log: string): string {
  return existsSync(log) ? readFileSync(log, 'utf8').split('\n').slice(-6).join('\n') : ''
}

/** The names in a folder of a mount, read by this process (which serves no mount itself). */
export function list(folder: string): string[] {
  return readdirSync(folder)
}
