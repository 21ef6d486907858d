/** webtorrent of the npm registry, installed beside the other peers, in a process of its own. */
import { join } from 'node:path'
import { readFileSync } from 'node:fs'
import type { Child } from '../../../test/support/child.js'
import { missing, WEBTORRENT, WEBTORRENT_PEER } from '../places.js'
import { addressOf, argumentOf, type Program } from '../program.js'

const PORT = 6897

export const webtorrent: Program = {
  name: 'webtorrent',
  lacks: {
    encrypted: 'its encrypted handshake comes to nothing, with libtorrent set to forced RC4 as with us',
  },
  hearsOfPeersOnly: true,
  whyNot: () => missing(WEBTORRENT, 'webtorrent is not installed'),
  version: () =>
    (JSON.parse(readFileSync(join(WEBTORRENT, 'package.json'), 'utf8')) as { version: string }).version,

  start(_scope, host, traits) {
    const address = addressOf(host, traits)
    let running: Child | undefined
    const begin = (source: string, folder: string): void => {
      const options = { module: WEBTORRENT, port: PORT, traits, source, folder }
      running = host.start(process.execPath, [WEBTORRENT_PEER, JSON.stringify(options)], { cwd: folder })
    }
    return Promise.resolve({
      host: address,
      port: PORT,
      async seed(torrent) {
        begin(torrent.file, torrent.source)
        await running!.printed(/^done$/m, 60_000)
      },
      async leech(source, folder) {
        begin(argumentOf(source), folder)
        await running!.printed(/^added$/m, 20_000)
      },
      log: () => `${running?.stdout.slice(-1500)}\n${running?.stderr.slice(-3000)}`,
    })
  },
}
