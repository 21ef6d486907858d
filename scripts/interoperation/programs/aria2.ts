/** aria2c. One process is one download. */
import { Aria2 } from '../../../test/support/aria2.js'
import { has } from '../../../test/support/project.js'
import { addressOf, argumentOf, type Program, type Traits } from '../program.js'
import { firstLine } from '../versions.js'

const PORT = 6891

function argumentsOf(traits: Traits, address: string): string[] {
  const { dht, downloadLimit } = traits
  return [
    `--interface=${address}`,
    `--disable-ipv6=${traits.ipv6 !== true}`,
    ...(dht === undefined
      ? []
      : [
          '--enable-dht=true',
          `--dht-listen-port=${PORT}`,
          `--dht-entry-point=${dht.host}:${dht.port}`,
          '--dht-file-path=dht.dat',
        ]),
    ...(traits.pex === true ? ['--enable-peer-exchange=true'] : []),
    ...(traits.lsd === true ? ['--bt-enable-lpd=true', `--bt-lpd-interface=${address}`] : []),
    ...(traits.encrypted === true ? ['--bt-force-encryption=true'] : []),
    ...(downloadLimit === undefined ? [] : [`--max-download-limit=${downloadLimit}`]),
  ]
}

export const aria2: Program = {
  name: 'aria2',
  lacks: { 'uTP only': 'no uTP' },
  whyNot: () => (has('aria2c') ? undefined : 'aria2c is not installed'),
  version: () => firstLine('aria2c', ['--version']),

  async start(_scope, host, traits) {
    const address = addressOf(host, traits)
    const args = argumentsOf(traits, address)
    let running: Aria2 | undefined
    return {
      host: address,
      port: PORT,
      async seed(torrent) {
        running = await Aria2.seed(host, { source: torrent.file, folder: torrent.source, port: PORT, args })
      },
      async leech(source, folder) {
        running = Aria2.download(host, { source: argumentOf(source), folder, port: PORT, args })
      },
      log: () => running?.child.stdout.slice(-3000) ?? '',
    }
  },
}
