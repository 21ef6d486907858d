/**
 * What a client can be told, and what it does when it is not.
 *
 * Owns the options' names, units, defaults and checks.
 */
import { checkExtensions, type CustomExtension } from './custom-extensions.js'
import { TorrentError } from './errors.js'
import type { Logger } from './logger.js'
import { checkBlocklistSource } from './net/blocklist.js'
import { parseProxyUrl } from './net/proxy-url.js'
import type { HostPort } from './peer/address.js'
import { ENCRYPTION_POLICIES, type EncryptionPolicy } from './peer/encryption.js'
import {
  checkOptions,
  hostAndPort,
  listOf,
  oneOf,
  onOrOff,
  text,
  wholeNumber,
  withMethods,
  type Checks,
} from './option-checks.js'
import type { Storage } from './storage/storage.js'

/** Our name and version for other clients: BEP 20 peer ids begin with `-TF0100-`. */
export const CLIENT_NAME = 'torrentfs 0.1.0'
export const PEER_ID_PREFIX = '-TF0100-'

/** How much may be sent and received over all torrents, in payload bytes/s; 0: no limit. */
export interface Rates {
  /** Default: 0. */
  readonly maxDownloadRate?: number
  /** Default: 0. */
  readonly maxUploadRate?: number
}

/** Options of a {@link Client}. */
export interface ClientOptions extends Rates {
  /**
   * Folder of downloaded data and resume state, of metadata that magnets got, of the DHT's table and fetched blocklists;
   * created by the first write. Needed unless there is a `storage`: without it nothing else is kept on disk.
   */
  readonly downloadDir?: string
  /** Where peers may connect to. Default: every address, a port the system chooses. */
  readonly listenAddr?: { readonly host?: string; readonly port: number }
  /** Peers added to every torrent and tried again every 10 s. Default: none. */
  readonly testPeers?: readonly HostPort[]
  /** Announce to no tracker. Default: false. */
  readonly disableTrackers?: boolean
  /** Neither tell peers of other peers nor hear of them (PEX). Default: false. */
  readonly disablePex?: boolean
  /** Neither tell the local network of torrents nor hear of them (LSD). Default: false. */
  readonly disableLsd?: boolean
  /** Neither connect by uTP nor let peers connect by it. Default: false. */
  readonly disableUtp?: boolean
  /** Neither connect by TCP nor let peers connect by it: uTP alone remains. Default: false. */
  readonly disableTcp?: boolean
  /** Use no web seeds (BEP 17, 19). Default: false. */
  readonly disableWebSeeds?: boolean
  /** Run no DHT node (BEP 5). Default: false. */
  readonly disableDht?: boolean
  /**
   * DHT nodes to begin with while no others are known. Default: well-known routers. Empty: whom torrents and peers name.
   */
  readonly dhtBootstrap?: readonly HostPort[]
  /** The most one reader fetches ahead, in bytes. Default: {@link DEFAULT_READAHEAD_BYTES}. */
  readonly readaheadBytes?: number
  /**
   * The most bytes that all torrents together keep in the storage: pieces that were read longest ago are given up for those
   * that are read now. All that lies in the storage counts, and may be deleted: it is a cache then. At least two pieces of
   * each torrent. Default: no limit.
   */
  readonly cacheBytes?: number
  /** Memory for pieces that are being fetched, in bytes, over all torrents. Default: 64 MiB. */
  readonly memoryBytes?: number
  /** Peers connected at a time, over all torrents. Default: 500. */
  readonly maxPeers?: number
  /** Peers connected at a time, of one torrent. Default: 50. */
  readonly maxPeersPerTorrent?: number
  /** Upload no content: every peer stays choked. Metadata is still given. Default: false. */
  readonly disableUpload?: boolean
  /**
   * `socks5://user:password@host:port` or `http://...`: peers, HTTP trackers and web seeds are reached through it or not
   * at all, and it resolves their names. Nothing that needs UDP or a port of ours happens then. Default: none.
   */
  readonly proxy?: string
  /** Files and URLs of IP blocklists: P2P text, DAT, CIDR or plain, also packed with gzip. Default: none. */
  readonly blocklist?: readonly string[]
  /** The one interface to use, by its name or one of its addresses. Default: whichever the system takes. */
  readonly bindInterface?: string
  /** Ask no router to let peers in (UPnP, NAT-PMP). Default: false. */
  readonly disablePortMapping?: boolean
  /** Tell nobody what program this is, nor an address that he does not see anyway. Default: false. */
  readonly anonymous?: boolean
  /** Which connections to peers are encrypted: see {@link EncryptionPolicy}. Default: {@link DEFAULT_ENCRYPTION}. */
  readonly encryption?: EncryptionPolicy
  /** Extensions of the wire protocol, for every torrent: see {@link CustomExtension}. Default: none. */
  readonly extensions?: readonly CustomExtension[]
  /** Where the data goes. Default: files below `downloadDir`. Owned by the client from then on, which closes it. */
  readonly storage?: Storage
  /** Default: silent. */
  readonly logger?: Logger
}

/** 32 MiB: see "Readahead" in ARCHITECTURE.md for the measurement. */
export const DEFAULT_READAHEAD_BYTES = 32 * 1024 * 1024
/** Connections of all torrents. */
export const DEFAULT_MAX_PEERS = 500
/** Connections of one torrent. */
export const DEFAULT_MAX_PEERS_PER_TORRENT = 50
/** Either way, in the open first. */
export const DEFAULT_ENCRYPTION: EncryptionPolicy = 'prefer'

const CHECKS: Checks<ClientOptions> = {
  downloadDir: text('a folder'),
  listenAddr: hostAndPort(0, true),
  testPeers: listOf(hostAndPort(1)),
  disableTrackers: onOrOff,
  disablePex: onOrOff,
  disableLsd: onOrOff,
  disableUtp: onOrOff,
  disableTcp: onOrOff,
  disableWebSeeds: onOrOff,
  disableDht: onOrOff,
  dhtBootstrap: listOf(hostAndPort(1)),
  readaheadBytes: wholeNumber(0),
  cacheBytes: wholeNumber(1),
  memoryBytes: wholeNumber(1),
  maxDownloadRate: wholeNumber(0),
  maxUploadRate: wholeNumber(0),
  maxPeers: wholeNumber(1),
  maxPeersPerTorrent: wholeNumber(1),
  disableUpload: onOrOff,
  proxy: text('a URL', parseProxyUrl),
  blocklist: listOf(text('a file or a URL', checkBlocklistSource)),
  bindInterface: text('a name or an address'),
  disablePortMapping: onOrOff,
  anonymous: onOrOff,
  encryption: oneOf(ENCRYPTION_POLICIES),
  extensions: checkExtensions,
  storage: withMethods('open', 'close'),
  logger: withMethods('debug', 'info', 'warn', 'error'),
}
const RATE_CHECKS: Checks<Rates> = {
  maxDownloadRate: CHECKS.maxDownloadRate,
  maxUploadRate: CHECKS.maxUploadRate,
}

/** @throws ERR_TORRENTFS_ARGUMENT naming the option */
export function checkClientOptions(options: ClientOptions): void {
  checkOptions(options, CHECKS, 'a client')
  if (options.downloadDir === undefined && options.storage === undefined)
    throw contradiction('downloadDir: a folder is needed, or a storage')
  if (options.disableTcp === true && options.disableUtp === true)
    throw contradiction('disableTcp: with disableUtp no peer can be reached')
  if (options.disableTcp === true && options.proxy !== undefined)
    throw contradiction('disableTcp: uTP does not go through a proxy')
  if (
    options.downloadDir === undefined &&
    options.blocklist?.some(source => /^https?:/i.test(source)) === true
  )
    throw contradiction('blocklist: a URL needs a downloadDir, where the list is kept')
}

/** @throws ERR_TORRENTFS_ARGUMENT naming the rate */
export function checkRates(rates: Rates): void {
  checkOptions(rates, RATE_CHECKS, 'rates')
}

function contradiction(message: string): TorrentError {
  return new TorrentError('ERR_TORRENTFS_ARGUMENT', message)
}
