/**
 * `torrent version`: which one this is.
 */

import { packageVersion } from '../../version.js'
import { defineCommand } from '../command.js'

/** Describes the command. */
export const version = defineCommand({
  name: 'version',
  summary: 'print the version of this program and of Node.js',
  hasJson: true,
  examples: [['torrent version --json', 'for programs: the same as an object']],
  run: async context => {
    const found = { torrentfs: packageVersion(), node: process.versions.node }
    if (context.json) context.printJson(found)
    else context.print(`torrent ${found.torrentfs} (Node.js ${found.node})`)
  },
})
