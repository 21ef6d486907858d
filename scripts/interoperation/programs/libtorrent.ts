/** libtorrent-rasterbar, through its Python binding. */
import { dhtSettings } from '../../../test/support/dht-nodes.js'
import { Libtorrent } from '../../../test/support/libtorrent.js'
import { has, systemPython } from '../../../test/support/project.js'
import { addressOf, argumentOf, bracketed, type Program } from '../program.js'
import { firstLine } from '../versions.js'

const PORT = 6881
/** `settings_pack::enc_policy` and `enc_level`. */
const ENCRYPTION = { forced: 0, enabled: 1, rc4: 2, both: 3 }

export const libtorrent: Program = {
  name: 'libtorrent',
  lacks: {},
  whyNot: () => (has('libtorrent') ? undefined : 'python3-libtorrent is not installed'),
  version: () => firstLine(systemPython, ['-c', 'import libtorrent; print(libtorrent.version)']),

  async start(_scope, host, traits) {
    const address = addressOf(host, traits)
    const { dht } = traits
    const policy = traits.encrypted === true ? ENCRYPTION.forced : ENCRYPTION.enabled
    const settings = {
      listen_interfaces: `${bracketed(address)}:${PORT}`,
      ...(dht === undefined ? {} : dhtSettings(`${dht.host}:${dht.port}`)),
      dht_announce_interval: 10,
      enable_lsd: traits.lsd === true,
      enable_incoming_utp: traits.utp === true,
      enable_outgoing_utp: traits.utp === true,
      in_enc_policy: policy,
      out_enc_policy: policy,
      allowed_enc_level: traits.encrypted === true ? ENCRYPTION.rc4 : ENCRYPTION.both,
      download_rate_limit: traits.downloadLimit ?? 0,
    }
    const peer = await Libtorrent.start(host, settings, PORT)
    return {
      host: address,
      port: PORT,
      async seed(torrent) {
        const infohash = await peer.add({ torrent: torrent.file, folder: torrent.source, seed: true })
        await peer.until(infohash, status => status.seeding, 20_000, 'seeding')
      },
      async leech(source, folder) {
        const add = 'torrent' in source ? { torrent: argumentOf(source) } : { magnet: argumentOf(source) }
        await peer.add({ ...add, folder })
      },
      log: async () => (await peer.log()).slice(-30).join('\n'),
    }
  },
}
