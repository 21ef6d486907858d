/**
 * The flags of the daemon and what they mean together.
 *
 * Owns names, defaults and help; must not touch the folders that are named.
 */

import { homedir } from 'node:os'
import { join } from 'node:path'
import { DEFAULT_READAHEAD_BYTES } from '../torrent/index.js'
import { describeFlags, parseFlags, UsageError } from './flag-parser.js'
import type { ListFlag, SwitchFlag, ValueFlag } from './flag-parser.js'
import { oneOf, parseAddress, parseDuration, parseFolder, parsePeer, parseSize } from './flag-values.js'
import type { HostAndPort } from './flag-values.js'

/** How much is logged. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'
/** How log lines look. */
export type LogFormat = 'pretty' | 'json'

/** All the daemon is told. Folders are absolute paths. */
export interface DaemonConfig {
  readonly mountDir: string
  readonly metainfoDir: string
  readonly downloadDir: string
  /** False when `downloadDir` is the current folder because nothing else was said. */
  readonly downloadDirGiven: boolean
  readonly listenAddr: HostAndPort
  readonly testPeers: readonly HostAndPort[]
  readonly disableTrackers: boolean
  /** Bytes. */
  readonly readaheadBytes: number
  /** ms; `undefined`: reads wait as long as they must. */
  readonly readTimeoutMs: number | undefined
  readonly allowOther: boolean
  readonly logLevel: LogLevel
  readonly logFormat: LogFormat
}

const LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const
const FORMATS = ['pretty', 'json'] as const
const DEFAULT_METAINFO_DIR = join('.config', 'transmission', 'torrents')

function value<T>(
  placeholder: string,
  parse: (text: string) => T,
  help: string,
  fallback?: string,
): ValueFlag<T> {
  return { kind: 'value', placeholder, parse, help, ...(fallback === undefined ? {} : { fallback }) }
}

function list<T>(placeholder: string, parse: (text: string) => T, help: string): ListFlag<T> {
  return { kind: 'list', placeholder, parse, help }
}

function onOff(help: string): SwitchFlag {
  return { kind: 'switch', help }
}

const FLAGS = {
  mountDir: value('DIR', parseFolder, 'Where the tree of files appears. Required; made if it is missing.'),
  metainfoDir: value(
    'DIR',
    parseFolder,
    'The folder of .torrent and .magnet files. It is watched: what is added, changed or removed there shows in the tree.',
    `~/${DEFAULT_METAINFO_DIR}`,
  ),
  downloadDir: value(
    'DIR',
    parseFolder,
    'Where downloaded data and resume state are kept.',
    'the current folder',
  ),
  listenAddr: value(
    'HOST:PORT',
    parseAddress,
    'Where peers may connect. Port 0: one that is free.',
    ':0, on all addresses',
  ),
  testPeer: list('HOST:PORT', parsePeer, 'A peer to add to every torrent; tried again every 10 s.'),
  disableTrackers: onOff('Announce to no tracker.'),
  readaheadBytes: value(
    'SIZE',
    parseSize,
    'The most one reader fetches ahead of where it reads: 10MiB, 512k.',
    `${DEFAULT_READAHEAD_BYTES / 1024 ** 2}MiB`,
  ),
  readTimeout: value(
    'TIME',
    parseDuration,
    'A read that makes no progress for this long fails with an input/output error: 30s, 5m.',
    'off, reads wait for the swarm',
  ),
  allowOther: onOff('Let other users read the mount, too.'),
  logLevel: value('LEVEL', oneOf(...LEVELS), `How much to log: ${LEVELS.join(', ')}.`, 'info'),
  logFormat: value('FORMAT', oneOf(...FORMATS), 'How log lines look: pretty or json.', 'pretty'),
  help: onOff('Print this and exit.'),
  version: onOff('Print the version and exit.'),
}

/** The text of `-help`. */
export function helpText(): string {
  return `torrentfs: torrents as a read-only filesystem. What is read is downloaded, and nothing else.

Usage: torrentfs -mountDir=DIR [-metainfoDir=DIR] [-downloadDir=DIR] [flags]

Flags, as -name=value, -name value or --name=value:
${describeFlags(FLAGS)}

Runs in the foreground and logs to stderr. SIGINT and SIGTERM unmount and end it, SIGUSR1 logs what it is doing.
Exit status: 0 ended as asked, 1 failed while running (one line says what and where), 2 wrong flags.
`
}

/**
 * What a command line asks for.
 *
 * @throws UsageError naming the flag
 */
export function parseDaemonFlags(args: readonly string[]): DaemonConfig {
  const flags = parseFlags(FLAGS, args)
  if (flags.mountDir === undefined) {
    throw new UsageError('-mountDir is required: the folder where the tree of files appears')
  }
  return {
    mountDir: flags.mountDir,
    metainfoDir: flags.metainfoDir ?? join(homedir(), DEFAULT_METAINFO_DIR),
    downloadDir: flags.downloadDir ?? process.cwd(),
    downloadDirGiven: flags.downloadDir !== undefined,
    listenAddr: flags.listenAddr ?? { host: '', port: 0 },
    testPeers: flags.testPeer,
    disableTrackers: flags.disableTrackers,
    readaheadBytes: flags.readaheadBytes ?? DEFAULT_READAHEAD_BYTES,
    readTimeoutMs: flags.readTimeout,
    allowOther: flags.allowOther,
    logLevel: flags.logLevel ?? 'info',
    logFormat: flags.logFormat ?? 'pretty',
  }
}
