/**
 * The `torrentfs` command: flags in, a daemon's life, an exit status out.
 *
 * Owns the process: its signals, its last errors, its end. Exit status: 0 ended as asked, 1 failed, 2 wrong flags.
 */

import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { Daemon } from './daemon.js'
import { helpText, parseDaemonFlags } from './daemon-flags.js'
import type { DaemonConfig } from './daemon-flags.js'
import { asksFor } from './flag-parser.js'
import { checkFolders } from './folder-check.js'
import { openLog } from './log.js'
import type { DaemonLog } from './log.js'
import { answerSignals } from './signals.js'
import { UsageError } from './usage-error.js'
import { packageVersion } from './version.js'

/** Runs the command and ends the process. @param args the command line without the program's name */
export async function main(args: readonly string[]): Promise<void> {
  // Whoever reads our output may go away at any time; that is no reason to end.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)
  if (['help', 'h', '?'].some(name => asksFor(name, args))) return end(0, process.stdout, helpText())
  if (asksFor('version', args)) return end(0, process.stdout, `torrentfs ${packageVersion()}\n`)
  let config: DaemonConfig
  try {
    config = parseDaemonFlags(args)
    await checkFolders(config)
  } catch (error) {
    if (!(error instanceof UsageError)) return end(1, process.stderr, `torrentfs: ${messageOf(error)}\n`)
    return end(2, process.stderr, `torrentfs: ${error.message}\nRun "torrentfs -help" for the flags.\n`)
  }
  runDaemon(config, openLog({ level: config.logLevel, format: config.logFormat }))
}

function end(status: number, stream: NodeJS.WriteStream, text: string): void {
  process.exitCode = status
  stream.write(text)
}

function runDaemon(config: DaemonConfig, log: DaemonLog): void {
  const exit = (status: number): never => {
    log.flush()
    process.exit(status)
  }
  let daemon: Daemon | undefined
  let status = 0
  let isStopping = false
  const stop = (): void => {
    if (isStopping) return
    isStopping = true
    const stopping = daemon?.stop() ?? Promise.resolve()
    stopping.then(
      () => exit(status),
      (error: unknown) => {
        // The first thing that went wrong is the one line that counts.
        if (status === 0) log.fatal(messageOf(error), error)
        else log.debug({ err: error }, 'could not end cleanly')
        exit(1)
      },
    )
  }
  const fail = (what: string, error: unknown): void => {
    log.fatal(what === '' ? messageOf(error) : `${what}: ${messageOf(error)}`, error)
    status = 1
    stop()
  }

  answerSignals({
    end: signal => {
      log.info({ signal }, 'ending')
      stop()
    },
    endNow: signal => {
      log.warn({ signal }, 'ending at once')
      detach(config.mountDir)
      exit(128 + constants.signals[signal])
    },
    report: () => daemon?.report(),
  })
  // A mistake of ours must not leave a dead mount behind.
  process.on('uncaughtException', error => fail('internal error', error))
  process.on('unhandledRejection', error => fail('internal error', error))

  try {
    daemon = new Daemon(config, log)
  } catch (error) {
    return fail('', error)
  }
  daemon
    .start(failure => {
      if (failure !== undefined) return fail('', failure)
      log.info({ mountDir: config.mountDir }, 'unmounted by someone else; ending')
      stop()
    })
    .catch((error: unknown) => {
      // What fails because it was told to end has not failed.
      if (!isStopping) fail('', error)
    })
}

/** Takes the mount away from outside of this process, which is about to end: no reader shall find it dead. */
function detach(mountDir: string): void {
  spawn('fusermount3', ['-uz', '--', mountDir], { detached: true, stdio: 'ignore' })
    .on('error', () => undefined)
    .unref()
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
