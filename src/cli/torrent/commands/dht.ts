/**
 * `torrent dht`: questions to the DHT, outside any torrent.
 */

import { lookup } from 'node:dns/promises'
import { parseDhtNode, parsePeer } from '../../flag-values.js'
import { UsageError } from '../../usage-error.js'
import { defineCommand, defineGroup, list, one, valueOr } from '../command.js'
import { parseDuration } from '../../flag-values.js'
import type { Context } from '../context.js'
import { formatCount } from '../quantities.js'
import type { Dht } from '../../../torrent/index.js'

const bootstrap = list('HOST:PORT', 'a node to begin with instead of the usual ones; none for none', {
  parse: text => ({ node: parseDhtNode(text) }),
})

const getPeers = defineCommand({
  name: 'get-peers',
  summary: 'look up who has a torrent',
  description: 'Looks a torrent up in the DHT and prints the peers that its nodes tell of, as they come.',
  hasJson: true,
  arguments: { infohash: one('INFOHASH', '40 hexadecimal digits, or 32 characters of base32') },
  options: {
    bootstrap,
    timeout: valueOr('TIME', '60s', 'how long to look', { parse: parseDuration }),
  },
  examples: [
    ['torrent dht get-peers 0123456789abcdef0123456789abcdef01234567', 'peers, one a line'],
    [
      'torrent dht get-peers 0123456789abcdef0123456789abcdef01234567 --json',
      'the same at the end, as an array',
    ],
  ],
  run: async (context, { infohash, bootstrap, timeout }) => {
    const { parseInfohash } = await import('../swarm-target.js')
    const { formatHostPort } = await import('../../../torrent/entries/tracker.js')
    const hex = parseInfohash(infohash)
    return await withDht(context, bootstrap, async dht => {
      const late = timeout === undefined ? undefined : AbortSignal.timeout(timeout)
      const signal = late === undefined ? context.signal : AbortSignal.any([context.signal, late])
      const found: { host: string; port: number }[] = []
      try {
        await dht.getPeers(hex, {
          signal,
          onPeers: peers => {
            found.push(...peers)
            if (!context.json) for (const peer of peers) context.print(formatHostPort(peer))
          },
        })
      } catch (error) {
        if (context.signal.aborted || late?.aborted !== true) throw error
      }
      if (context.json) context.printJson(found)
      if (found.length > 0) return 0
      const nodes = dht.status().nodes4 + dht.status().nodes6
      context.warn(
        nodes === 0
          ? 'no node of the DHT answered'
          : `${formatCount(nodes, 'node')} answered, none knows a peer`,
      )
      return 1
    })
  },
})

const ping = defineCommand({
  name: 'ping',
  summary: 'ask a node whether it is there',
  hasJson: true,
  arguments: { node: one('HOST:PORT', 'the node', { parse: parsePeer }) },
  examples: [['torrent dht ping router.bittorrent.com:6881', 'its id, and how long it took']],
  run: async (context, { node }) => {
    const { formatHostPort } = await import('../../../torrent/entries/tracker.js')
    const { address } = await lookup(node.host).catch((error: unknown) => {
      throw new Error(`cannot find ${node.host}`, { cause: error })
    })
    const where = formatHostPort({ host: address, port: node.port })
    return await withDht(context, [{ node: undefined }], async dht => {
      const pong = await dht.ping({ host: address, port: node.port })
      if (context.json) context.printJson({ node: where, id: pong?.id ?? null, ms: pong?.ms ?? null })
      else if (pong !== undefined) context.print(`${where}: node ${pong.id}, ${pong.ms.toFixed(1)} ms`)
      if (pong === undefined) context.warn(`${where}: no answer`)
      return pong === undefined ? 1 : 0
    })
  },
})

/** Describes the commands. */
export const dht = defineGroup({
  name: 'dht',
  summary: 'ask the DHT: get-peers, ping',
  commands: [getPeers, ping],
})

/** Runs a question in a DHT of its own, with a client that does nothing else. */
async function withDht(
  context: Context,
  bootstrap: readonly { readonly node: { host: string; port: number } | undefined }[],
  ask: (dht: Dht) => Promise<number>,
): Promise<number> {
  const { Client, MemoryStorage } = await import('../../../torrent/index.js')
  const nodes = bootstrap.map(({ node }) => node)
  if (nodes.length > 1 && nodes.includes(undefined))
    throw new UsageError('--bootstrap=none cannot stand beside other nodes')
  const client = new Client({
    storage: new MemoryStorage(),
    ...{
      disableTrackers: true,
      disableLsd: true,
      disablePex: true,
      disablePortMapping: true,
      disableUtp: true,
    },
    listenAddr: { port: 0 },
    ...(nodes.length === 0 ? {} : { dhtBootstrap: nodes.filter(node => node !== undefined) }),
  })
  try {
    await client.listen()
    const { dht } = client
    if (dht === undefined) throw new Error('there is no DHT here')
    const stop = new Promise<never>((_, reject) => {
      context.signal.addEventListener('abort', () => reject(context.signal.reason as Error), { once: true })
    })
    return await Promise.race([ask(dht), stop])
  } finally {
    await client.close()
  }
}
