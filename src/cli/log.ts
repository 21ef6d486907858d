/**
 * The daemon's log. The only importer of pino and pino-pretty.
 *
 * Must not decide what is worth logging.
 */

import { isatty } from 'node:tty'
import { pino } from 'pino'
import type { Logger as PinoLogger } from 'pino'
import pretty from 'pino-pretty'
import type { LogFormat, LogLevel } from './daemon-flags.js'
import { LogOutput } from './log-output.js'

/** The daemon's logger: the library's, and what only a program says. */
export interface DaemonLog {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
  /** Why the program ends. One line, whatever the level. */
  fatal(message: string, error?: unknown): void
  /** What the operator waits for. One line, whatever the level. */
  announce(fields: object, message: string): void
  /** Writes what can be written now; for the end of the process. */
  flush(): void
}

/** Makes the log. */
export function openLog(options: { level: LogLevel; format: LogFormat }): DaemonLog {
  const output = new LogOutput()
  const stackToo = options.level === 'debug'
  const logger = pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: {
        err: (error: unknown) => describe(error, stackToo),
        error: (error: unknown) => describe(error, stackToo),
      },
    },
    options.format === 'json' ? output : prettyOutput(output),
  )
  const always: PinoLogger = logger.child({}, { level: 'info' })
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
    fatal: (message, error) => {
      always.fatal(error === undefined || !stackToo ? {} : { err: error }, message.replaceAll('\n', ' '))
    },
    announce: (fields, message) => always.info(fields, message),
    flush: () => output.flush(),
  }
}

/** Lines for people: pino-pretty's formatter without its stream, which would hold lines back at the end of the process. */
function prettyOutput(output: LogOutput): { write(line: string): void } {
  const format = pretty.prettyFactory({
    colorize: isatty(2) && process.env['NO_COLOR'] === undefined,
    singleLine: true,
    errorLikeObjectKeys: [],
    translateTime: 'SYS:HH:MM:ss.l',
  })
  return { write: line => output.write(format(line)) }
}

function describe(error: unknown, stackToo: boolean): unknown {
  if (!(error instanceof Error)) return error
  const { code } = error as NodeJS.ErrnoException
  return {
    ...(code === undefined ? {} : { code }),
    message: error.message,
    ...(stackToo ? { stack: error.stack } : {}),
  }
}
