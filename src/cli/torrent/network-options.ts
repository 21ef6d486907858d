/**
 * The options of commands that take part in swarms, and the client they make.
 *
 * Owns names and meaning, the same for all such commands. Loads the engine only when a client is made.
 */

import type { Client, ClientOptions, TorrentError } from '../../torrent/index.js'
import {
  oneOf,
  parseAddress,
  parseCount,
  parseDhtNode,
  parseFolder,
  parseInterface,
  parsePeer,
  parseSize,
} from '../flag-values.js'
import { UsageError } from '../usage-error.js'
import { list, toggle, value, type Option } from './command.js'

const PEERS = { group: 'Peers and sources' }
const NETWORK = { group: 'Network' }

/** To be spread into the options of a command; what was given goes to {@link openClient}. */
export const networkOptions = {
  testPeer: list('HOST:PORT', 'a peer of every torrent, tried again every 10 s', {
    ...PEERS,
    parse: parsePeer,
  }),
  noTrackers: toggle('announce to no tracker', PEERS),
  noDht: toggle('find peers without the DHT', PEERS),
  dhtBootstrap: list('HOST:PORT', 'a DHT node to begin with, instead of well-known ones; or none', {
    ...PEERS,
    parse: parseDhtNode,
  }),
  noPex: toggle('neither tell peers of peers nor hear of them', PEERS),
  noLsd: toggle('neither tell the local network of torrents nor hear of them', PEERS),
  noWebseeds: toggle('fetch nothing from the HTTP servers that torrents name', PEERS),
  noUpload: toggle('upload nothing', PEERS),
  maxDown: value('SIZE', 'the most to download a second: 2MiB', { ...NETWORK, parse: parseSize }),
  maxUp: value('SIZE', 'the most to upload a second', { ...NETWORK, parse: parseSize }),
  maxPeers: value('COUNT', 'peers connected at a time, over all torrents', {
    ...NETWORK,
    parse: parseCount,
  }),
  listen: value('HOST:PORT', 'where peers may connect (default: a free port on all addresses)', {
    ...NETWORK,
    parse: parseAddress,
  }),
  bind: value('NAME|ADDRESS', 'the one network interface to use', { ...NETWORK, parse: parseInterface }),
  proxy: value('URL', 'reach all through socks5://user:password@host:port or http://host:port', NETWORK),
  blocklist: list('FILE|URL', 'addresses to have nothing to do with', {
    ...NETWORK,
    parse: text => (/^https?:\/\//i.test(text) ? text : parseFolder(text)),
    complete: 'file',
  }),
  encryption: value('WORD', 'encrypted connections: prefer, require or disable', {
    ...NETWORK,
    parse: oneOf('prefer', 'require', 'disable'),
    complete: ['prefer', 'require', 'disable'],
  }),
  noTcp: toggle('reach peers by uTP alone', NETWORK),
  noUtp: toggle('reach peers by TCP alone', NETWORK),
  noPortMapping: toggle('ask no router to let peers in', NETWORK),
  anonymous: toggle('tell nobody the name of this program', NETWORK),
} satisfies Readonly<Record<string, Option<unknown>>>

/** What was given of {@link networkOptions}. */
export type NetworkInput = {
  readonly [K in keyof typeof networkOptions]: ReturnType<(typeof networkOptions)[K]['read']>
}

type Place = Pick<ClientOptions, 'downloadDir' | 'storage' | 'readaheadBytes'>

/**
 * Makes a client that listens; the caller closes it.
 *
 * @throws UsageError for an option that makes no sense; ERR_TORRENTFS_LISTEN, ERR_TORRENTFS_BLOCKLIST
 */
export async function openClient(input: NetworkInput, place: Place): Promise<Client> {
  const { Client, TorrentError } = await import('../../torrent/index.js')
  const client = ((): Client => {
    try {
      return new Client({ ...place, ...clientOptions(input) })
    } catch (error) {
      if (error instanceof TorrentError && error.code === 'ERR_TORRENTFS_ARGUMENT') throw misuse(error)
      throw error
    }
  })()
  try {
    await client.listen()
  } catch (error) {
    await client.close()
    throw error
  }
  return client
}

function clientOptions(input: NetworkInput): ClientOptions {
  const { listen, maxDown, maxUp, maxPeers, bind, proxy, encryption, dhtBootstrap } = input
  return {
    listenAddr: listen === undefined || listen.host === '' ? { port: listen?.port ?? 0 } : listen,
    testPeers: input.testPeer,
    disableTrackers: input.noTrackers,
    disableDht: input.noDht,
    ...(dhtBootstrap.length === 0 ? {} : { dhtBootstrap: dhtBootstrap.filter(node => node !== undefined) }),
    disablePex: input.noPex,
    disableLsd: input.noLsd,
    disableWebSeeds: input.noWebseeds,
    disableUpload: input.noUpload,
    maxDownloadRate: maxDown ?? 0,
    maxUploadRate: maxUp ?? 0,
    ...(maxPeers === undefined ? {} : { maxPeers }),
    ...(bind === undefined ? {} : { bindInterface: bind }),
    ...(proxy === undefined ? {} : { proxy }),
    blocklist: input.blocklist,
    ...(encryption === undefined ? {} : { encryption }),
    disableTcp: input.noTcp,
    disableUtp: input.noUtp,
    disablePortMapping: input.noPortMapping,
    anonymous: input.anonymous,
  }
}

/** What the client calls its options, as they are called on the command line. */
const NAMES: Readonly<Record<string, string>> = {
  listenAddr: '--listen',
  proxy: '--proxy',
  blocklist: '--blocklist',
  bindInterface: '--bind',
  disableTcp: '--no-tcp',
  encryption: '--encryption',
}

function misuse(error: TorrentError): UsageError {
  const message = error.message.replace(/^\w+/, name => NAMES[name] ?? name)
  return new UsageError(message.replaceAll('disableUtp', '--no-utp'), { cause: error })
}
