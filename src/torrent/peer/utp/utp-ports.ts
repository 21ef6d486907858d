/**
 * uTP over the UDP ports of a client, one for each address family. BEP 29.
 *
 * Owns which of them leads to an address. The ports belong to whoever opened them.
 */
import { TorrentError } from '../../errors.js'
import type { DatagramPort } from '../../net/datagram-port.js'
import { formatAddress, toPeerAddress, type HostPort } from '../address.js'
import type { Transport } from '../transport.js'
import { UtpPort } from './utp-port.js'

export interface UtpPortsOptions {
  readonly ports: readonly DatagramPort[]
  /**
   * The addresses of a name (an IP address is its own) that may be gone to, best first.
   *
   * @throws ERR_TORRENTFS_CONNECTION
   */
  readonly resolve: (host: string) => Promise<readonly { readonly address: string }[]>
  /** Takes an incoming connection, paused, whose peer has shown that it is where it says. */
  readonly accept: (transport: Transport) => void
}

export class UtpPorts {
  readonly #ports = new Map<0 | 4 | 6, UtpPort>()
  readonly #resolve: UtpPortsOptions['resolve']

  constructor({ ports, resolve, accept }: UtpPortsOptions) {
    this.#resolve = resolve
    for (const port of ports) this.#ports.set(port.family, new UtpPort(port, accept))
  }

  /** Connections, unfinished ones included. */
  get size(): number {
    let size = 0
    for (const port of this.#ports.values()) size += port.size
    return size
  }

  /**
   * Connects to an address.
   *
   * @param address - An IP address, or a name to be looked up.
   * @param signal - Aborting it ends the attempt; afterwards it has no effect.
   * @throws ERR_TORRENTFS_CONNECTION when there is no connection to be had, ERR_TORRENTFS_ABORTED on abort
   */
  async connect(address: HostPort, signal: AbortSignal): Promise<Transport> {
    const { host, port } = toPeerAddress(address)
    for (const found of await this.#resolve(host)) {
      const peer = toPeerAddress({ host: found.address, port })
      const way = this.#ports.get(peer.family)
      if (way !== undefined) return way.connect(peer, signal)
    }
    const message = `${formatAddress(address)}: no address that uTP leads to`
    throw new TorrentError('ERR_TORRENTFS_CONNECTION', message)
  }

  /** Lets nobody in from now on. Connections that are there go on. */
  stopAccepting(): void {
    for (const port of this.#ports.values()) port.stopAccepting()
  }

  /** Ends all connections, telling each peer once, and waits for nothing. Idempotent. */
  close(): void {
    for (const port of this.#ports.values()) port.close()
  }
}
