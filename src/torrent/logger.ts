/**
 * The logger the library is given. Structural, so that pino fits as it is; silent unless one is injected.
 */

/** Where the library reports. `debug`: a misbehaving peer; `info`: life of the client; `warn`: the operator should look. */
export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

function nothing(): void {}

/** Says nothing: the library's default. */
export const silentLogger: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing }
