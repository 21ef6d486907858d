/**
 * The C program on libfuse 3 that serves the same files: compiled once, mounted, measured, unmounted.
 */
import { spawnSync, type ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isMounted } from './mounts.js'
import { CACHE, SCRIPTS, freshFolder } from './places.js'
import { exited, onEnd, run, start, until, usageOf, type Usage } from './processes.js'

/** What our session's mounts are read ahead with, too. */
const READAHEAD_KIB = '1024'

/** The compiled program; undefined where there is no compiler or no libfuse 3. */
export async function referenceProgram(): Promise<string | undefined> {
  const source = join(SCRIPTS, 'reference.c')
  const program = join(CACHE, 'reference')
  if (existsSync(program) && statSync(program).mtimeMs > statSync(source).mtimeMs) return program
  const flags = await run('pkg-config', ['--cflags', '--libs', 'fuse3']).catch(() => undefined)
  if (flags?.code !== 0) return undefined
  const words = flags.stdout.trim().split(/\s+/)
  const compiled = await run('gcc', ['-O2', '-o', program, source, ...words]).catch(() => undefined)
  return compiled?.code === 0 ? program : undefined
}

/** It, serving a folder. */
export class Reference {
  readonly mountDir: string
  readonly #child: ChildProcess
  readonly #lift: () => void

  private constructor(child: ChildProcess, mountDir: string) {
    this.#child = child
    this.mountDir = mountDir
    this.#lift = onEnd(() => spawnSync('fusermount3', ['-uz', '--', mountDir]))
  }

  static async start(program: string, folder: string, o: { splice?: boolean } = {}): Promise<Reference> {
    const mountDir = join(freshFolder(`reference-${String(performance.now()).replace('.', '')}`), 'mnt')
    mkdirSync(mountDir)
    const env = { ...process.env, ...(o.splice === true ? { REFERENCE_SPLICE: '1' } : {}) }
    const child = start(program, [folder, mountDir], { stdio: 'ignore', env })
    const reference = new Reference(child, mountDir)
    await until('mount of the reference', 10_000, () => isMounted(mountDir))
    const line = readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .find(each => each.includes(` ${mountDir} `))
    writeFileSync(`/sys/class/bdi/${line?.split(' ')[2] ?? ''}/read_ahead_kb`, READAHEAD_KIB)
    return reference
  }

  usage(): Usage {
    return usageOf(this.#child.pid ?? 0)
  }

  async stop(): Promise<void> {
    spawnSync('fusermount3', ['-u', '--', this.mountDir])
    if (!(await exited(this.#child, 5000))) this.#child.kill('SIGKILL')
    this.#lift()
  }
}
