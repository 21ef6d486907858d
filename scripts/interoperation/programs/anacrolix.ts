/** The Go client: anacrolix/torrent's command line. One process is one download. */
import type { Child } from '../../../test/support/child.js'
import { GO_CLIENT, missing } from '../places.js'
import { addressOf, argumentOf, bracketed, type Program } from '../program.js'

const PORT = 42_100

export const anacrolix: Program = {
  name: 'anacrolix (Go)',
  lacks: { 'LSD only': 'no LSD' },
  whyNot: () => missing(GO_CLIENT, 'the Go client is not built (is Go installed?)'),
  version: () => '1.59.1',

  start(_scope, host, traits) {
    const address = addressOf(host, traits)
    let running: Child | undefined
    const begin = (source: string, folder: string, more: readonly string[]): void => {
      running = host.start(
        GO_CLIENT,
        [
          'download',
          `--addr=${bracketed(address)}:${PORT}`,
          '--no-port-forward',
          '--no-webtorrent',
          traits.dht === undefined ? '--no-dht' : '--dht',
          traits.pex === true ? '--pex' : '--no-pex',
          traits.utp === true ? '--utp-peers' : '--no-utp-peers',
          traits.ipv6 === true ? '--no-ipv4' : '--no-ipv6',
          ...(traits.downloadLimit === undefined ? [] : [`--download-rate=${traits.downloadLimit}`]),
          ...more,
          source,
        ],
        { cwd: folder },
      )
    }
    return Promise.resolve({
      host: address,
      port: PORT,
      async seed(torrent) {
        begin(torrent.file, torrent.source, ['--seed', '--verify'])
        await running!.printed(/downloaded ALL|\b(\S+ [kM]?B)\/\1 ready/, 60_000)
      },
      async leech(source, folder) {
        begin(argumentOf(source), folder, ['--seed'])
      },
      log: () => `${running?.stdout.slice(-1500)}\n${running?.stderr.slice(-3000)}`,
    })
  },
}
