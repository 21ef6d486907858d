/**
 * The `torrent` command: a command line in, a run of one subcommand, an exit status out.
 *
 * Owns the process: its signals, its outputs' ends, its last errors, its end. Exit status: 0 done, 1 failed or stopped,
 * 2 wrong command line.
 */

import { constants } from 'node:os'
import { UsageError } from '../usage-error.js'
import { answerSignals } from '../signals.js'
import { commands } from './commands.js'
import { Context } from './context.js'
import { CallError, parseCall, type Call } from './program.js'

/** Runs the command and ends the process. @param args the command line without the program's name */
export async function main(args: readonly string[]): Promise<void> {
  const outputs = new Outputs()
  const stopping = new AbortController()
  outputs.onGone = () => stopping.abort()
  let call: Call | number
  try {
    call = parseCall(commands, args, process)
  } catch (error) {
    const name = error instanceof CallError ? error.command : 'torrent'
    if (error instanceof UsageError) return outputs.end(2, misuse(name, error))
    return outputs.end(1, `torrent: internal error: ${messageOf(error)}`)
  }
  if (typeof call === 'number') return outputs.end(call)
  const { command, name, input, json } = call
  answerSignals({
    end: () => stopping.abort(),
    endNow: signal => process.exit(128 + constants.signals[signal]),
  })
  // A mistake of ours ends the command as any failure does: with one line.
  const fail = (error: unknown): void => outputs.end(1, `${name}: internal error: ${messageOf(error)}`)
  process.on('uncaughtException', fail)
  process.on('unhandledRejection', fail)
  try {
    const status = await command.run(
      new Context({ name, json, signal: stopping.signal, commands, ...outputs.streams }),
      input,
    )
    outputs.end(status ?? 0)
  } catch (error) {
    if (error instanceof UsageError) return outputs.end(2, misuse(name, error))
    if (stopping.signal.aborted && isAbort(error)) return outputs.end(1, `${name}: stopped`)
    outputs.end(1, `${name}: ${messageOf(error)}`)
  }
}

function misuse(name: string, error: Error): string {
  return `${name}: ${messageOf(error)} (see ${name} --help)`
}

function isAbort(error: unknown): boolean {
  if (!(error instanceof Error)) return true
  return error.name === 'AbortError' || (error as NodeJS.ErrnoException).code === 'ERR_TORRENTFS_ABORTED'
}

/** One line, whatever went wrong. */
function messageOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return (message === '' ? 'it failed without saying why' : message).replace(/\s*\n\s*/g, ' ')
}

/** Standard output and standard error, which may go away or fill up at any time. */
class Outputs {
  /** Called when nobody reads standard output any more, or it cannot take more. */
  onGone: (() => void) | undefined
  #lost: Error | undefined
  #isEnding = false

  constructor() {
    process.stderr.on('error', () => undefined)
    process.stdout.on('error', error => {
      this.#lost ??= error
      this.onGone?.()
    })
  }

  get streams(): { stdout: NodeJS.WriteStream; stderr: NodeJS.WriteStream } {
    return { stdout: process.stdout, stderr: process.stderr }
  }

  /** Ends the process when all that was printed is out. A closed pipe is no news; a full disk is. */
  end(status: number, message?: string): void {
    if (this.#isEnding) return
    this.#isEnding = true
    const exit = (): never => {
      const lost = this.#lost as NodeJS.ErrnoException | undefined
      if (lost !== undefined && lost.code !== 'EPIPE') {
        process.stderr.write(`torrent: cannot write to standard output: ${lost.message}\n`)
      } else if (message !== undefined && lost === undefined) {
        process.stderr.write(`${message}\n`)
      }
      process.exit(lost === undefined ? status : status || 1)
    }
    if (this.#lost !== undefined || process.stdout.destroyed) exit()
    // The error of a last write comes a turn after its callback.
    process.stdout.write('', () => setImmediate(exit))
  }
}
