/**
 * What a test has made and must take away again: processes, namespaces, mounts, folders. Steps run in reverse order
 * when the scope is closed; when the test process ends without closing it (a crash, a time limit of the runner, Ctrl-C)
 * the synchronous emergency steps run instead, so nothing is left on the machine.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

interface Step {
  readonly close: () => unknown
  readonly emergency: (() => void) | undefined
}

const open = new Set<Scope>()
let watching = false

function watchExit(): void {
  if (watching) return
  watching = true
  process.on('exit', () => {
    for (const scope of [...open].reverse()) scope.abandon()
  })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130))
}

/** Owns everything registered with it until `close`. */
export class Scope {
  readonly #steps: Step[] = []
  #closed = false

  constructor() {
    watchExit()
    open.add(this)
  }

  /**
   * Registers what undoes something just done.
   * @param close runs when the scope is closed; may be asynchronous; a failure does not keep the other steps from running.
   * @param emergency must be synchronous and must not throw for anything already undone; runs at the end of the process only.
   * @returns a function that forgets the step (it was undone by hand).
   */
  defer(close: () => unknown, emergency?: () => void): () => void {
    const step: Step = { close, emergency }
    this.#steps.push(step)
    return () => {
      const at = this.#steps.indexOf(step)
      if (at >= 0) this.#steps.splice(at, 1)
    }
  }

  /** A new empty folder that goes with the scope. */
  folder(prefix = 'torrentfs-test-'): string {
    const path = mkdtempSync(join(tmpdir(), prefix))
    const remove = (): void => rmSync(path, { recursive: true, force: true })
    this.defer(remove, remove)
    return path
  }

  /** Undoes everything, newest first. @throws the first failure, after all steps have run. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const failures: unknown[] = []
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step.close()
      } catch (error) {
        failures.push(error)
        runQuietly(step.emergency)
      }
    }
    open.delete(this)
    if (failures.length > 0) throw failures[0]
  }

  /** The synchronous way out, for the end of the process. */
  abandon(): void {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop())
      runQuietly(step.emergency)
  }
}

function runQuietly(emergency: (() => void) | undefined): void {
  try {
    emergency?.()
  } catch {
    // The process is ending: nothing is left that could act on it.
  }
}
