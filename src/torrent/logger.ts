/**
 * The logger the library is given. Structural, so that pino fits as it is; silent unless one is injected.
 */

/** Where the library reports. `debug`: a misbehaving peer; `info`: life of the client; `warn`: the operator should look. */
export interface Logger {
  /** What a peer or a tracker did wrong. */
  debug(fields: object, message: string): void
  /** What the client does. */
  info(fields: object, message: string): void
  /** The operator should look. */
  warn(fields: object, message: string): void
  /** Something failed that should not. */
  error(fields: object, message: string): void
}

function nothing(): void {}

/** Says nothing: the library's default. */
export const silentLogger: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing }
