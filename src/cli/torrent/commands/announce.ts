/**
 * `torrent announce`: one announce to each tracker, and what it answers.
 */

import { oneOf, parseCount, parseDuration } from '../../flag-values.js'
import { printable } from '../context.js'
import { defineCommand, maybe, one, value, valueOr } from '../command.js'
import { formatCount, formatTime } from '../quantities.js'

const EVENTS = ['started', 'completed', 'stopped'] as const

/** The port that is announced where nobody listens: that of no program, and not 0, which trackers refuse. */
const NO_PORT = 1

/** Describes the command. */
export const announce = defineCommand({
  name: 'announce',
  summary: 'announce to trackers and print the peers they give',
  description:
    'Announces once to a tracker, or to each tracker of a torrent, and prints the peers that it gives. With --port the tracker ' +
    'remembers this machine for a while, and sends peers there: announce with --event stopped to be forgotten. Without it the ' +
    'announce is taken back at once.',
  hasJson: true,
  arguments: {
    target: one('TARGET', "a tracker's URL, a torrent file, or a magnet link", { complete: 'file' }),
    infohash: maybe('INFOHASH', 'which torrent, for a tracker'),
  },
  options: {
    event: value('EVENT', `what to announce: ${EVENTS.join(', ')}`, {
      parse: oneOf(...EVENTS),
      complete: EVENTS,
    }),
    port: value('PORT', 'where a program of this machine takes peers', { parse: parsePort }),
    left: value('BYTES', 'bytes that are missing; 0 for a seeder', { parse: parseBytes }),
    numWant: valueOr('COUNT', '50', 'how many peers are wanted', { parse: parseCount }),
    timeout: valueOr('TIME', '20s', 'how long to wait for a tracker', { parse: parseDuration }),
  },
  examples: [
    [
      'torrent announce udp://tracker.example:6969 0123456789abcdef0123456789abcdef01234567',
      'peers that a tracker gives',
    ],
    ['torrent announce film.torrent --json', 'the same of all trackers of a torrent, for programs'],
    ["torrent announce 'magnet:?xt=urn:btih:...' --event stopped --port 6881", 'to be forgotten'],
  ],
  run: async (context, { target, infohash, event, port, left, numWant, timeout }) => {
    const { randomBytes, randomInt } = await import('node:crypto')
    const { readTarget, parseInfohash } = await import('../swarm-target.js')
    const { askTrackers } = await import('../tracker-questions.js')
    const { formatHostPort } = await import('../../../torrent/entries/tracker.js')
    const infohashes = infohash === undefined ? [] : [parseInfohash(infohash)]
    const found = await readTarget(target, infohashes)
    const request = {
      infohash: Buffer.from(found.infohashes[0]!, 'hex'),
      peerId: Buffer.concat([Buffer.from('-TF0001-'), randomBytes(12)]),
      ...{ port: port ?? NO_PORT, uploaded: 0, downloaded: 0, left, numWant, key: randomInt(2 ** 32) },
      ...(event === undefined ? {} : { event }),
    }
    const outcomes = await askTrackers(context, found.trackers, timeout, async (client, tracker, signal) => {
      const answer = await client.announce(tracker, request, { signal })
      if (port !== undefined || answer.kind !== 'answer') return answer
      if (event === undefined) {
        const end = { ...request, event: 'stopped' as const, numWant: 0 }
        // It forgets us anyway, after a while.
        await client.announce(tracker, end, { signal }).catch(() => undefined)
      }
      // Ourselves, and others that only asked.
      return { ...answer, addresses: answer.addresses.filter(address => address.port !== NO_PORT) }
    })
    const answered = outcomes.filter(({ answer }) => answer !== undefined)
    if (context.json) {
      context.printJson(
        outcomes.map(({ tracker, error, answer }) =>
          answer === undefined
            ? { tracker, error }
            : {
                tracker,
                peers: answer.addresses,
                ...{ interval: inSeconds(answer.interval), minInterval: inSeconds(answer.minInterval) },
                ...{ seeders: answer.seeders, leechers: answer.leechers, downloads: answer.downloads },
                ...{ externalIp: answer.externalIp, warning: answer.warning },
              },
        ),
      )
      return answered.length > 0 ? 0 : 1
    }
    for (const { tracker, answer } of answered) {
      const facts = [
        formatCount(answer!.addresses.length, 'peer'),
        ...(answer!.seeders === undefined ? [] : [formatCount(answer!.seeders, 'seeder')]),
        ...(answer!.leechers === undefined ? [] : [formatCount(answer!.leechers, 'leecher')]),
        ...(answer!.interval === undefined ? [] : [`again in ${formatTime(answer!.interval)}`]),
      ]
      context.print(`${context.colours.bold(printable(tracker))}: ${facts.join(', ')}`)
      for (const address of answer!.addresses) context.print(`  ${formatHostPort(address)}`)
      if (answer!.warning !== undefined) context.warn(`${tracker} warns: ${answer!.warning}`)
    }
    return answered.length > 0 ? 0 : 1
  },
})

function inSeconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1000
}

/** A port of peers. @throws Error saying what was expected */
export function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (port < 1 || port > 65535) throw new Error('expected a port, 1 to 65535')
  return port
}

function parseBytes(text: string): number {
  const bytes = /^\d{1,15}$/.test(text) ? Number(text) : NaN
  if (Number.isNaN(bytes)) throw new Error('expected a number of bytes')
  return bytes
}
