/**
 * `torrent magnet`: what a magnet link says, and the torrent file it stands for.
 */

import type { Magnet } from '../../../torrent/entries/metainfo.js'
import { parseDuration, parsePeer } from '../../flag-values.js'
import { UsageError } from '../../usage-error.js'
import { defineCommand, list, one, toggle, value, valueOr } from '../command.js'
import { printable, type Context } from '../context.js'
import { checkOutput } from '../output.js'

/** Describes the command. */
export const magnet = defineCommand({
  name: 'magnet',
  summary: 'show what a magnet link says, or fetch its torrent file',
  hasJson: true,
  arguments: { uri: one('URI', 'the magnet link; quote it, for it has & in it') },
  options: {
    fetch: toggle('fetch the torrent file from peers, and show where it was written'),
    output: value('FILE', 'with --fetch: where it goes; - for standard output; NAME.torrent by default', {
      short: 'o',
      complete: 'file',
    }),
    force: toggle('with --fetch: replace the output if it is there', { short: 'f' }),
    timeout: valueOr('TIME', '60s', 'with --fetch: give up after this long; off for never', {
      parse: parseDuration,
    }),
    testPeer: list('HOST:PORT', 'with --fetch: a peer to ask', { parse: parsePeer }),
    noDht: toggle('with --fetch: do not use the DHT'),
    noTrackers: toggle('with --fetch: ask no tracker'),
    noLsd: toggle('with --fetch: do not ask the local network'),
  },
  examples: [
    ["torrent magnet 'magnet:?xt=urn:btih:...&dn=film&tr=...'", 'infohash, name and trackers'],
    ["torrent magnet 'magnet:?xt=urn:btih:...' --fetch -o film.torrent", 'the torrent file, from peers'],
  ],
  run: async (context, input) => {
    const { uri, fetch, output, force } = input
    const { parseMagnet } = await import('../../../torrent/entries/metainfo.js')
    let parsed: Magnet
    try {
      parsed = parseMagnet(uri)
    } catch (error) {
      throw new UsageError((error as Error).message, { cause: error })
    }
    if (!fetch) {
      if (output !== undefined) throw new UsageError('--output needs --fetch')
      return show(context, parsed)
    }
    if (output !== undefined) await checkOutput(output, { force })
    const { fetchMetainfo } = await import('../metainfo-fetch.js')
    return fetchMetainfo(context, { ...input, magnet: parsed })
  },
})

function show(context: Context, parsed: Magnet): void {
  const { infohash, name, trackers, peers, webSeeds, sources, selectOnly } = parsed
  if (context.json)
    return context.printJson({
      infohash,
      name,
      trackers: trackers.flat(),
      peers,
      webSeeds,
      sources,
      selectOnly,
    })
  const line = (key: string, text: string): void =>
    context.print(`${context.colours.bold(key.padEnd(14))}${printable(text)}`)
  line('infohash', infohash)
  if (name !== undefined) line('name', name)
  for (const url of trackers.flat()) line('tracker', url)
  for (const { host, port } of peers) line('peer', `${host.includes(':') ? `[${host}]` : host}:${port}`)
  for (const url of webSeeds) line('web seed', url)
  for (const url of sources) line('torrent file', url)
  if (selectOnly !== undefined) {
    const ranges = selectOnly.map(({ begin, end }) =>
      end - begin === 1 ? `${begin}` : `${begin}-${end - 1}`,
    )
    line('files', ranges.join(', '))
  }
}
