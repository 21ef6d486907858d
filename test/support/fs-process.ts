/**
 * Readers of a mount: always child processes (a process that reads its own mount waits for itself), each with a deadline.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'

export interface Outcome {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: Buffer
  stderr: string
  /** From start to exit. */
  ms: number
}

export interface Reader {
  readonly child: ChildProcess
  readonly outcome: Promise<Outcome>
  /** Whether it has written `text` to its standard output by now. */
  said(text: string): boolean
}

/** Starts a program. After `deadlineMs` it is killed and its outcome rejects. */
export function start(program: string, args: string[], deadlineMs = 10_000): Reader {
  const child = spawn(program, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, LC_ALL: 'C.UTF-8' },
  })
  const begin = performance.now()
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  child.stdout.on('data', (data: Buffer) => stdout.push(data))
  child.stderr.on('data', (data: Buffer) => stderr.push(data))
  child.stdin.on('error', () => {})
  const outcome = (async (): Promise<Outcome> => {
    let late = false
    const timer = setTimeout(() => {
      late = true
      child.kill('SIGKILL')
    }, deadlineMs)
    let hardTimer: NodeJS.Timeout | undefined
    const stuck = new Promise<never>((_, reject) => {
      const what = `${program} ${args.join(' ').slice(0, 300)}`
      hardTimer = setTimeout(
        () => reject(new Error(`unkillable after ${deadlineMs} ms: ${what}`)),
        deadlineMs + 3000,
      )
    })
    try {
      const [code, signal] = (await Promise.race([once(child, 'close'), stuck])) as [
        number | null,
        NodeJS.Signals,
      ]
      const ms = performance.now() - begin
      const errors = Buffer.concat(stderr).toString()
      if (late)
        throw new Error(`not finished within ${deadlineMs} ms: ${program} ${args.join(' ')}: ${errors}`)
      return { code, signal, stdout: Buffer.concat(stdout), stderr: errors, ms }
    } finally {
      clearTimeout(timer)
      clearTimeout(hardTimer)
    }
  })()
  outcome.catch(() => {})
  return { child, outcome, said: text => Buffer.concat(stdout).includes(text) }
}

/** Runs a program to its end, whatever its exit code. */
export function run(program: string, args: string[], deadlineMs?: number): Promise<Outcome> {
  return start(program, args, deadlineMs).outcome
}

/** Runs a program that must succeed; its standard output. */
export async function output(program: string, args: string[], deadlineMs?: number): Promise<Buffer> {
  const { code, signal, stdout, stderr } = await run(program, args, deadlineMs)
  if (code !== 0) throw new Error(`${program} ${args.join(' ')}: ${signal ?? code}: ${stderr}`)
  return stdout
}

/** Runs a Python program that must succeed, with `args` as sys.argv[1:]; its standard output as text. */
export async function python(program: string, args: string[], deadlineMs?: number): Promise<string> {
  return (await output('/usr/bin/python3', ['-c', program, ...args], deadlineMs)).toString()
}

export function sleep(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}

/** Waits until `condition` holds. */
export async function until(what: string, deadlineMs: number, condition: () => boolean | Promise<boolean>) {
  const end = performance.now() + deadlineMs
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`not within ${deadlineMs} ms: ${what}`)
    await sleep(20)
  }
}
