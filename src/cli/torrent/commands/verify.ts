/**
 * `torrent verify`: whether data on disk is what a torrent file says.
 */

import { parseCount, parseFolder } from '../../flag-values.js'
import { defineCommand, one, toggle, value, valueOr } from '../command.js'

/** Describes the command. */
export const verify = defineCommand({
  name: 'verify',
  summary: 'check data on disk against the hashes of a torrent file',
  description:
    'Checks data on disk against the hashes of a torrent file, and tells of each file whether it is good, damaged, ' +
    'incomplete, missing, too long, or uncertain (it shares pieces with a file that is not whole). Nothing is changed. Fails (status 1) unless all of it is good.',
  hasJson: true,
  arguments: {
    torrent: one('TORRENT', 'the torrent file: a path, an HTTP(S) URL, or -', { complete: 'file' }),
  },
  options: {
    data: valueOr('DIR', '.', 'the folder the content lies in, under its name', {
      short: 'd',
      parse: parseFolder,
      complete: 'folder',
    }),
    quiet: toggle('tell only of files that are not good', { short: 'q' }),
    workers: value('N', 'threads that hash; as many as there are cores, up to 4, by default', {
      parse: parseCount,
    }),
  },
  examples: [
    ['torrent verify film.torrent --data ~/Downloads', 'is ~/Downloads/film.mkv whole?'],
    ['torrent verify photos.torrent -q && echo fine', 'for scripts'],
  ],
  run: async (context, input) => (await import('../data-check.js')).checkData(context, input),
})
