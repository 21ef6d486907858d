/**
 * A child process that reads a file of the mount from some offset, its bytes compared with the source as they come, and
 * their pace kept. So a test knows at any moment which bytes the mount has handed out.
 */

import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, openSync, readSync } from 'node:fs'
import { within } from './child.js'
import type { Scope } from './scope.js'

export interface StreamOptions {
  /** First byte to read (default 0). */
  readonly offset?: number
  /** Ends after so many bytes (default: at the end of the file). */
  readonly length?: number
  /** The file whose bytes these must be. */
  readonly source?: string
}

/** One such reader. */
export class MountStream {
  readonly offset: number
  readonly pid: number
  /** Bytes handed out so far: `[offset, offset + received)`. */
  received = 0
  /** First offset at which a byte differed from the source. */
  wrongAt: number | undefined
  #longestGapMs = 0
  /** From the start to the first byte, ms. */
  firstByteMs: number | undefined
  readonly startedAt = performance.now()
  endedAt: number | undefined
  stderr = ''
  /** Exit code, or null when a signal ended it. */
  readonly ended: Promise<number | null>
  readonly #process: ChildProcess
  #lastAt = this.startedAt

  constructor(scope: Scope, path: string, options: StreamOptions = {}) {
    this.offset = options.offset ?? 0
    const args = [
      '--pdeathsig',
      'KILL',
      '--',
      'dd',
      `if=${path}`,
      'bs=128k',
      'status=none',
      'iflag=skip_bytes,count_bytes',
    ]
    args.push(`skip=${this.offset}`)
    if (options.length !== undefined) args.push(`count=${options.length}`)
    this.#process = spawn('setpriv', args, { stdio: ['ignore', 'pipe', 'pipe'] })
    this.pid = this.#process.pid ?? -1
    const expected = options.source === undefined ? undefined : openSync(options.source, 'r')
    this.#process.stdout!.on('data', (data: Buffer) => this.#take(data, expected))
    this.#process.stderr!.setEncoding('utf8').on('data', (text: string) => (this.stderr += text))
    this.ended = new Promise(resolve => {
      this.#process.once('close', code => {
        this.endedAt = performance.now()
        this.#pause(this.endedAt)
        if (expected !== undefined) closeSync(expected)
        resolve(code)
      })
    })
    const kill = (): boolean => this.#process.kill('SIGKILL')
    const forget = scope.defer(async () => {
      kill()
      await within(this.ended, 3000)
    }, kill)
    void this.ended.then(forget)
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal)
  }

  /** The longest time without a byte from the start to the end, or until now, ms. */
  get longestGapMs(): number {
    return Math.max(this.#longestGapMs, (this.endedAt ?? performance.now()) - this.#lastAt)
  }

  /** Bytes per second over all of it. */
  get rate(): number {
    return this.received / (((this.endedAt ?? performance.now()) - this.startedAt) / 1000)
  }

  #take(data: Buffer, expected: number | undefined): void {
    this.#pause(performance.now())
    this.firstByteMs ??= this.#lastAt - this.startedAt
    const at = this.offset + this.received
    if (expected !== undefined && this.wrongAt === undefined) {
      const want = Buffer.alloc(data.length)
      const length = readSync(expected, want, 0, data.length, at)
      if (length !== data.length || !want.equals(data)) this.wrongAt = at + firstDifference(want, data)
    }
    this.received += data.length
  }

  #pause(now: number): void {
    this.#longestGapMs = Math.max(this.#longestGapMs, now - this.#lastAt)
    this.#lastAt = now
  }
}

function firstDifference(a: Buffer, b: Buffer): number {
  for (let i = 0; i < b.length; i++) if (a[i] !== b[i]) return i
  return b.length
}
