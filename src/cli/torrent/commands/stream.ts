/**
 * `torrent stream`: files of a torrent over HTTP, for players.
 */

import { parseAddress, parseFolder } from '../../flag-values.js'
import { defineCommand, list, one, value, valueOr } from '../command.js'
import { networkOptions } from '../network-options.js'

/** Describes the command. */
export const stream = defineCommand({
  name: 'stream',
  summary: 'serve files of a torrent over HTTP while they are downloaded, and play them',
  description:
    'Prints a URL for each file, which can be read and sought in at once: what is asked for is downloaded first, and nothing ' +
    'that nobody asks for. Serves until it is stopped, or until the player ends.',
  arguments: {
    source: one('SOURCE', 'a .torrent file or its URL, a magnet link, or infohash:HEX', {
      complete: 'file',
    }),
  },
  options: {
    file: list('GLOB', 'the files to serve: *.mkv (default: the biggest one that can be played)', {
      short: 'f',
    }),
    player: value('COMMAND', 'a program to open with the URLs, such as mpv or "vlc --play-and-exit"', {
      short: 'p',
    }),
    output: value('DIR', 'keep what is downloaded there (default: a temporary folder)', {
      short: 'o',
      parse: parseFolder,
      complete: 'folder',
    }),
    http: valueOr('HOST:PORT', '127.0.0.1:0', 'where to serve; port 0: one that is free', {
      parse: parseAddress,
    }),
    ...networkOptions,
  },
  hasJson: true,
  examples: [
    ['torrent stream "magnet:?xt=urn:btih:..." --player mpv', 'watch it'],
    ['torrent stream film.torrent -f "*.mkv" --http 127.0.0.1:8000', 'serve it at a port you know'],
  ],
  run: async (context, input) => (await import('../streaming.js')).streamFiles(context, input),
})
