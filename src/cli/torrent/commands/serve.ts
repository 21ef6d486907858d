/**
 * `torrent serve`: files and folders as torrents, seeded where they lie.
 */

import { parseFolder } from '../../flag-values.js'
import { defineCommand, list, some, toggle, value } from '../command.js'
import { networkOptions } from '../network-options.js'

function parseTracker(text: string): string {
  if (!/^(https?|udp):\/\/./i.test(text) || !URL.canParse(text))
    throw new Error('expected a URL of http, https or udp')
  return text
}

/** Describes the command. */
export const serve = defineCommand({
  name: 'serve',
  summary: 'seed files and folders, or torrents whose data is here',
  description:
    'Makes a torrent of each file and folder, prints its magnet link, and seeds it until stopped. A .torrent file is seeded ' +
    'with the data that lies beside it; what of that does not match is not given to anyone. Nothing of the data is ' +
    'ever written. Peers come by DHT and the local network, and by the trackers that are named.',
  arguments: { paths: some('PATH', 'a file, a folder, or a .torrent file', { complete: 'file' }) },
  options: {
    tracker: list('URL', 'a tracker to announce to', { short: 't', parse: parseTracker }),
    data: value('DIR', 'where the data of .torrent files lies (default: beside each)', {
      parse: parseFolder,
      complete: 'folder',
    }),
    private: toggle('let peers come from the trackers alone (BEP 27)'),
    superSeed: toggle('give each peer what others lack, as the only seed there is (BEP 16)'),
    saveMetainfos: toggle('write a .torrent file of what is made one into the current folder, too'),
    ...networkOptions,
  },
  hasJson: true,
  examples: [
    ['torrent serve photos', 'to anyone with the magnet link'],
    ['torrent serve -t udp://tracker.example:6969/announce a.iso b.iso', 'two files, with a tracker'],
    ['torrent serve film.torrent --data /srv/films', 'a torrent that is here already'],
  ],
  run: async (context, input) => (await import('../serving.js')).servePaths(context, input),
})
