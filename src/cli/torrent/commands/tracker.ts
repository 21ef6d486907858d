/**
 * `torrent tracker`: runs the small tracker.
 */

import { parseAddress, parseDuration, type HostAndPort } from '../../flag-values.js'
import { defineCommand, list, toggle, value, valueOr } from '../command.js'
import type { Context } from '../context.js'
import { formatCount } from '../quantities.js'
import type { TrackerServer, TrackerServerStats } from '../../../torrent/entries/tracker.js'

const DEFAULT_ADDRESS = ':6969'

/** Describes the command. */
export const tracker = defineCommand({
  name: 'tracker',
  summary: 'run a small tracker',
  description:
    'Runs a tracker over HTTP and UDP until Ctrl-C: peers that announce to it learn of each other. What it knows lies in ' +
    'memory alone. Without --http and --udp it takes both at port 6969 of all addresses.',
  options: {
    http: list('ADDRESS', 'where to take HTTP: host:port, or :port for all addresses', {
      parse: parseAddress,
    }),
    udp: list('ADDRESS', 'where to take UDP', { parse: parseAddress }),
    interval: valueOr('TIME', '30m', 'how often peers are asked to announce', { parse: parseInterval }),
    whitelist: value(
      'FILE',
      'serve the torrents whose infohashes are in this file, one a line, and no others',
      {
        complete: 'file',
      },
    ),
    stats: valueOr('TIME', '60s', 'how often to print what it holds, when that has changed; off for never', {
      parse: parseDuration,
    }),
    verbose: toggle('print a line for each announce', { short: 'v' }),
  },
  examples: [
    ['torrent tracker', 'at port 6969, for every torrent'],
    [
      'torrent tracker --http 127.0.0.1:8000 --whitelist torrents.txt',
      'over HTTP, on this machine, for some',
    ],
  ],
  run: async (context, { http, udp, interval, whitelist, stats, verbose }) => {
    const { TrackerServer, formatHostPort } = await import('../../../torrent/entries/tracker.js')
    const { Whitelist } = await import('../whitelist.js')
    const served = whitelist === undefined ? undefined : await Whitelist.read(whitelist)
    const usual = http.length === 0 && udp.length === 0 ? [parseAddress(DEFAULT_ADDRESS)] : []
    const server = await TrackerServer.listen({
      http: [...http, ...usual].flatMap(everywhere),
      udp: [...udp, ...usual].flatMap(everywhere),
      intervalMs: interval,
      ...(served === undefined ? {} : { serves: infohash => served.has(infohash) }),
      ...(verbose
        ? {
            announced: ({ transport, infohash, peer, event, seeder, given }) =>
              context.print(
                `${transport} ${infohash} ${formatHostPort(peer)} ${event ?? 'announce'} ` +
                  `${seeder ? 'seeder' : 'leecher'}, ${formatCount(given, 'peer')} given`,
              ),
          }
        : {}),
    })
    for (const address of server.http)
      context.print(`listening at http://${formatHostPort(address)}/announce`)
    for (const address of server.udp) context.print(`listening at udp://${formatHostPort(address)}`)
    served?.follow({
      changed: count => {
        server.refresh()
        context.print(`${whitelist}: ${formatCount(count, 'torrent')}`)
      },
      failed: why => context.warn(why),
    })
    try {
      await untilStopped(context, server, stats)
    } finally {
      served?.close()
      context.print(described(server.stats()))
      await server.close()
    }
  },
})

/** Without a host: all addresses, each family at a socket of its own. */
function everywhere({ host, port }: HostAndPort): HostAndPort[] {
  if (host !== '') return [{ host, port }]
  return [
    { host: '0.0.0.0', port },
    { host: '::', port },
  ]
}

/** Prints what the tracker holds now and then, until the command is stopped. */
async function untilStopped(
  context: Context,
  server: TrackerServer,
  everyMs: number | undefined,
): Promise<void> {
  let last = described(server.stats())
  const timer = setInterval(
    () => {
      const now = described(server.stats())
      if (now !== last) context.print(now)
      last = now
    },
    everyMs ?? 2 ** 30,
  )
  if (everyMs === undefined) clearInterval(timer)
  await new Promise<void>(resolve => {
    if (context.signal.aborted) resolve()
    else context.signal.addEventListener('abort', () => resolve(), { once: true })
  })
  clearInterval(timer)
}

function described(o: TrackerServerStats): string {
  const numbers = [
    formatCount(o.torrents, 'torrent'),
    formatCount(o.seeders, 'seeder'),
    formatCount(o.leechers, 'leecher'),
  ]
  const deeds = [
    formatCount(o.announces, 'announce'),
    formatCount(o.scrapes, 'scrape'),
    `${o.refused} refused`,
  ]
  return `${numbers.join(', ')}; ${deeds.join(', ')}`
}

function parseInterval(text: string): number {
  const interval = parseDuration(text)
  if (interval === undefined || interval < 1000) throw new Error('expected a time of at least 1s')
  return interval
}
