/**
 * The flags of the daemon and what they mean together.
 *
 * Owns names, defaults and help; must not touch the folders that are named.
 */

import { homedir } from 'node:os'
import { join } from 'node:path'
import { BACKEND_NAMES, type BackendName } from '../fs/index.js'
import {
  DEFAULT_ENCRYPTION,
  DEFAULT_MAX_PEERS,
  DEFAULT_MAX_PEERS_PER_TORRENT,
  DEFAULT_READAHEAD_BYTES,
  ENCRYPTION_POLICIES,
  type EncryptionPolicy,
} from '../torrent/index.js'
import { describeFlags, parseFlags } from './flag-parser.js'
import type { ListFlag, SwitchFlag, ValueFlag } from './flag-parser.js'
import {
  oneOf,
  parseAddress,
  parseDhtNode,
  parseCacheSize,
  parseCount,
  parseDuration,
  parseFolder,
  parseInterface,
  parsePeer,
  parseSize,
} from './flag-values.js'
import type { HostAndPort } from './flag-values.js'
import { parseBlocklist, parseProxy } from './network-values.js'
import { parseStorage, STORAGE_HELP, type StorageChoice } from './storage-choice.js'
import { UsageError } from './usage-error.js'

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
  readonly storage: StorageChoice
  readonly partFiles: boolean
  readonly listenAddr: HostAndPort
  readonly testPeers: readonly HostAndPort[]
  readonly disableTrackers: boolean
  readonly disableDht: boolean
  /** Undefined: the well-known routers; empty: nobody. */
  readonly dhtBootstrap: readonly HostAndPort[] | undefined
  readonly disablePex: boolean
  readonly disableLsd: boolean
  /** Payload bytes/s over all torrents; 0: no limit. */
  readonly maxDownloadRate: number
  readonly maxUploadRate: number
  readonly disableUpload: boolean
  readonly maxPeers: number
  readonly maxPeersPerTorrent: number
  readonly encryption: EncryptionPolicy
  /** A URL with the password in it: not for logs. */
  readonly proxy: string | undefined
  /** Absolute paths and URLs. */
  readonly blocklist: readonly string[]
  readonly bindInterface: string | undefined
  readonly disablePortMapping: boolean
  readonly anonymous: boolean
  readonly disableUtp: boolean
  readonly disableTcp: boolean
  readonly disableWebseeds: boolean
  /** Bytes. */
  readonly readaheadBytes: number
  /** The most bytes all torrents keep; undefined: no limit. */
  readonly cacheBytes: number | undefined
  /** ms; `undefined`: reads wait as long as they must. */
  readonly readTimeoutMs: number | undefined
  readonly allowOther: boolean
  readonly fuseBackend: BackendName
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
  storage: value('KIND', parseStorage, `Where downloaded data is kept: ${STORAGE_HELP}.`, 'file'),
  partFiles: onOff('Call a file NAME.part until it is complete.'),
  listenAddr: value(
    'HOST:PORT',
    parseAddress,
    'Where peers may connect. Port 0: one that is free.',
    ':0, on all addresses',
  ),
  testPeer: list('HOST:PORT', parsePeer, 'A peer to add to every torrent; tried again every 10 s.'),
  disableTrackers: onOff('Announce to no tracker.'),
  disableDht: onOff('Run no DHT node: find peers without it.'),
  dhtBootstrap: list(
    'HOST:PORT',
    parseDhtNode,
    'A DHT node to begin with, instead of well-known routers. none: begin with the nodes that torrents and peers name.',
  ),
  disablePex: onOff('Neither tell peers of other peers nor hear of them (PEX).'),
  disableLsd: onOff('Neither tell the local network of torrents nor hear of them (LSD).'),
  maxDownloadRate: value(
    'SIZE',
    parseSize,
    'The most that is downloaded a second, over all torrents: 2MiB. What a read waits for goes first.',
    '0, no limit',
  ),
  maxUploadRate: value(
    'SIZE',
    parseSize,
    'The most that is uploaded a second, over all torrents.',
    '0, no limit',
  ),
  disableUpload: onOff('Upload nothing. Peers that get nothing give less.'),
  maxPeers: value('COUNT', parseCount, 'Peers connected at a time.', String(DEFAULT_MAX_PEERS)),
  maxPeersPerTorrent: value(
    'COUNT',
    parseCount,
    'Peers of one torrent connected at a time.',
    String(DEFAULT_MAX_PEERS_PER_TORRENT),
  ),
  encryption: value(
    'WORD',
    oneOf(...ENCRYPTION_POLICIES),
    'Encrypted connections: prefer (call plainly, encrypted where that is turned away; answer both), require (nothing else), disable.',
    DEFAULT_ENCRYPTION,
  ),
  proxy: value(
    'URL',
    parseProxy,
    'A proxy for peers, trackers and web seeds: socks5://user:pw@host:port or http://host:port. It resolves names. ' +
      'Nothing goes past it: UDP trackers, DHT, uTP and incoming peers are off.',
    'none',
  ),
  blocklist: list(
    'FILE|URL',
    parseBlocklist,
    'Addresses to have nothing to do with: P2P text, DAT, CIDR or plain, also .gz. Read again when it changes.',
  ),
  bindInterface: value(
    'NAME|ADDRESS',
    parseInterface,
    'The one network interface to use. While it has no address nothing goes out.',
    'what the system takes',
  ),
  disablePortMapping: onOff('Ask no router to let peers in (UPnP, NAT-PMP).'),
  anonymous: onOff('Tell nobody the name of this program. No port mapping, no local discovery.'),
  disableUtp: onOff('Reach peers by TCP alone, not by uTP.'),
  disableTcp: onOff('Reach peers by uTP alone, not by TCP.'),
  disableWebseeds: onOff('Fetch nothing from the HTTP servers that torrents name.'),
  readaheadBytes: value(
    'SIZE',
    parseSize,
    'The most one reader fetches ahead of where it reads: 10MiB, 512k.',
    `${DEFAULT_READAHEAD_BYTES / 1024 ** 2}MiB`,
  ),
  cacheSize: value(
    'SIZE',
    parseCacheSize,
    'The most that is kept of all torrents: what was read longest ago is deleted for what is read now: 2GiB.',
    'off, all that was read is kept',
  ),
  readTimeout: value(
    'TIME',
    parseDuration,
    'A read that makes no progress for this long fails with an input/output error: 30s, 5m.',
    'off, reads wait for the swarm',
  ),
  allowOther: onOff('Let other users read the mount, too.'),
  fuseBackend: value(
    'NAME',
    oneOf(...BACKEND_NAMES),
    'How to mount: kernel (our own session, Linux), fuse-native (libfuse2), or auto: the first of them that can run.',
    'auto',
  ),
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
    storage: flags.storage ?? { kind: 'file', rest: '' },
    partFiles: flags.partFiles,
    listenAddr: flags.listenAddr ?? { host: '', port: 0 },
    testPeers: flags.testPeer,
    disableTrackers: flags.disableTrackers,
    disableDht: flags.disableDht,
    dhtBootstrap:
      flags.dhtBootstrap.length === 0 ? undefined : flags.dhtBootstrap.filter(node => node !== undefined),
    disablePex: flags.disablePex,
    disableLsd: flags.disableLsd,
    maxDownloadRate: flags.maxDownloadRate ?? 0,
    maxUploadRate: flags.maxUploadRate ?? 0,
    disableUpload: flags.disableUpload,
    maxPeers: flags.maxPeers ?? DEFAULT_MAX_PEERS,
    maxPeersPerTorrent: flags.maxPeersPerTorrent ?? DEFAULT_MAX_PEERS_PER_TORRENT,
    encryption: flags.encryption ?? DEFAULT_ENCRYPTION,
    proxy: flags.proxy,
    blocklist: flags.blocklist,
    bindInterface: flags.bindInterface,
    disablePortMapping: flags.disablePortMapping,
    anonymous: flags.anonymous,
    disableUtp: flags.disableUtp,
    disableTcp: flags.disableTcp,
    disableWebseeds: flags.disableWebseeds,
    cacheBytes: flags.cacheSize,
    readaheadBytes: flags.readaheadBytes ?? DEFAULT_READAHEAD_BYTES,
    readTimeoutMs: flags.readTimeout,
    allowOther: flags.allowOther,
    fuseBackend: flags.fuseBackend ?? 'auto',
    logLevel: flags.logLevel ?? 'info',
    logFormat: flags.logFormat ?? 'pretty',
  }
}
