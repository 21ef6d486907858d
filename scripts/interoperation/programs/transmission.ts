/** transmission-daemon. */
import { writeFileSync } from 'node:fs'
import { has } from '../../../test/support/project.js'
import { Transmission } from '../../../test/support/transmission.js'
import { addressOf, KiB, type Program } from '../program.js'
import { firstLine } from '../versions.js'

/** `encryption` of its settings. */
const REQUIRED = 2
const PREFERRED = 1

export const transmission: Program = {
  name: 'transmission',
  lacks: {},
  whyNot: () => (has('transmission') ? undefined : 'transmission-daemon is not installed'),
  version: () => firstLine('transmission-daemon', ['--version']),

  async start(scope, host, traits) {
    const { dht, downloadLimit } = traits
    const daemon = await Transmission.start(
      scope,
      host,
      {
        'bind-address-ipv4': traits.ipv6 === true ? '127.0.0.1' : host.address,
        'bind-address-ipv6': traits.ipv6 === true ? host.address6 : '::1',
        'dht-enabled': dht !== undefined,
        'lpd-enabled': traits.lsd === true,
        'pex-enabled': traits.pex === true,
        'utp-enabled': traits.utp === true,
        encryption: traits.encrypted === true ? REQUIRED : PREFERRED,
        'speed-limit-down-enabled': downloadLimit !== undefined,
        'speed-limit-down': Math.ceil((downloadLimit ?? 0) / KiB),
      },
      folder => {
        if (dht !== undefined) writeFileSync(`${folder}/dht.bootstrap`, `${dht.host} ${dht.port}\n`)
      },
    )
    return {
      host: addressOf(host, traits),
      port: daemon.port,
      seed: torrent => daemon.seed(torrent),
      leech: (source, folder) => daemon.add(source, folder),
      log: () => daemon.child.stderr.slice(-3000),
    }
  },
}
