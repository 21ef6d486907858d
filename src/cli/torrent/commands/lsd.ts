/**
 * `torrent lsd`: torrents of this network, by local service discovery.
 */

import { parseDuration } from '../../flag-values.js'
import { defineCommand, defineGroup, one, value, valueOr } from '../command.js'
import { printable, type Context } from '../context.js'
import { parsePort } from './announce.js'
import type { LocalAnnouncement, LocalListener } from '../../../torrent/index.js'

const listen = defineCommand({
  name: 'listen',
  summary: 'print what programs of this network announce',
  description: 'Prints who announces which torrent in this network, until Ctrl-C.',
  hasJson: true,
  options: { for: value('TIME', 'end after so long', { parse: parseDuration }) },
  examples: [
    ['torrent lsd listen', 'an infohash and a peer a line'],
    ['torrent lsd listen --for 10s --json', 'for ten seconds, a line of JSON for each announcement'],
  ],
  run: async (context, { for: duration }) => {
    const { listener } = await open(context, announcement => tell(context, announcement))
    await lasting(context, duration)
    listener.close()
  },
})

const announce = defineCommand({
  name: 'announce',
  summary: 'tell this network of a torrent, and print who has it too',
  description:
    'Announces a torrent to this network, so that programs of it connect to this machine, and prints the peers that say they ' +
    'have it too. Announces once, or every so often until Ctrl-C.',
  hasJson: true,
  arguments: { infohash: one('INFOHASH', '40 hexadecimal digits, or 32 characters of base32') },
  options: {
    port: valueOr('PORT', '6881', 'where a program of this machine takes peers', { parse: parsePort }),
    wait: valueOr('TIME', '5s', 'how long to wait for answers', { parse: parseDuration }),
    every: value('TIME', 'announce again so often, until Ctrl-C', { parse: parseDuration }),
  },
  examples: [
    ['torrent lsd announce 0123456789abcdef0123456789abcdef01234567 --port 6881', 'once'],
    ['torrent lsd announce 0123456789abcdef0123456789abcdef01234567 --every 5m', 'for as long as it runs'],
  ],
  run: async (context, { infohash, port, wait, every }) => {
    const { parseInfohash } = await import('../swarm-target.js')
    const hex = parseInfohash(infohash)
    const seen = new Set<string>()
    const { listener, failures } = await open(context, ({ peer, infohashes }) => {
      const key = `${peer.host} ${peer.port}`
      if (!infohashes.includes(hex) || seen.has(key)) return
      seen.add(key)
      tell(context, { peer, infohashes: [hex] })
    })
    try {
      for (;;) {
        const interfaces = await listener.announce(hex, port)
        if (interfaces === 0)
          throw new Error(`no network to announce to${failures.map(why => `: ${why}`).join('')}`)
        await lasting(context, every ?? wait ?? 0)
        if (every === undefined || context.signal.aborted) return
      }
    } finally {
      listener.close()
    }
  },
})

/** Describes the commands. */
export const lsd = defineGroup({
  name: 'lsd',
  summary: 'find torrents in the local network: listen, announce',
  commands: [listen, announce],
})

/** Begins to listen; fails when neither address family can be heard. */
async function open(
  context: Context,
  heard: (announcement: LocalAnnouncement) => void,
): Promise<{ listener: LocalListener; failures: string[] }> {
  const { LocalListener } = await import('../../../torrent/index.js')
  const failures: string[] = []
  const listener = new LocalListener({
    heard,
    failed: reason => {
      failures.push(reason)
      context.warn(`cannot hear a part of the network: ${reason}`)
    },
  })
  return { listener, failures }
}

function tell(context: Context, { peer, infohashes }: LocalAnnouncement): void {
  const host = peer.host.includes(':') ? `[${peer.host}]` : peer.host
  for (const infohash of infohashes) {
    if (context.json) context.printJson({ infohash, peer }, { oneLine: true })
    else context.print(printable(`${infohash} ${host}:${peer.port}`))
  }
}

/** Waits so long, or until the command is stopped. */
async function lasting(context: Context, ms: number | undefined): Promise<void> {
  if (context.signal.aborted) return
  await new Promise<void>(resolve => {
    const timer = ms === undefined ? setInterval(() => undefined, 2 ** 30) : setTimeout(resolve, ms)
    context.signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer)
        resolve()
      },
      { once: true },
    )
  })
}
