/**
 * Child processes of the tests: started with their output kept, waited for with deadlines, ended by their own id and
 * never by name. A child cannot outlive the test process (the kernel kills it), and a reader that hangs in the kernel
 * cannot hang the test: every wait has a limit.
 */

import { spawn, type ChildProcess } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { processState } from './project.js'
import type { Scope } from './scope.js'

/** How a child ended. `ms` counts from its start. */
export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly ms: number
}

/** A finished command with all it printed. */
export interface Outcome extends Exit {
  readonly stdout: string
  readonly stderr: string
}

export interface StartOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** The network namespace to run in: the path of its file. The test's own when absent. Mounts stay shared. */
  readonly namespace?: string
  /** Keeps this many last bytes of each output (default 1 MiB). */
  readonly keep?: number
}

/** Thrown when something did not happen in time; the message holds the child's last output. */
export class DeadlineError extends Error {
  override readonly name = 'DeadlineError'
}

/** One running program. */
export class Child {
  readonly command: string
  readonly pid: number
  /** Settles when the child is gone. Never rejects. */
  readonly exited: Promise<Exit>
  readonly #process: ChildProcess
  readonly #watchers = new Set<() => void>()
  readonly #listeners: ((line: string) => void)[] = []
  #line = ''
  #stdout = ''
  #stderr = ''
  #exit: Exit | undefined

  constructor(command: string, args: readonly string[], options: StartOptions, scope: Scope) {
    this.command = [command, ...args].join(' ')
    const keep = options.keep ?? 1 << 20
    // nsenter with --net alone: `ip netns exec` would also unshare the mounts, and a FUSE mount made there is seen by no one else.
    const wrapped = ['setpriv', '--pdeathsig', 'KILL', '--', command, ...args]
    if (options.namespace !== undefined) wrapped.unshift('nsenter', `--net=${options.namespace}`, '--')
    const started = performance.now()
    this.#process = spawn(wrapped[0]!, wrapped.slice(1), {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    this.pid = this.#process.pid ?? -1
    this.#process.stdin!.on('error', () => {})
    const take = (which: 'out' | 'err') => (text: string) => {
      if (which === 'out') {
        this.#stdout = (this.#stdout + text).slice(-keep)
        this.#split(text)
      } else this.#stderr = (this.#stderr + text).slice(-keep)
      for (const watcher of [...this.#watchers]) watcher()
    }
    this.#process.stdout!.setEncoding('utf8').on('data', take('out'))
    this.#process.stderr!.setEncoding('utf8').on('data', take('err'))
    this.exited = new Promise(resolve => {
      const end = (code: number | null, signal: NodeJS.Signals | null): void => {
        if (this.#exit !== undefined) return
        this.#exit = { code, signal, ms: performance.now() - started }
        for (const watcher of [...this.#watchers]) watcher()
        resolve(this.#exit)
      }
      this.#process.once('close', end)
      // 'close' waits for the pipes, which a grandchild may hold open: the child itself has ended all the same.
      this.#process.once('exit', (code, signal) => setTimeout(() => end(code, signal), 200).unref())
      this.#process.once('error', error => {
        this.#stderr += String(error)
        end(127, null)
      })
    })
    const forget = scope.defer(
      () => this.stop('SIGKILL'),
      () => this.#exit ?? process.kill(this.pid, 'SIGKILL'),
    )
    void this.exited.then(forget)
  }

  /** Everything it printed so far (the last `keep` bytes). */
  get stdout(): string {
    return this.#stdout
  }

  get stderr(): string {
    return this.#stderr
  }

  /** How it ended, or undefined while it runs. */
  get exit(): Exit | undefined {
    return this.#exit
  }

  /** Its state in the kernel's words (`S`, `D`...). */
  get state(): string | undefined {
    return processState(this.pid)
  }

  /** Calls back for every whole line of its standard output from now on. */
  onLine(listener: (line: string) => void): void {
    this.#listeners.push(listener)
  }

  write(text: string): void {
    this.#process.stdin!.write(text)
  }

  closeInput(): void {
    this.#process.stdin!.end()
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#exit === undefined) this.#process.kill(signal)
  }

  /**
   * Waits until the output holds a match.
   * @throws DeadlineError when the time is up or the child ended without printing it.
   */
  async printed(
    pattern: RegExp,
    deadlineMs = 10_000,
    where: 'stdout' | 'stderr' | 'both' = 'both',
  ): Promise<RegExpMatchArray> {
    const find = (): RegExpMatchArray | null => {
      if (where === 'stdout') return this.#stdout.match(pattern)
      if (where === 'stderr') return this.#stderr.match(pattern)
      return this.#stdout.match(pattern) ?? this.#stderr.match(pattern)
    }
    await this.#until(() => find() !== null, deadlineMs, `printed ${pattern}`)
    return find()!
  }

  /** Waits for the end. @throws DeadlineError when it still runs then; it is left running. */
  async ended(deadlineMs: number): Promise<Outcome> {
    const exit = await within(this.exited, deadlineMs)
    if (exit === undefined) throw this.#late(`ended within ${deadlineMs} ms`)
    return { ...exit, stdout: this.#stdout, stderr: this.#stderr }
  }

  /** Asks it to end, and kills it after the grace. Returns how it ended; gives up on a child the kernel will not let go. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', graceMs = 3000): Promise<Exit> {
    if (this.#exit !== undefined) return this.#exit
    this.#process.kill(signal)
    const first = await within(this.exited, graceMs)
    if (first !== undefined) return first
    this.#process.kill('SIGKILL')
    const second = await within(this.exited, 3000)
    if (second !== undefined) return second
    throw this.#late(`ended by SIGKILL (state ${this.state ?? 'gone'})`)
  }

  #split(text: string): void {
    if (this.#listeners.length === 0) return
    const lines = (this.#line + text).split('\n')
    this.#line = lines.pop()!
    for (const line of lines) for (const listener of this.#listeners) listener(line)
  }

  async #until(done: () => boolean, deadlineMs: number, what: string): Promise<void> {
    if (done()) return
    await new Promise<void>((resolve, reject) => {
      const finish = (error?: Error): void => {
        clearTimeout(timer)
        this.#watchers.delete(look)
        if (error === undefined) resolve()
        else reject(error)
      }
      const look = (): void => {
        if (done()) finish()
        else if (this.#exit !== undefined) finish(this.#late(what))
      }
      const timer = setTimeout(() => finish(this.#late(`${what} within ${deadlineMs} ms`)), deadlineMs)
      this.#watchers.add(look)
      look()
    })
  }

  #late(what: string): DeadlineError {
    const ended =
      this.#exit === undefined ? '' : ` (ended: code ${this.#exit.code}, signal ${this.#exit.signal})`
    return new DeadlineError(
      `${this.command}: has not ${what}${ended}\nstdout: ${this.#stdout.slice(-2000)}\nstderr: ${this.#stderr.slice(-4000)}`,
    )
  }
}

/** Waits for a promise no longer than this; undefined when the time is up. */
export async function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  const abort = new AbortController()
  try {
    return await Promise.race([
      promise,
      sleep(ms, undefined, { signal: abort.signal }).catch(() => undefined),
    ])
  } finally {
    abort.abort()
  }
}

/** Polls until the condition holds. @throws DeadlineError naming what was waited for. */
export async function eventually<T>(
  what: string,
  deadlineMs: number,
  condition: () => T | Promise<T>,
  everyMs = 50,
): Promise<NonNullable<Exclude<T, false>>> {
  const end = performance.now() + deadlineMs
  for (;;) {
    const value = await condition()
    if (value !== false && value !== undefined && value !== null)
      return value as NonNullable<Exclude<T, false>>
    if (performance.now() > end) throw new DeadlineError(`not within ${deadlineMs} ms: ${what}`)
    await sleep(everyMs)
  }
}

/**
 * Runs a command to its end. A command over its deadline is killed and reported; one that the kernel will not let go
 * is reported too, never waited for.
 * @throws DeadlineError
 */
export async function run(
  scope: Scope,
  command: string,
  args: readonly string[],
  options: StartOptions & { readonly deadlineMs?: number; readonly input?: string } = {},
): Promise<Outcome> {
  const child = new Child(command, args, options, scope)
  if (options.input !== undefined) child.write(options.input)
  child.closeInput()
  try {
    return await child.ended(options.deadlineMs ?? 30_000)
  } catch (error) {
    await child.stop('SIGKILL').catch(() => {})
    throw error
  }
}

/** Like `run`, and demands exit code 0. */
export async function check(
  scope: Scope,
  command: string,
  args: readonly string[],
  options: StartOptions & { readonly deadlineMs?: number; readonly input?: string } = {},
): Promise<Outcome> {
  const outcome = await run(scope, command, args, options)
  if (outcome.code !== 0) {
    throw new Error(
      `${command} ${args.join(' ')}: code ${outcome.code}, signal ${outcome.signal}\n${outcome.stdout.slice(-2000)}\n${outcome.stderr.slice(-4000)}`,
    )
  }
  return outcome
}
