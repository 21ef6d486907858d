/**
 * DHT nodes of a test network: libtorrent's, many in one process, and ours, many in another.
 */
import { join } from 'node:path'

import { eventually, type Child } from './child.js'
import type { Host } from './network.js'
import { buildRoot, supportScript, systemPython } from './project.js'

/** Settings with which a libtorrent session takes part in the DHT of a test network. */
export function dhtSettings(bootstrap: string): Record<string, unknown> {
  return {
    enable_dht: true,
    dht_bootstrap_nodes: bootstrap,
    dht_restrict_routing_ips: false,
    dht_restrict_search_ips: false,
    dht_prefer_verified_node_ids: false,
    dht_ignore_dark_internet: false,
  }
}

export interface NodesOptions {
  readonly count: number
  /** At the host's IPv6 address instead of its IPv4 address. */
  readonly ipv6?: boolean
  readonly firstPort?: number
}

/** The addresses of nodes on one host, `host:port`. */
export function nodeAddresses(host: Host, { count, ipv6, firstPort = 7000 }: NodesOptions): string[] {
  const where = ipv6 === true ? `[${host.address6}]` : host.address
  return Array.from({ length: count }, (_, index) => `${where}:${firstPort + index}`)
}

/** libtorrent sessions that are nothing but nodes. */
export class LibtorrentNodes {
  readonly addresses: readonly string[]
  readonly #child: Child
  #answer: ((answer: { nodes?: number[]; peers?: string[] }) => void) | undefined

  private constructor(child: Child, addresses: readonly string[]) {
    this.#child = child
    this.addresses = addresses
    child.onLine(line => this.#answer?.(JSON.parse(line) as { nodes?: number[]; peers?: string[] }))
  }

  /** They begin with the first of them. */
  static async start(host: Host, options: NodesOptions): Promise<LibtorrentNodes> {
    const listen = nodeAddresses(host, options)
    const argument = JSON.stringify({ listen, bootstrap: listen[0] })
    const child = host.start(systemPython, [supportScript('libtorrent_dht.py'), argument])
    const nodes = new LibtorrentNodes(child, listen)
    await child.printed(/"ready": true/, 60_000, 'stdout')
    return nodes
  }

  /** Waits until each of them knows some others. */
  async connected(deadlineMs = 60_000): Promise<void> {
    await eventually('every libtorrent node knows others', deadlineMs, async () => {
      const { nodes } = await this.#ask({ op: 'nodes' })
      return nodes!.every(count => count >= 2)
    })
  }

  /** Waits until one of them finds a peer of the torrent in the DHT. `before` runs before each look. */
  async finds(infohash: string, before: () => Promise<void>, deadlineMs = 60_000): Promise<string[]> {
    return await eventually(`${infohash} is announced`, deadlineMs, async () => {
      await before()
      const { peers } = await this.#ask({ op: 'peers', infohash })
      return peers!.length > 0 ? peers! : undefined
    })
  }

  #ask(message: object): Promise<{ nodes?: number[]; peers?: string[] }> {
    return new Promise(resolve => {
      this.#answer = resolve
      this.#child.write(`${JSON.stringify(message)}\n`)
    })
  }
}

/** Starts nodes of ours on a host, and waits until they know others. */
export async function startOwnNodes(host: Host, options: NodesOptions, bootstrap: string): Promise<string[]> {
  const listen = nodeAddresses(host, options)
  const script = join(buildRoot, 'test', 'support', 'own-dht-nodes.js')
  const child = host.start(process.execPath, [script, JSON.stringify({ listen, bootstrap })])
  await child.printed(/connected/, 60_000, 'stdout')
  return listen
}
