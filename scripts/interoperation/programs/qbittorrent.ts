/** qbittorrent-nox, driven by its Web API. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { eventually } from '../../../test/support/child.js'
import { missing, pathOf } from '../places.js'
import { addressOf, KiB, type Program, type Source, type Traits } from '../program.js'
import { firstLine } from '../versions.js'

const PORT = 6895
const API_PORT = 8080
const REQUIRED = 1
const ALLOWED = 0

function settings(traits: Traits, address: string): string {
  return `[LegalNotice]
Accepted=true

[BitTorrent]
Session\\Port=${PORT}
Session\\Interface=eth0
Session\\InterfaceAddress=${address}
Session\\DHTEnabled=${traits.dht !== undefined}
Session\\PeXEnabled=${traits.pex === true}
Session\\LSDEnabled=${traits.lsd === true}
Session\\Encryption=${traits.encrypted === true ? REQUIRED : ALLOWED}
Session\\BTProtocol=${traits.utp === true ? 'Both' : 'TCP'}
Session\\GlobalDLSpeedLimit=${Math.ceil((traits.downloadLimit ?? 0) / KiB)}
Session\\IgnoreLimitsOnLAN=false
Session\\MultiConnectionsPerIp=true
Session\\QueueingSystemEnabled=false

[Network]
PortForwardingEnabled=false

[Preferences]
WebUI\\Port=${API_PORT}
WebUI\\UseUPnP=false
WebUI\\AuthSubnetWhitelistEnabled=true
WebUI\\AuthSubnetWhitelist=10.0.0.0/8
WebUI\\HostHeaderValidation=false
WebUI\\CSRFProtection=false
`
}

export const qbittorrent: Program = {
  name: 'qbittorrent',
  lacks: {},
  whyNot: () => missing(pathOf('qbittorrent-nox'), 'qbittorrent-nox is not installed'),
  version: () => firstLine('qbittorrent-nox', ['--version']),

  async start(scope, host, traits) {
    const address = addressOf(host, traits)
    const profile = scope.folder('torrentfs-qbittorrent-')
    const config = join(profile, 'qBittorrent', 'config')
    mkdirSync(config, { recursive: true })
    writeFileSync(join(config, 'qBittorrent.conf'), settings(traits, address))
    const child = host.start('qbittorrent-nox', [`--profile=${profile}`])
    const api = `http://${host.address}:${API_PORT}/api/v2`
    await eventually('qbittorrent answers', 20_000, async () => {
      if (child.exit !== undefined) throw new Error(`qbittorrent-nox ended: ${child.stderr}`)
      const signal = AbortSignal.timeout(2000)
      return await fetch(`${api}/app/version`, { signal }).then(
        reply => reply.ok,
        () => false,
      )
    })
    const add = async (source: Source, folder: string, skipChecking: boolean): Promise<void> => {
      const form = new FormData()
      if ('torrent' in source) form.set('torrents', new Blob([readFileSync(source.torrent)]), 'x.torrent')
      else form.set('urls', source.magnet)
      form.set('savepath', folder)
      form.set('skip_checking', String(skipChecking))
      form.set('root_folder', 'true')
      const reply = await fetch(`${api}/torrents/add`, { method: 'POST', body: form })
      if (!reply.ok) throw new Error(`qbittorrent: ${reply.status} ${await reply.text()}`)
    }
    const states = async (): Promise<string[]> => {
      const reply = await fetch(`${api}/torrents/info`)
      return ((await reply.json()) as { state: string }[]).map(each => each.state)
    }
    const order = async (what: 'pause' | 'resume'): Promise<void> => {
      await fetch(`${api}/torrents/${what}`, { method: 'POST', body: new URLSearchParams({ hashes: 'all' }) })
    }
    const seeds = (): Promise<unknown> =>
      eventually('qbittorrent seeds', 20_000, async () => /UP$|^uploading$/.test((await states())[0] ?? ''))
    /** It hears of its first node by the torrent, and announces before that has answered; then not for a quarter of an hour. */
    const announceAgain = async (): Promise<void> => {
      await eventually('qbittorrent knows a node', 30_000, async () => {
        const reply = await fetch(`${api}/transfer/info`)
        return ((await reply.json()) as { dht_nodes: number }).dht_nodes > 0
      })
      await order('pause')
      await eventually('qbittorrent pauses', 10_000, async () => (await states())[0] === 'pausedUP')
      await order('resume')
    }
    return {
      host: address,
      port: PORT,
      async seed(torrent) {
        await add({ torrent: torrent.file }, torrent.source, true)
        await seeds()
        if (traits.dht !== undefined) await announceAgain()
      },
      leech: (source, folder) => add(source, folder, false),
      async log() {
        const reply = await fetch(`${api}/torrents/info`)
        return `${(await reply.text()).slice(0, 1500)}\n${child.stdout.slice(-1500)}`
      },
    }
  },
}
