/**
 * `torrent download`: fetches torrents into a folder.
 */

import { parseFolder } from '../../flag-values.js'
import { defineCommand, list, some, toggle, valueOr } from '../command.js'
import { networkOptions } from '../network-options.js'

/** Describes the command. */
export const download = defineCommand({
  name: 'download',
  summary: 'download torrents into a folder',
  description:
    'Downloads all files of the torrents, or those that --file names, and ends when they are there. What was downloaded ' +
    'before is kept: run it again to go on after a stop. Status 0: all is there; 1: something failed, or it was stopped ' +
    'before.',
  arguments: {
    sources: some('SOURCE', 'a .torrent file or its URL, a magnet link, or infohash:HEX', {
      complete: 'file',
    }),
  },
  options: {
    output: valueOr('DIR', '.', 'the folder to download to', {
      short: 'o',
      parse: parseFolder,
      complete: 'folder',
    }),
    file: list('GLOB', 'download only files that match: *.mkv (names) or "season 1/**" (paths)', {
      short: 'f',
    }),
    seed: toggle('go on uploading when all is there, until stopped'),
    sequential: toggle('download files in order, from their beginning on'),
    verify: toggle('hash what is in the output folder first, and fetch only the rest'),
    saveMetainfos: toggle('write a .torrent file of each torrent into the output folder, too'),
    stats: toggle('tell at the end what was transferred'),
    ...networkOptions,
  },
  hasJson: true,
  examples: [
    ['torrent download debian-12.iso.torrent', 'into the current folder'],
    [
      'torrent download -o films -f "*.mkv" -f "*.srt" "magnet:?xt=urn:btih:..."',
      'some files of a magnet link',
    ],
    ['torrent download --seed --max-up 1MiB https://example.org/a.torrent b.torrent', 'two, and seed them'],
    ['torrent download --verify -o films film.torrent', 'take over what a copy in films has right'],
    [
      'torrent download --no-dht --no-lsd --no-pex --test-peer 192.0.2.7:6881 a.torrent',
      'from one peer alone',
    ],
  ],
  run: async (context, input) => (await import('../downloading.js')).downloadAll(context, input),
})
