/**
 * A program: downloads one torrent through the library, no mount, and prints what it took as JSON: the same
 * figures as libtorrent_download.py. The clock starts at download(): finding the peer, if that is not done yet,
 * is part of the time (libtorrent's is not charged for it).
 */
import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

/** What is used here of the library's public surface. */
interface Library {
  readonly Client: new (o: {
    downloadDir: string
    testPeers: { host: string; port: number }[]
    disableTrackers: boolean
    disableDht: boolean
    listenAddr: { host: string; port: number }
    disableTcp: boolean
    disableUtp: boolean
    encryption: string
  }) => {
    listen(): Promise<void>
    addNow(source: { metainfo: Uint8Array }): LibraryTorrent
    close(): Promise<void>
  }
}
interface LibraryTorrent {
  readonly ready: boolean
  readonly files: readonly { readonly length: number; readonly storedBytes: number }[]
  on(event: 'ready' | 'stored', listener: () => void): void
  once(event: 'ready' | 'stored', listener: () => void): void
  download(): void
}

const [library, torrentFile, folder, peer, flow] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  'tcp' | 'utp' | 'rc4',
]
const colon = peer.lastIndexOf(':')
const { Client } = (await import(pathToFileURL(library).href)) as Library
const client = new Client({
  downloadDir: folder,
  testPeers: [{ host: peer.slice(0, colon), port: Number(peer.slice(colon + 1)) }],
  disableTrackers: true,
  disableDht: true,
  // Datagrams go out from where we listen.
  listenAddr: { host: flow === 'utp' ? '' : '127.0.0.1', port: 0 },
  disableTcp: flow === 'utp',
  disableUtp: flow !== 'utp',
  encryption: flow === 'rc4' ? 'require' : 'disable',
})
await client.listen()
const cpuBefore = process.cpuUsage()
const added = performance.now()
const torrent = client.addNow({ metainfo: readFileSync(torrentFile) })
if (!torrent.ready)
  await new Promise<void>(resolve => {
    torrent.once('ready', resolve)
  })
const began = performance.now()
torrent.download()
const whole = torrent.files.reduce((sum, file) => sum + file.length, 0)
await new Promise<void>(resolve => {
  const look = (): void => {
    if (torrent.files.reduce((sum, file) => sum + file.storedBytes, 0) === whole) resolve()
  }
  torrent.on('stored', look)
  look()
})
const ended = performance.now()
const cpu = process.cpuUsage(cpuBefore)
const peakRss = Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? 0) * 1024
process.stdout.write(
  JSON.stringify({
    seconds: (ended - began) / 1000,
    connect: (began - added) / 1000,
    cpuSeconds: (cpu.user + cpu.system) / 1e6,
    peakRss,
    bytes: whole,
  }),
)
await client.close()
