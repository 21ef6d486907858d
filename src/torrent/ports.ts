/**
 * The one port number a client is reached at: TCP, and UDP of each address family. BEP 5 and 29 share the UDP side.
 *
 * Owns how a number is found that is free for all of them. Who listens on what was opened is others' business.
 */
import { lookup } from 'node:dns/promises'
import { isIP, isIPv4, isIPv6 } from 'node:net'

import { causedBy, TorrentError } from './errors.js'
import type { Logger } from './logger.js'
import { UdpPort, type DatagramPort } from './net/datagram-port.js'
import type { IpFilter } from './net/ip-filter.js'
import { formatAddress } from './peer/address.js'
import type { PeerListener } from './peer/listener.js'

/** How often a port that the system chose for one of them, and that is taken for another, is given back for a new one. */
const ATTEMPTS = 16

export interface PortsOptions {
  /** The address to bind, or a name of it, empty for all addresses; or one address of each family. */
  readonly hosts: readonly string[]
  /** 0: one that is free. */
  readonly port: number
  /** Begins to listen for TCP; undefined: no TCP. */
  readonly listener: PeerListener | undefined
  /** Addresses we have nothing to do with. */
  readonly filter?: IpFilter
  readonly logger: Logger
}

/** What was opened. Whoever opened it closes the UDP ports. */
export interface Ports {
  /** The number they share. */
  readonly port: number
  /** Undefined: not to be had, or not of the family that is bound. */
  readonly udp4: DatagramPort | undefined
  readonly udp6: DatagramPort | undefined
}

/**
 * Opens TCP and UDP under one number. Where UDP cannot be had TCP goes on without, with one warning.
 *
 * @throws ERR_TORRENTFS_LISTEN when TCP cannot be had; without TCP, when no UDP can be had
 */
export async function openPorts(options: PortsOptions): Promise<Ports> {
  const { listener, port, logger } = options
  const hosts = await hostsOf(options.hosts)
  for (let attempt = 1; ; attempt++) {
    if (listener !== undefined) await listener.listen(options.hosts, port)
    const udp = await openUdp(hosts, listener?.port ?? port, options.filter)
    if (udp.failure === undefined) return udp
    if (port === 0 && attempt < ATTEMPTS) {
      await Promise.all([listener?.close(), udp.udp4?.close(), udp.udp6?.close()])
      continue
    }
    if (listener === undefined && udp.udp4 === undefined && udp.udp6 === undefined) throw udp.failure
    logger.warn({ error: udp.failure.message }, 'no UDP port: peers are not reached by uTP, nor by the DHT')
    return udp
  }
}

/** The address to bind for each family; undefined: not this family. */
interface Hosts {
  readonly v4: string | undefined
  readonly v6: string | undefined
}

async function hostsOf(hosts: readonly string[]): Promise<Hosts> {
  const [host = ''] = hosts
  if (hosts.length > 1) return { v4: hosts.find(isIPv4), v6: hosts.find(isIPv6) }
  if (host === '') return { v4: '', v6: '' }
  let address = host
  if (isIP(host) === 0) {
    try {
      address = (await lookup(host)).address
    } catch (error) {
      throw causedBy(error, 'ERR_TORRENTFS_LISTEN', `cannot listen on ${formatAddress({ host, port: 0 })}`)
    }
  }
  return isIP(address) === 4 ? { v4: address, v6: undefined } : { v4: undefined, v6: address }
}

async function openUdp(
  hosts: Hosts,
  wanted: number,
  filter: IpFilter | undefined,
): Promise<Ports & { readonly failure: TorrentError | undefined }> {
  let port = wanted
  let failure: TorrentError | undefined
  const open = async (family: 4 | 6, host: string | undefined): Promise<DatagramPort | undefined> => {
    if (host === undefined) return undefined
    try {
      const opened = await UdpPort.open({ family, host, port, filter })
      port = opened.port
      return opened
    } catch (error) {
      if (!(error instanceof TorrentError)) throw error
      // A machine without IPv6 lacks nothing that it could have.
      if (host !== '' || family === 4 || !isNoSuchFamily(error.cause)) failure ??= error
      return undefined
    }
  }
  const udp4 = await open(4, hosts.v4)
  const udp6 = await open(6, hosts.v6)
  return { port, udp4, udp6, failure }
}

function isNoSuchFamily(cause: unknown): boolean {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code
  return code === 'EAFNOSUPPORT' || code === 'EADDRNOTAVAIL' || code === 'EPROTONOSUPPORT'
}
