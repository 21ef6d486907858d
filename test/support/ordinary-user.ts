/**
 * An ordinary user for tests that run as root, made for the occasion and taken away afterwards, with what it needs to mount.
 */
import { randomBytes } from 'node:crypto'
import { execFileSync, spawnSync } from 'node:child_process'
import { chownSync, cpSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parseMountTable } from '../../src/fs/mount-table.js'
import { openDevice } from './device-access.js'
import { run, type Outcome } from './fs-process.js'
import { projectRoot } from './project.js'
import { Scope } from './scope.js'

const DEVICE = '/dev/fuse'

export class OrdinaryUser {
  readonly name: string
  readonly #uid: number
  readonly #gid: number
  readonly #home: string
  /** A folder with the build and its modules that the user can read. */
  readonly #project: string
  readonly #scope = new Scope()

  /** As root alone. */
  constructor() {
    openDevice(this.#scope)
    this.name = `torrentfs-${randomBytes(3).toString('hex')}`
    execFileSync('useradd', ['--system', '--no-create-home', '--user-group', this.name], { stdio: 'pipe' })
    const id = (flag: string): number => Number(execFileSync('id', [flag, this.name]).toString())
    this.#uid = id('-u')
    this.#gid = id('-g')
    const dismiss = (): void => this.#dismiss()
    this.#scope.defer(dismiss, dismiss)
    this.#home = this.#scope.folder('torrentfs-home-')
    chownSync(this.#home, this.#uid, this.#gid)
    this.#project = this.#readableProject()
  }

  /** Why there cannot be one here; undefined when there can. */
  static whyNot(): string | undefined {
    if (process.getuid?.() !== 0) return 'only root can act as someone else'
    for (const program of ['useradd', 'userdel', 'setpriv', 'flock', 'fusermount3']) {
      if (spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0) return `${program} is not installed`
    }
    return existsSync(DEVICE) ? undefined : 'there is no /dev/fuse'
  }

  /** Runs node as the user, with paths relative to the project's root. */
  node(args: string[], deadlineMs: number): Promise<Outcome> {
    const who = [`--reuid=${this.#uid}`, `--regid=${this.#gid}`, '--clear-groups']
    const environment = ['env', '-i', `PATH=${process.env['PATH']}`, `HOME=${this.#home}`, 'LC_ALL=C.UTF-8']
    const enter = ['sh', '-c', 'cd "$0" && exec "$@"', this.#project, process.execPath, ...args]
    return run('setpriv', [...who, ...environment, ...enter], deadlineMs)
  }

  /** Takes the user away and gives the device its permissions back. Idempotent. */
  remove(): Promise<void> {
    return this.#scope.close()
  }

  #dismiss(): void {
    for (const pid of this.#processes()) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It has ended by itself meanwhile.
      }
    }
    for (const mountDir of this.#mounts()) spawnSync('fusermount3', ['-uz', '--', mountDir])
    spawnSync('userdel', [this.name])
  }

  /** What runs on, of a run that was cut off. */
  #processes(): number[] {
    const pids = readdirSync('/proc').filter(name => /^\d+$/.test(name))
    return pids.map(Number).filter(pid => {
      return statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid === this.#uid
    })
  }

  /** Mounts of the user's that stand, the topmost first. */
  #mounts(): string[] {
    const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
    const own = lines.filter(line => line.includes(' fuse.') && line.includes(`,user_id=${this.#uid},`))
    return parseMountTable(own.join('\n'))
      .map(({ mountPoint }) => mountPoint)
      .reverse()
  }

  /** The project itself, or a copy of what runs where others may not enter it. */
  #readableProject(): string {
    const who = [`--reuid=${this.#uid}`, `--regid=${this.#gid}`, '--clear-groups']
    const looks = ['ls', join(projectRoot, 'dist'), join(projectRoot, 'node_modules')]
    if (spawnSync('setpriv', [...who, ...looks]).status === 0) return projectRoot
    const copy = join(this.#home, 'project')
    for (const part of ['package.json', 'dist', 'node_modules']) {
      cpSync(join(projectRoot, part), join(copy, part), { recursive: true, verbatimSymlinks: true })
    }
    return copy
  }
}
