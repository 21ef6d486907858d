/**
 * Child processes of the bench: started, measured and ended. Every child is known here, and whatever still
 * lives when the bench ends (also by a signal) is ended by its own id. What a child must leave tidy (mounts,
 * network namespaces) is registered as a clean-up, run last made first.
 */
import { spawn, spawnSync, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

const alive = new Set<ChildProcess>()
const cleanups: (() => void)[] = []

/** Starts a program; it is killed when the bench ends. */
export function start(program: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], ...options })
  alive.add(child)
  child.once('exit', () => alive.delete(child))
  child.once('error', () => alive.delete(child))
  return child
}

/**
 * What a program finds in its environment whatever the machine's settings are: messages in English, and no certificates to read
 * before it can begin, which costs any program of Node's 40 ms.
 */
const PLAIN = { LC_ALL: 'C', NODE_EXTRA_CA_CERTS: undefined }

/** What a finished program left. `signal` is set when it did not end by itself. */
export interface Outcome {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
  /** ms from start to exit. */
  readonly elapsed: number
}

/**
 * Runs a program to its end.
 * @param timeout ms after which it gets SIGINT, and 5 s later SIGKILL.
 */
export async function run(
  program: string,
  args: readonly string[],
  options: { readonly timeout?: number; readonly cwd?: string } = {},
): Promise<Outcome> {
  const began = performance.now()
  const child = start(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...PLAIN },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  })
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', (text: Buffer) => (stdout += text.toString()))
  child.stderr?.on('data', (text: Buffer) => (stderr += text.toString()))
  const timeout = options.timeout ?? 600_000
  const soft = setTimeout(() => child.kill('SIGINT'), timeout)
  const hard = setTimeout(() => child.kill('SIGKILL'), timeout + 5000)
  try {
    return await new Promise<Outcome>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code, signal) => {
        resolve({ code, signal, stdout, stderr, elapsed: performance.now() - began })
      })
    })
  } finally {
    clearTimeout(soft)
    clearTimeout(hard)
  }
}

/** Like {@link run}, and throws with the program's own words when it failed. */
export async function must(program: string, ...args: string[]): Promise<string> {
  const outcome = await run(program, args)
  if (outcome.code !== 0) {
    throw new Error(
      `${program} ${args.join(' ')}: ${outcome.stderr.trim() || `exit ${String(outcome.code)}`}`,
    )
  }
  return outcome.stdout
}

/** Resolves when the process has exited, true if within the time (ms). */
export function exited(child: ChildProcess, timeout: number): Promise<boolean> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(true)
  return new Promise(resolve => {
    const timer = setTimeout(() => {
      resolve(false)
    }, timeout)
    child.once('exit', () => {
      clearTimeout(timer)
      resolve(true)
    })
  })
}

/** What a process and the processes below it have used so far. */
export interface Usage {
  /** CPU seconds, user and system, of all threads and of children, living and reaped. */
  readonly cpuSeconds: number
  /** Sum of the peaks of resident memory, bytes. */
  readonly peakRss: number
}

const TICKS = Number(spawnSync('getconf', ['CLK_TCK']).stdout?.toString() || 100)

/** Reads what a process tree has used from /proc. A process that is gone counts as nothing. */
export function usageOf(root: number): Usage {
  const parents = new Map<number, number>()
  const ticks = new Map<number, number>()
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry)
    if (!Number.isInteger(pid)) continue
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'latin1')
      // The command in brackets may hold blanks and brackets: count from the last one.
      const fields = stat
        .slice(stat.lastIndexOf(')') + 2)
        .split(' ')
        .map(Number)
      parents.set(pid, fields[1] ?? 0)
      ticks.set(
        pid,
        [11, 12, 13, 14].reduce((sum, i) => sum + (fields[i] ?? 0), 0),
      )
    } catch {
      // it ended meanwhile
    }
  }
  let cpu = 0
  let peakRss = 0
  for (const pid of parents.keys()) {
    let above: number | undefined = pid
    while (above !== undefined && above !== root && above > 1) above = parents.get(above)
    if (above !== root) continue
    cpu += ticks.get(pid) ?? 0
    try {
      const status = readFileSync(`/proc/${String(pid)}/status`, 'latin1')
      peakRss += Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024
    } catch {
      // it ended meanwhile
    }
  }
  return { cpuSeconds: cpu / TICKS, peakRss }
}

/** Registers what must be undone when the bench ends; the returned function does it now, once. */
export function onEnd(cleanup: () => void): () => void {
  const once = (): void => {
    const at = cleanups.indexOf(once)
    if (at < 0) return
    cleanups.splice(at, 1)
    cleanup()
  }
  cleanups.push(once)
  return once
}

/** Ends every child that still lives and runs all clean-ups. Synchronous: also called from `exit`. */
export function endEverything(): void {
  for (const child of alive) child.kill('SIGKILL')
  alive.clear()
  while (cleanups.length > 0) {
    try {
      cleanups.at(-1)?.()
    } catch {
      // one failed clean-up must not keep the others from running
    }
  }
}

process.once('exit', endEverything)
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    endEverything()
    process.exit(signal === 'SIGINT' ? 130 : 143)
  })
}

/** Waits. @param time ms */
export function pause(time: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, time))
}

/** Polls until the condition holds. @throws when it does not within the time (ms). */
export async function until(
  what: string,
  timeout: number,
  condition: () => boolean | Promise<boolean>,
  every = 5,
): Promise<void> {
  const deadline = performance.now() + timeout
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`${what}: not within ${String(timeout / 1000)} s`)
    await pause(every)
  }
}
