/**
 * What is thrown for a mistake of a command line. Apart from the flags' parser, which needs the engine.
 */

/** A command line that cannot be understood; the message names the flag. */
export class UsageError extends Error {}
