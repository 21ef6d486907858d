/**
 * `torrent scrape`: how many seeders and leechers trackers know of, without announcing anything.
 */

import { parseDuration } from '../../flag-values.js'
import { any, defineCommand, one, valueOr } from '../command.js'
import { printable } from '../context.js'

/** Describes the command. */
export const scrape = defineCommand({
  name: 'scrape',
  summary: 'ask trackers how many seeders and leechers there are',
  description:
    'Asks a tracker of torrents, or each tracker of a torrent, for the numbers it knows. Unlike an announce this leaves nothing there.',
  hasJson: true,
  arguments: {
    target: one('TARGET', "a tracker's URL, a torrent file, or a magnet link", { complete: 'file' }),
    infohashes: any('INFOHASH', 'which torrents, for a tracker'),
  },
  options: {
    timeout: valueOr('TIME', '20s', 'how long to wait for a tracker', { parse: parseDuration }),
  },
  examples: [
    ['torrent scrape film.torrent', 'the numbers of each of its trackers'],
    [
      'torrent scrape http://tracker.example/announce 0123456789abcdef0123456789abcdef01234567',
      'those of one tracker',
    ],
  ],
  run: async (context, { target, infohashes, timeout }) => {
    const { readTarget, parseInfohash } = await import('../swarm-target.js')
    const { askTrackers } = await import('../tracker-questions.js')
    const found = await readTarget(target, infohashes.map(parseInfohash))
    const bytes = found.infohashes.map(infohash => Buffer.from(infohash, 'hex'))
    const outcomes = await askTrackers(context, found.trackers, timeout, (client, tracker, signal) =>
      client.scrape(tracker, bytes, { signal }),
    )
    const hasAnswer = outcomes.some(({ answer }) => answer !== undefined)
    if (context.json) {
      context.printJson(
        outcomes.map(({ tracker, error, answer }) =>
          answer === undefined ? { tracker, error } : { tracker, torrents: answer.entries },
        ),
      )
      return hasAnswer ? 0 : 1
    }
    for (const { tracker, answer } of outcomes) {
      if (answer === undefined) continue
      for (const infohash of found.infohashes) {
        const entry = answer.entries.find(candidate => candidate.infohash === infohash)
        const facts =
          entry === undefined
            ? 'not known there'
            : `seeders ${entry.seeders}, leechers ${entry.leechers}, downloads ${entry.downloads}`
        context.print(`${context.colours.bold(printable(tracker))} ${infohash}: ${facts}`)
      }
    }
    return hasAnswer ? 0 : 1
  },
})
